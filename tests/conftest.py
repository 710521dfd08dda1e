import copy
import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# Workers share the cores: where the threads of several wait for each other, small matrices take ten times as long.
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
# What a page may load: itself, and what it carries.
OWN = ("file:", "data:", "blob:")
CPU = torch.device("cpu")
TIERS = ("smoke", "quick", "standard", "full")
# Snakemake caches what it is told to; the variable names the place.
CACHE = "SNAKEMAKE_OUTPUT_CACHE"

# Machines are shared: a slow example is not a wrong one. HYPOTHESIS_PROFILE=fuzz takes the second.
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
    """Let intervals take as many resamples as a test's mark says: few are quick, many are exact."""
    mark = request.node.get_closest_marker("replicates")
    if mark is not None:
        monkeypatch.setattr(intervals, "REPLICATES", *mark.args)


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test drew: matplotlib keeps every figure, and warns beyond twenty."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def tier_settings(tier):
    """Return one of our tiers with all that its chapters have at its size, as a mapping of the test's own."""
    return copy.deepcopy(_tier_settings(tier))


@cache
def _tier_settings(tier):
    return tiers.load_tier(ROOT / "config" / f"{tier}.yaml")


def registered_claims():
    """Return the claims of all chapters."""
    return tiers.load_claims()


def setting_problems(content, file="tier.yaml"):
    """Return the lines that say what is wrong with a tier's settings, none for valid ones.

    Parameters
    ----------
    content : dict
        As :func:`tier_settings` returns them, changed by the test.
    """
    try:
        tiers.check_tier(content, in_file(file))
    except tiers.SettingsError as error:
        return error.problems
    return []


def recorded_descents(ensembles=2, dtype="float64", **options):
    """Return an entry of recorded descents, small ones unless the options say otherwise."""
    small = {"d": 6, "rank": 1, "m": 20, "targets": 2, "algorithm": "factored"}
    small |= {"runs": [{"alpha": 0.1, "step": 0.1, "iterations": 20}], "record": {"errors": {"every": 10}}}
    return {"experiment": "descents", "ensembles": ensembles, "dtype": dtype, "options": {**small, **options}}


def as_text(rows):
    """Return rows as they stand in a table's file."""
    return [{name: records.format_cell(cell) for name, cell in row.items()} for row in rows]


def option_problems(name, **changes):
    """Return the lines that say what is wrong with the smoke tier when options of an experiment are others."""
    content = tier_settings("smoke")
    content["experiments"][name]["options"] |= changes
    return setting_problems(content)


def refused(name, said, **changes):
    """Assert that other options of an experiment are refused in one line, which says so."""
    (line,) = option_problems(name, **changes)
    assert said in line


def measured(name, options, *, seed, ensembles=(0,), dtype=torch.float64, device=CPU):
    """Return an experiment's table as the workflow makes it: options completed, rows in order.

    Parameters
    ----------
    name : str
        The experiment.
    options : dict
        Of the experiment; defaults may be left out.
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
    """Return the published curves of a figure's chapter, as its drawing is given them."""
    (chapter,) = load_chapters([plugins.figure_chapter(figure)])
    return {f"published/{name}": published.load_published(name) for name in chapter.published}


def passage_of(passage, tables):
    """Return what a passage says of committed tables, by name."""
    return passage(*(tables[name] for name in passage.tables))


def gaussian_matrices(d, m, seed, ensemble=0):
    """Return the Gaussian measurement matrices of an experiment, drawn by the name of their stream, shape (m, d, d)."""
    return plain.unpack(np.concatenate(list(packed_rows(d, m, seed, ensemble))), d)


def gaussian_problem(d, eigenvalues, m, seed, target, ensemble=0):
    """Return the Gaussian measurement matrices, labels and X* of an experiment, X* with these eigenvalues."""
    matrices = gaussian_matrices(d, m, seed, ensemble)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": eigenvalues}, d, len(eigenvalues), seed, target)
    x = factor @ factor.T
    return matrices, plain.measure(matrices, x), x


