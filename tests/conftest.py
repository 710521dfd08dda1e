import copy
import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# Workers share the cores. If the threads of several workers wait for each other, small matrices take ten times as long.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import plain
import pytest
import torch
import yaml
from hypothesis import settings

from algoreg import plugins
from algoreg.claims import intervals, published
from algoreg.engine import experiment
from algoreg.ensembles.gaussian import packed_rows
from algoreg.numerics.problems import draw_factor
from algoreg.regression import references, snapshots
from algoreg.results import experiment_tables, records
from algoreg.settings import chapters as chapter_files
from algoreg.settings import checking as tiers
from algoreg.settings.chapters import compose, load_chapter, load_chapters
from algoreg.settings.files import load_yaml
from algoreg.settings.messages import in_file
from algoreg.settings.plan import experiment_options

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
CHAPTERS = ROOT / "tests" / "chapters"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A page may load only local files and data that it contains.
OWN = ("file:", "data:", "blob:")
CPU = torch.device("cpu")
TIERS = ("smoke", "quick", "standard", "full")
# The environment variable with the folder of Snakemake's cache of outputs.
CACHE = "SNAKEMAKE_OUTPUT_CACHE"
# For how long each of Snakemake's timers runs: a second where jobs are few, ten where many jobs start many timers.
TIMERS, MANY_TIMERS = (("--max-jobs-per-timespan", f"1000/{timespan}") for timespan in ("1s", "10s"))

# What `make test ARGS=… CORES=…` was given is not for the calls of make in tests.
for variable in ("ARGS", "CHAPTER_PATH", "CORES", "PYTHON", "TORCH", "MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL"):
    os.environ.pop(variable, None)

# There is no deadline, because a slow example on a shared machine is no failure. HYPOTHESIS_PROFILE=fuzz selects the
# second.
settings.register_profile("algoreg", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "algoreg"))


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="torch sees no CUDA device here")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)


def pytest_configure(config):
    config.addinivalue_line("markers", "replicates(count): how many resamples an interval takes in this test")


@pytest.fixture(autouse=True)
def resampled(request, monkeypatch):
    """Set the number of resamples of intervals to the number in a test's mark: few are quick, many are exact."""
    mark = request.node.get_closest_marker("replicates")
    if mark is not None:
        monkeypatch.setattr(intervals, "REPLICATES", *mark.args)


@pytest.fixture(autouse=True)
def close_figures():
    """Close a test's figures, because matplotlib keeps every figure and warns if there are more than twenty."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def tier_settings(tier):
    """Return a copy of a tier's settings with the experiments of all its chapters, which the test may change."""
    return copy.deepcopy(_tier_settings(tier))


@cache
def _tier_settings(tier):
    return tiers.load_tier(ROOT / "config" / f"{tier}.yaml")


def registered_claims():
    """Return the claims of all chapters."""
    return tiers.load_claims()


def setting_problems(content, file="tier.yaml"):
    """Return the messages about a tier's settings, one a line; valid settings have none.

    Parameters
    ----------
    content : dict
        Settings from :func:`tier_settings` that the test has changed.
    """
    try:
        tiers.check_tier(content, in_file(file))
    except tiers.SettingsError as error:
        return error.problems
    return []


def recorded_descents(ensembles=2, dtype="float64", **options):
    """Return an experiment's entry for recorded descents, with small sizes unless the options set others."""
    small = {"d": 6, "rank": 1, "m": 20, "targets": 2, "algorithm": "factored"}
    small |= {"runs": [{"alpha": 0.1, "step": 0.1, "iterations": 20}], "record": {"errors": {"every": 10}}}
    return {"experiment": "descents", "ensembles": ensembles, "dtype": dtype, "options": {**small, **options}}


def as_text(rows):
    """Return rows with cells as in a table's file."""
    return [{name: records.format_cell(cell) for name, cell in row.items()} for row in rows]


def option_problems(name, **changes):
    """Return the messages about the smoke tier after changing options of an experiment."""
    content = tier_settings("smoke")
    content["experiments"][name]["options"] |= changes
    return setting_problems(content)


def refused(name, said, **changes):
    """Assert that changed options of an experiment are refused with a single message, which contains ``said``."""
    (line,) = option_problems(name, **changes)
    assert said in line


