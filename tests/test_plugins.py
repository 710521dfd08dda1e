"""Plugins: how they are found and imported, also those of the user's own, and what is said of those that are wrong."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, copy_repository, load_yaml, snakemake

from algoreg import code_hash, plugins
from algoreg.results import records
from algoreg.settings import options, workflow
from algoreg.settings.files import SettingsError
from algoreg.settings.plugin_checks import plugin_problems

pytestmark = pytest.mark.any_kernels

SMOKE = load_yaml(ROOT / "config" / "smoke.yaml")
HALVED = '''"""Factored descent at half the step."""

from pydantic import PositiveFloat

from algoreg.algorithms import factored
from algoreg.settings.base import RunOptions
{imports}

class Options(RunOptions):
    """What a run can be told."""

    alpha: PositiveFloat
    start: str = "identity"


class Algorithm(factored.Algorithm):
    """A batch of descents at half the step."""

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, [{{**run, "step": run["step"] * {share}}} for run in runs], seed)
'''
ENTRY = "[algoreg.algorithms]\nmine = {value}\n"


@pytest.fixture
def clean(monkeypatch):
    """Let a test find plugins anew, and those after it."""
    code_hash.forget()
    yield monkeypatch
    for name in [name for name in sys.modules if name.partition(".")[0] == "halves"]:
        del sys.modules[name]
    monkeypatch.undo()
    code_hash.forget()


def installed(site, value="halves.inner.algorithms"):
    """Write a package with an algorithm, ``halved``, as pip would install it."""
    folder = site / "halves" / "inner" / "algorithms"
    folder.mkdir(parents=True)
    for place in (site / "halves", folder):
        (place / "__init__.py").write_text("")
    (folder / "base.py").write_text("HALF = 0.5\n")
    (folder.parent / "shared.py").write_text("from halves.inner.algorithms import base\n\nSHARE = base.HALF\n")
    (folder / "halved.py").write_text(HALVED.format(imports="from ..shared import SHARE", share="SHARE"))
    described = site / "halves-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(ENTRY.format(value=value))
    return folder


def test_an_installed_package_brings_its_algorithms_with_hashes_of_all_that_they_import(clean, tmp_path):
    folder = installed(tmp_path)
    clean.syspath_prepend(tmp_path)
    assert plugins.modules("algorithms")["halved"] == "halves.inner.algorithms.halved"
    assert "base" not in plugins.modules("algorithms")
    # A job that is told another algorithm imports nothing of it.
    assert plugins.algorithm("factored")
    assert not any(name.startswith("halves") for name in sys.modules)
    assert options.of_runs("halved") == {"alpha": None, "start": "identity"}
    assert options.lacks("halved", "rank_one") == []
    named = [plugins.module_name("algorithms", "halved"), plugins.module_name("ensembles", "gaussian")]
    found = code_hash.code_hashes(ROOT / "scripts" / "measure.py", named)
    assert {name for name in found if name.startswith("halves")} == {
        "halves",
        "halves.inner.algorithms",
        "halves.inner.algorithms.base",
        "halves.inner.algorithms.halved",
        "halves.inner.shared",
    }
    before = found["halves.inner.shared"]
    (folder.parent / "shared.py").write_text("SHARE = 0.25\n")
    code_hash.forget()
    assert code_hash.code_hashes(ROOT / "scripts" / "measure.py", named)["halves.inner.shared"] != before


def test_a_job_that_imported_code_of_the_package_without_a_hash_stops(clean, tmp_path):
    installed(tmp_path)
    clean.syspath_prepend(tmp_path)
    assert plugins.algorithm("halved").__module__ == "halves.inner.algorithms.halved"
    code = {name: "" for name in sys.modules if name.startswith("algoreg")}
    with pytest.raises(RuntimeError, match=r"halves, .*halves\.inner\.shared: loaded, but not among the rule's hashes"):
        records._require_hashes(code)
    loaded = [name for name in sys.modules if name.startswith("halves")]
    records._require_hashes({**code, **dict.fromkeys(loaded, "")})


def test_a_file_of_ones_own_is_found_by_its_path(clean, tmp_path):
    path = tmp_path / "quartered.py"
    path.write_text(HALVED.format(imports="", share=0.25))
    clean.setenv(plugins.ALGORITHM_PATH, f"{path}{os.pathsep}")
    plugins.forget()
    assert plugins.modules("algorithms")["quartered"] == "algoreg.own.quartered"
    kind = plugins.algorithm("quartered")
    assert kind is plugins.algorithm("quartered")
    assert kind.estimates == "psd"
    assert "algoreg.own.quartered" in code_hash.code_hashes(None, ["algoreg.own.quartered"])
    assert plugin_problems() == []


def test_a_file_of_ones_own_may_have_dataclasses_and_one_that_fails_is_tried_again(clean, tmp_path):
    path = tmp_path / "boxed.py"
    boxed = "from dataclasses import dataclass\n\n@dataclass\nclass Box:\n    share: float = 0.25\n"
    path.write_text(f"from __future__ import annotations\n{HALVED.format(imports=boxed, share='Box().share')}")
    clean.setenv(plugins.ALGORITHM_PATH, str(path))
    plugins.forget()
    assert plugins.algorithm("boxed").estimates == "psd"
    path.write_text("raise OSError('no licence')")
    plugins.forget()
    for _ in range(2):
        with pytest.raises(OSError, match="no licence"):
            plugins.algorithm("boxed")


def test_what_does_not_exist_or_has_a_name_twice_is_named(clean, tmp_path):
    (tmp_path / "factored.py").write_text(HALVED.format(imports="", share=0.25))
    (tmp_path / "My-own.py").touch()
    for path, said in (
        (tmp_path / "none.py", "none.py: allowed are files that exist, named by a-z, 0-9 and _ with .py"),
        (tmp_path / "My-own.py", "My-own.py: allowed are files that exist, named by a-z"),
        (
            tmp_path / "factored.py",
            "factored.py: algorithms: algoreg.algorithms.factored has this name; choose another",
        ),
    ):
        clean.setenv(plugins.ALGORITHM_PATH, str(path))
        plugins.forget()
        with pytest.raises(ValueError, match=said):
            plugins.modules("algorithms")
    clean.delenv(plugins.ALGORITHM_PATH)
    installed(tmp_path / "site", "halves.nowhere")
    clean.syspath_prepend(tmp_path / "site")
    for value in ("halves.nowhere", "nobody.has"):
        (tmp_path / "site" / "halves-1.0.dist-info" / "entry_points.txt").write_text(ENTRY.format(value=value))
        plugins.forget()
        (said,) = plugin_problems()
        assert said.startswith(f"entry point mine = {value} of halves: algoreg.algorithms: allowed is a package's")


def test_folders_without_chapters_and_files_without_algorithms_are_refused_as_settings_are(clean, tmp_path):
    (tmp_path / "chapters" / "mine").mkdir(parents=True)
    clean.setenv("HOME", str(tmp_path))

    def said(paths):
        return workflow.misplaced({"chapter_path": paths}, "config/smoke.yaml")

    (line,) = said("~/chapters")
    allowed = "allowed are folders that exist and have chapters, separated by :"
    assert line == f"config/smoke.yaml: chapter_path = ~/chapters: {allowed}"
    (tmp_path / "chapters" / "mine" / "chapter.yaml").touch()
    assert said("~/chapters") == []
    (line,) = said(f"{tmp_path / 'chapters'}:/nope")
    assert "chapter_path = /nope: " in line
    clean.setenv(plugins.ALGORITHM_PATH, "/nope.py")
    plugins.forget()
    with pytest.raises(SettingsError, match=r"config/smoke.yaml: algorithm_path = /nope.py: allowed are files"):
        workflow.checked({}, ["config/smoke.yaml"], ROOT, True)


EXPERIMENT = '''"""An experiment."""

from algoreg.settings.base import Name, ExperimentOptions


class Options(ExperimentOptions):
    """What it can be told."""

    algorithm: Name = "factored"


FINDS = {"algorithm": "algorithms"}
KEYS = {"d": None, "ensemble": None}
VALUES = {"test_error": None}


def measure(options, context):
    return []
'''
ENSEMBLE = '''"""An ensemble."""

from algoreg.ensembles import gaussian


class Ensemble(gaussian.Ensemble):
    provides = frozenset({"gradient"})
    acts_on = "symmetric"
'''


ALGORITHM = '''"""An algorithm."""

from algoreg.algorithms import factored


class Algorithm(factored.Algorithm):
    requires = frozenset({"gradient"})
'''
LEDGER = '''"""Passages."""

from algoreg.reporting.report import passage


@passage("tiny")
def own(table):
    return "text"
'''
ESTIMANDS = '''"""Estimands."""

from algoreg.claims.estimands import estimand


@estimand("x")
def own(tables, published, rng): ...
'''
FILES = {
    "experiments/own.py": EXPERIMENT,
    "ensembles/own.py": ENSEMBLE,
    "algorithms/own.py": ALGORITHM,
    "ledger.py": LEDGER,
    "estimands.py": ESTIMANDS,
}


def write_plugins(folder, **changed):
    """Write a plugin of each kind into a chapter."""
    for file, text in {**FILES, **changed}.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)


def refused():
    """Return the lines with which plugins are refused before any job."""
    with pytest.raises(SettingsError) as caught:
        workflow.checked(SMOKE, [str(ROOT / "config" / "smoke.yaml")], ROOT, True)
    return caught.value.problems


def test_plugins_of_all_kinds_are_taken_and_found_by_name(own_chapter):
    write_plugins(own_chapter())
    assert plugin_problems() == []
    assert plugins.experiment("own").KEYS == {"d": None, "ensemble": None}
    assert plugins.reference("estimands", "own") == "algoreg.chapters.tiny.estimands:own"
    assert plugins.load("algoreg.chapters.tiny.estimands:own").label == "x"
    assert plugins.figure_chapter("tiny") == "tiny"
    assert plugins.figure_title("tiny") == "The test error against α"
    assert plugins.module_title("experiments", "own") == "An experiment"
    for look_up, what in ((plugins.algorithm, "algorithms"), (plugins.experiment, "experiments")):
        with pytest.raises(ValueError, match=f"{what}: none: allowed are .*own"):
            look_up("none")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("experiments/own.py", "KEYS =", "KEY =", ": KEYS is missing: allowed is a mapping of columns to their meanings"),
        ("experiments/own.py", 'VALUES = {"test_error": None}', "VALUES = {}", ": VALUES = {}: allowed is a mapping of columns"),
        ("experiments/own.py", 'VALUES = {"test_error": None}', "VALUES = ['a']", ': VALUES = ["a"]: allowed is a mapping'),
        ("experiments/own.py", 'FINDS = {"algorithm": "algorithms"}', "FINDS = 1", ": FINDS = 1: allowed is a mapping of options to kinds of plugins"),
        ("experiments/own.py", 'FINDS = {"algorithm"', 'FINDS = {"algoritm"', ': FINDS = "algoritm": unknown option; allowed are algorithm'),
        ("experiments/own.py", '"algorithms"}', '"algorithm"}', ': FINDS.algorithm = "algorithm": unknown kind of module; allowed are'),
        ("experiments/own.py", "KEYS =", 'AXES = {"log_d": "algorithm"}\nKEYS =', ': AXES = "log_d": unknown column; allowed are d, ensemble, test_error'),
        ("experiments/own.py", "KEYS =", 'AXES = {"d": "size"}\nKEYS =', ': AXES.d = "size": unknown option; allowed are algorithm'),
        ("experiments/own.py", "KEYS =", 'READS = ("data")\nKEYS =', ': READS = "data": allowed is a tuple of algorithm'),
        ("experiments/own.py", "KEYS =", 'GENERATED_FROM = ("d",)\nKEYS =', ': GENERATED_FROM = ["d"]: allowed is a tuple of algorithm'),
        ("experiments/own.py", "KEYS =", 'ENSEMBLE = "gausian"\nKEYS =', ': ENSEMBLE = "gausian": unknown ensemble; allowed are'),
        ("experiments/own.py", "def measure", "def measures", ": has no function measure(options, context, number)"),
        ("experiments/own.py", "context)", "context, number, size)", ':17: measure = "size": unknown option; allowed are algorithm'),
        ("experiments/own.py", "(ExperimentOptions)", "", ":6: Options: allowed is a class derived from algoreg.settings.base.ExperimentOptions"),
        ("experiments/own.py", "Options(ExperimentOptions", "Options(ExperimentOption", ":6: cannot be imported: NameError: name 'ExperimentOption' is not defined"),
        ("experiments/own.py", "import Name, ExperimentOptions", "import Nam, ExperimentOptions", ":3: cannot be imported: ImportError: cannot import name 'Nam'"),
        ("ensembles/own.py", 'frozenset({"gradient"})', '"gradient"', ':6: provides = "gradient": allowed is a frozenset of names'),
        ("ensembles/own.py", '"symmetric"', '"symetric"', ':6: acts_on = "symetric": unknown word; allowed are psd, symmetric, rectangular'),
        ("ensembles/own.py", "class Ensemble(", "class Ensembl(", ": has no class Ensemble"),
        ("ensembles/own.py", "(gaussian.Ensemble)", "", ":6: Ensemble: allowed is a class derived from algoreg.ensembles.base.Ensemble"),
        ("ensembles/own.py", "gaussian\n\n\nclass Ensemble(gaussian.Ensemble)", "base\n\n\nclass Ensemble(base.Measurements)", ":6: Ensemble has no adjoint: allowed is a method, as its base class describes it"),
        ("ensembles/own.py", "class Ensemble(", "Limits = 1\n\n\nclass Ensemble(", ": Limits: allowed is a class derived from algoreg.settings.base.EnsembleLimits"),
        ("algorithms/own.py", "class Algorithm(", "class Algorithm((", ":6: cannot be imported: SyntaxError: "),
        ("algorithms/own.py", "class Algorithm(", "import nothing_like_it\n\n\nclass Algorithm(", ":6: cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("algorithms/own.py", "class Algorithm(", "raise SystemExit(3)\n\n\nclass Algorithm(", ":6: cannot be imported: SystemExit: 3"),
        ("algorithms/own.py", "    requires", "    prior_knowledge = ('rnk',)\n    requires", ':6: prior_knowledge = ["rnk"]: allowed is a tuple of rank, trace'),
        ("algorithms/own.py", "    requires", "    estimates = 'pds'\n    requires", ':6: estimates = "pds": unknown word'),
        ("algorithms/own.py", "    requires", "    error = 'rises'\n    requires", ':6: error = "rises": unknown word; allowed are falls'),
        ("algorithms/own.py", 'frozenset({"gradient"})', '"gradient"', ':6: requires = "gradient": allowed is a frozenset of names'),
        ("algorithms/own.py", "(factored.Algorithm)", "", ":6: Algorithm: allowed is a class derived from algoreg.algorithms.base.Algorithm"),
        ("algorithms/own.py", "class Algorithm(", "class Options:\n    pass\n\n\nclass Algorithm(", ":6: Options: allowed is a class derived from algoreg.settings.base.RunOptions"),
        ("estimands.py", '@estimand("x")', "@estimand", ':6: cannot be imported: TypeError: allowed is @estimand("what it is")'),
        ("estimands.py", '@estimand("x")', "@estimand()", ":6: cannot be imported: TypeError: "),
        ("estimands.py", "def own", "def exponent", ":6: estimands: exponent: algoreg.claims.estimands has this name; choose another"),
        ("ledger.py", '@passage("tiny")', "@passages", ":6: cannot be imported: NameError: name 'passages' is not defined"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plugin_is_named_before_any_job(own_chapter, file, old, new, said):
    folder = own_chapter()
    assert old in FILES[file]
    write_plugins(folder, **{file: FILES[file].replace(old, new, 1)})
    found = [line for line in refused() if f"own/tiny/{file}{said}" in line]
    assert len(found) == 1, refused()
    assert "\n" not in found[0]


def test_a_name_that_two_plugins_have_is_named(own_chapter):
    folder = own_chapter()
    write_plugins(folder)
    (folder / "experiments" / "rip.py").write_text(EXPERIMENT)
    (folder / "figures.py").write_text(
        (folder / "figures.py").read_text().replace("def tiny(", "def figure_1(")
        + "\n\n@drawing\ndef tiny(tables, claims): ...\n"
    )
    first, second = refused()
    assert (
        first
        == "own/tiny/experiments/rip.py: experiments: rip: algoreg.chapters.proof.experiments.rip has this name; choose another"
    )
    assert re.fullmatch(
        r"own/tiny/figures\.py:8: figures: figure_1: algoreg\.chapters\.simulations\S* has this name.*", second
    )


def test_all_plugins_that_are_wrong_are_named_at_once(own_chapter):
    wrong = {
        "experiments/own.py": EXPERIMENT.replace("KEYS =", "KEY =").replace("def measure", "def measures"),
        "algorithms/own.py": "1 / 0\n",
        "ensembles/own.py": ENSEMBLE.replace("symmetric", "symetric"),
    }
    write_plugins(own_chapter(), **wrong)
    assert sorted(line.partition(":")[0] for line in refused()) == [
        "own/tiny/algorithms/own.py",
        "own/tiny/ensembles/own.py",
        "own/tiny/experiments/own.py",
        "own/tiny/experiments/own.py",
    ]


def test_chapters_of_another_folder_are_imported_anew(own_chapter, tmp_path, monkeypatch):
    write_plugins(own_chapter())
    assert plugins.load("algoreg.chapters.tiny.estimands:own").label == "x"
    other = tmp_path / "other" / "tiny"
    # Without what Python has compiled: it would be taken for that of another text of the same size and second.
    shutil.copytree(tmp_path / "own" / "tiny", other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "estimands.py").write_text(ESTIMANDS.replace('"x"', '"y"'))
    monkeypatch.setenv(plugins.CHAPTER_PATH, str(other.parent))
    plugins.forget()
    assert plugins.load("algoreg.chapters.tiny.estimands:own").label == "y"


def test_figures_that_are_imported_leave_the_backend_of_matplotlib_alone():
    code = "import matplotlib; matplotlib.use('svg'); from algoreg import plugins; plugins.functions('figures'); print(matplotlib.get_backend())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "svg\n"


@pytest.mark.workflow
@pytest.mark.slow
def test_the_workflow_runs_it_and_says_which_code_it_was(tmp_path):
    repository = copy_repository(tmp_path / "repository", {"race", "theorem"})
    installed(tmp_path / "site")
    path = tmp_path / "quartered.py"
    path.write_text(HALVED.format(imports="", share=0.25))
    experiments = repository / "src" / "algoreg" / "chapters" / "race" / "experiments.yaml"
    text = experiments.read_text()
    start = text.index("  race_samples_full:")
    experiments.write_text(text[:start] + text[start:].replace("algorithm: factored", "algorithm: halved", 1))
    environment = {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{repository / 'src'}"}
    goal = "results/smoke/tables/race_samples_full.csv"
    told = ("--config", f"algorithm_path={path}", 'chapters=["race"]')
    done = snakemake(repository, goal, *told, environment=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    code = load_yaml(repository / "results/smoke/provenance/tables/race_samples_full.csv.json")["code"]
    assert {"halves.inner.algorithms.halved", "halves.inner.shared"} <= set(code)
    home = {**environment, "HOME": str(tmp_path)}
    told = ("--config", "algorithm_path=~/quartered.py", 'chapters=["race"]')
    done = snakemake(repository, goal, "-n", *told, environment=home)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    done = snakemake(repository, goal, "-n", "--config", "algorithm_path=nowhere.py", environment=environment)
    assert done.returncode != 0
    assert "algorithm_path = nowhere.py: allowed are files that exist" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