# With what Python has compiled, which is taken where a file's time and size are the same; what others are writing there
# is not copied.
NOT_COPIED = shutil.ignore_patterns("*.egg-info", "*.pyc.*", "*.part")

# The chapters of scratch repositories: with all of them each run of a tier there would take minutes.
SCRATCH_CHAPTERS = {"simulations", "theorem", "remarks", "proof", "networks"}


def copy_repository(folder, chapters=SCRATCH_CHAPTERS):
    """Copy what the workflow needs into a scratch folder, as a clone would have it, with these chapters alone."""
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
    """Make a scratch repository with a chapter of its own, ``chapters/tiny``,
    and a tier of its own, which takes seconds.

    Parameters
    ----------
    folder : pathlib.Path
        Where to; it must not exist.
    settings : dict
        What the tier file ``config/tiny.yaml`` says otherwise than ``tests/chapters/tiny.yaml``.
    """
    copy_repository(folder)
    shutil.copytree(CHAPTERS / "tiny", folder / "chapters" / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    tier = load_yaml(CHAPTERS / "tiny.yaml")
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump({**tier, **settings}, sort_keys=False))
    return folder


def tiny_settings(folder):
    """Return the settings of the tier tiny of such a repository, its chapter's experiments with it."""
    chapter = load_chapter("tiny", folder / "chapters" / "tiny")
    return compose(load_yaml(folder / "config" / "tiny.yaml"), [chapter])


def set_yaml(path, *keys, to):
    """Write a YAML file anew with another value at a place: keys of mappings and numbers of entries of lists."""
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
    """Run Snakemake in a scratch repository with that repository's own package."""
    paths = [str(folder / "src")]
    if environment and "PYTHONPATH" in environment:
        paths.insert(0, environment["PYTHONPATH"])
    settings = {**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(paths)}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", f"config/{tier}.yaml"]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=900)


def _run_smoke(folder):
    """Run the smoke tier in a scratch repository and verify it; leave there what each script loaded and read."""
    copy_repository(folder)
    trace = folder / "trace"
    trace.mkdir()
    environment = {"PYTHONPATH": str(ROOT / "tests" / "trace"), "TRACE": str(trace)}
    for targets in ((), ("verify",)):
        done = snakemake(folder, *targets, environment=environment)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    (folder / "results" / "smoke" / "verify.txt").unlink()


def _made_once(tmp_path_factory, name, make):
    """Return a scratch repository that all workers of a test run share, for reading only:
    the first that asks makes it.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / name
    folder.mkdir(exist_ok=True)
    repository, finished = folder / "repository", folder / "finished"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # One that failed is not run again: whoever comes later says so.
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
    """Return a copy of the finished smoke tier, with all that Snakemake remembers of it."""
    folder = tmp_path / "repository"
    # Others may be asking Snakemake for its plan in the original.
    shutil.copytree(smoke, folder, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("locks", "log", "iocache"))
    return folder


def _run_tiny(folder):
    """Run a tier of a scratch repository's own chapter, commit its reference and verify it."""
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
    """Return a scratch repository with a finished tier of its own chapter, its reference and a green verify."""
    return _made_once(tmp_path_factory, "tiny", _run_tiny)


@pytest.fixture
def tiny(finished_tiny, tmp_path):
    """Return a copy of the finished tiny tier, with all that Snakemake remembers of it."""
    return shutil.copytree(finished_tiny, tmp_path / "repository", copy_function=shutil.copy2)


def lacking(variable, reason):
    """Skip a test for what this machine lacks; fail it where make has set the variable,
    as it was asked for that test.
    """
    (pytest.fail if os.environ.get(variable) == "1" else pytest.skip)(reason)


def browser_module(name):
    """Return a module that only tests in a browser need."""
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
    """Return a function that opens a file and gives the page; what it loads and complains of is checked at the end."""
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
    """Return a function that lets the package find a chapter of one's own:
    the tests' ``tiny``, under any name, with texts replaced.
    """

    def forget():
        plugins.forget()
        chapter_files.references.cache_clear()

    def make(*changes, name="tiny"):
        folder = tmp_path / "own" / name
        # A chapter of this folder may have been read before, also by a test whose folder had the same name.
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