def measured(name, options, *, seed, ensembles=(0,), dtype=torch.float64, device=CPU):
    """Return an experiment's table as the workflow creates it, with completed options and sorted rows.

    Parameters
    ----------
    name : str
        The experiment.
    options : dict
        Options of the experiment; those that have defaults may be left out.
    seed : int
    ensembles : iterable of int
        The numbers of the ensembles that are measured.
    dtype : torch.dtype
    device : torch.device
    """
    complete = experiment_options({"experiment": name, "options": options})
    context = experiment.Context(seed, list(ensembles), device, dtype, lambda line: None)
    frame, module = pd.DataFrame(experiment.measure(name, complete, context)), plugins.experiment(name)
    return experiment_tables.collect([frame], name, module.KEYS, experiment_tables.columns(module))


def published_curves(figure):
    """Return the published curves of a figure's chapter in the form that its drawing receives."""
    (chapter,) = load_chapters([plugins.figure_chapter(figure)])
    return {f"published/{name}": published.load_published(name) for name in chapter.published}


def passage_of(passage, tables):
    """Return the text of a ledger macro for committed tables; ``tables`` are by name."""
    return passage(*(tables[name] for name in passage.tables))


def gaussian_matrices(d, m, seed, ensemble=0):
    """Return the Gaussian measurement matrices of an experiment from their named stream, shape (m, d, d)."""
    return plain.unpack(np.concatenate(list(packed_rows(d, m, seed, ensemble))), d)


def gaussian_problem(d, eigenvalues, m, seed, target, ensemble=0):
    """Return the Gaussian measurement matrices, labels and X* of an experiment; X* has these eigenvalues."""
    matrices = gaussian_matrices(d, m, seed, ensemble)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": eigenvalues}, d, len(eigenvalues), seed, target)
    x = factor @ factor.T
    return matrices, plain.measure(matrices, x), x


# Compiled files of Python are copied, because Python uses them if a source file's time and size are unchanged. Files
# that another process is writing are not copied.
NOT_COPIED = shutil.ignore_patterns("*.egg-info", "*.pyc.*", "*.part")

# The chapters of scratch repositories; with all chapters, every run of a tier there would take minutes.
SCRATCH_CHAPTERS = {"simulations", "theorem", "remarks", "proof", "networks"}


def copy_repository(folder, chapters=SCRATCH_CHAPTERS):
    """Copy the files that the workflow needs from the repository into a scratch folder, with only these chapters."""
    folder.mkdir()
    for name in (
        "Snakefile",
        "README.md",
        "config",
        "references.bib",
        "workflow",
        "scripts",
        "tools",
        "src",
        "profiles",
        "notebooks",
        "reference",
        "environment.yml",
        "requirements.lock",
        "results/README.md",
        "docs/chapters",
        "docs/figures/figure_1.svg",
    ):
        source, goal = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, goal, ignore=NOT_COPIED)
        else:
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, goal)
    for chapter in [path.parent for path in (folder / "src/algoreg/chapters").glob("*/chapter.yaml")]:
        if chapter.name not in chapters:
            shutil.rmtree(chapter)
    return folder


def tiny_repository(folder, **settings):
    """Create a scratch repository with an additional chapter, ``chapters/tiny``, and a tier that takes seconds.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to create; it must not exist.
    settings : dict
        Settings of the tier file ``config/tiny.yaml`` that replace those of ``tests/chapters/tiny.yaml``.
    """
    copy_repository(folder)
    shutil.copytree(CHAPTERS / "tiny", folder / "chapters" / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    tier = load_yaml(CHAPTERS / "tiny.yaml")
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump({**tier, **settings}, sort_keys=False))
    return folder


def tiny_settings(folder):
    """Return the settings of the tier ``tiny`` in a scratch repository, with the experiments of its chapter."""
    chapter = load_chapter("tiny", folder / "chapters" / "tiny")
    return compose(load_yaml(folder / "config" / "tiny.yaml"), [chapter])


def set_yaml(path, *keys, to):
    """Replace a value in a YAML file; its place is given by keys of mappings and indices of lists."""
    content = load_yaml(path, aliases=True)
    place = content
    for key in keys[:-1]:
        place = place[key]
    assert keys[-1] in place or isinstance(place, list), (path, keys)
    place[keys[-1]] = to
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def append_code(path, line):
    """Add a line of code, or a comment, to a module."""
    path.write_text(f"{path.read_text()}\n\n{line}\n")


def snakemake(folder, *arguments, tier="smoke", environment=None):
    """Run Snakemake in a scratch repository with the package that this repository contains.

    At its end Snakemake waits for its timers: for up to a second with this timespan, for up to ten with the profile's.
    """
    paths = [str(folder / "src")]
    if environment and "PYTHONPATH" in environment:
        paths.insert(0, environment["PYTHONPATH"])
    settings = {**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(paths)}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TIMERS, *arguments]
    command += ["--configfile", f"config/{tier}.yaml"]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=900)


def _run_smoke(folder):
    """Run and verify the smoke tier in a scratch repository, and record there what each script loaded and read."""
    copy_repository(folder)
    trace = folder / "trace"
    trace.mkdir()
    environment = {"PYTHONPATH": str(ROOT / "tests" / "trace"), "TRACE": str(trace)}
    for targets in (MANY_TIMERS, ("verify",)):
        done = snakemake(folder, *targets, environment=environment)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    verified = folder / "results" / "smoke" / "verify.txt"
    assert "verify: passed" in verified.read_text(encoding="utf-8")
    verified.unlink()


def _made_once(tmp_path_factory, name, make):
    """Return a read-only scratch repository that all workers of a test run share; the first worker creates it."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / name
    folder.mkdir(exist_ok=True)
    repository, finished = folder / "repository", folder / "finished"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A run that failed is not repeated; later tests fail with a message.
        assert finished.exists() or not repository.exists(), f"the tier {name} failed for another test"
        if not finished.exists():
            make(repository)
            finished.touch()
    return repository


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """Return a scratch repository with a finished smoke tier."""
    return _made_once(tmp_path_factory, "smoke", _run_smoke)


@pytest.fixture
def repository(smoke, tmp_path):
    """Return a copy of the finished smoke tier, including Snakemake's metadata."""
    folder = tmp_path / "repository"
    # Locks are not copied, because other tests may be running a dry run in the original.
    shutil.copytree(smoke, folder, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("locks", "log", "iocache"))
    return folder


def _run_tiny(folder):
    """Run the tier ``tiny`` in a scratch repository, write its reference and verify it."""
    tiny_repository(folder)
    done = snakemake(folder, "claims", "figures", "results/tiny/tables/tiny_experiment.csv", tier="tiny")
    assert done.returncode == 0, done.stderr[-3000:]
    chapter = load_chapter("tiny", folder / "chapters" / "tiny")
    made = folder / "results" / "tiny", tiny_settings(folder), chapter, True
    snapshots.write(
        references.folder_of(chapter, "tiny"), snapshots.texts(*made), snapshots.claims(*made), partial=True
    )
    done = snakemake(folder, "verify", tier="tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "results" / "tiny" / "verify.txt").unlink()


@pytest.fixture(scope="session")
def finished_tiny(tmp_path_factory):
    """Return a scratch repository with the finished tier ``tiny``, its reference and a successful verify."""
    return _made_once(tmp_path_factory, "tiny", _run_tiny)


@pytest.fixture
def tiny(finished_tiny, tmp_path):
    """Return a copy of the finished tier ``tiny``, including Snakemake's metadata."""
    return shutil.copytree(finished_tiny, tmp_path / "repository", copy_function=shutil.copy2)


def lacking(variable, reason):
    """Skip a test because this machine lacks something; fail it if make has set ``variable`` to require the test."""
    (pytest.fail if os.environ.get(variable) == "1" else pytest.skip)(reason)


def browser_module(name):
    """Import and return a module that only tests in a browser need."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        lacking("ALGOREG_TEST_BROWSER", f"no {name} here: make setup installs it")


@pytest.fixture(scope="session")
def browser():
    program = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if program is None:
        lacking("ALGOREG_TEST_BROWSER", "no Chromium here: as root, make chromium installs Debian's")
    api = browser_module("playwright.sync_api")
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """Return a function that opens a file as a page; at the end, its requests and error messages are checked."""
    contexts, complaints, loaded = [], [], []

    def go(path, address="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(path.as_uri() + address)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in loaded if not url.startswith(OWN)] == []


@pytest.fixture
def own_chapter(tmp_path, monkeypatch):
    """Return a function that adds a copy of the tests' chapter ``tiny``, under any name and with replaced texts."""

    def forget():
        plugins.forget()
        chapter_files.references.cache_clear()

    def make(*changes, name="tiny"):
        folder = tmp_path / "own" / name
        # A chapter may have been read from this folder before, by this test or by one whose folder had the same name.
        load_chapter.cache_clear()
        shutil.copytree(CHAPTERS / "tiny", folder, dirs_exist_ok=True)
        for file, old, new in changes:
            text = (folder / file).read_text()
            assert old in text, (file, old)
            (folder / file).write_text(text.replace(old, new))
        forget()
        return folder

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.CHAPTER_PATH, f"{tmp_path / 'own'}{os.pathsep}")
    yield make
    monkeypatch.undo()
    forget()
