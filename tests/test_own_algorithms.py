"""Algorithms of the user's own without a fork: of an installed package, by its entry point,
and of a file by its path.
"""

import os
import sys

import pytest
from conftest import ROOT, copy_repository, load_yaml, setting_problems, snakemake, tier_settings

from algoreg import digests, own, registry, sources
from algoreg.own_paths import ALGORITHM_PATH
from algoreg.spec import options, settings, workflow
from algoreg.store import records

HALVED = '''"""Factored descent at half the step."""

from algoreg.algorithms import factored
from algoreg.spec.base import RunOptions, real
{imports}

class Options(RunOptions):
    """What a run can be told."""

    alpha: float = real(gt=0)
    start: str = "identity"


class Algorithm(factored.Algorithm):
    """A batch of descents at half the step."""

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, [{{**run, "step": run["step"] * {share}}} for run in runs], seed)
'''
ENTRY = "[algoreg.algorithms]\nmine = {value}\n"


def forget():
    """Forget what was found before."""
    sources.forget()
    cached = (own.folders, own.packages, digests.imported_modules, digests.closure)
    for function in (*cached, digests._read, digests.code_digests, options._declared):
        function.cache_clear()


@pytest.fixture
def clean(monkeypatch):
    """Let a test look anew, and those after it."""
    forget()
    yield monkeypatch
    monkeypatch.undo()
    forget()


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


def test_an_installed_package_brings_its_algorithms_with_digests_of_all_that_they_load(clean, tmp_path):
    folder = installed(tmp_path)
    clean.syspath_prepend(tmp_path)
    assert sources.modules("algorithms")["halved"] == "halves.inner.algorithms.halved"
    assert "base" not in sources.modules("algorithms")
    assert options.of_runs("halved") == {"alpha": None, "start": "identity"}
    assert options.lacks("halved", "rank_one") == []
    # Nothing of it was imported to say so.
    assert not any(name.startswith("halves") for name in sys.modules)
    named = tuple(registry.modules_of_study("descents", {"algorithm": "halved", "ensemble": "gaussian"}))
    found = digests.code_digests(ROOT / "scripts" / "measure.py", named)
    own_modules = {name for name in found if name.startswith("halves")}
    assert own_modules == {
        "halves",
        "halves.inner.algorithms",
        "halves.inner.algorithms.base",
        "halves.inner.algorithms.halved",
        "halves.inner.shared",
    }
    before = found["halves.inner.shared"]
    (folder.parent / "shared.py").write_text("SHARE = 0.25\n")
    forget()
    assert digests.code_digests(ROOT / "scripts" / "measure.py", named)["halves.inner.shared"] != before


def test_a_job_that_loaded_code_of_the_package_without_a_digest_stops(clean, tmp_path):
    installed(tmp_path)
    clean.syspath_prepend(tmp_path)
    assert registry.algorithm("halved").__module__ == "halves.inner.algorithms.halved"
    code = {name: "" for name in sys.modules if name.startswith("algoreg")}
    with pytest.raises(RuntimeError, match=r"halves, .*halves\.inner\.shared: loaded, but the rule's digests"):
        records._require_digests(code)
    for name in [name for name in sys.modules if name.startswith("halves")]:
        clean.delitem(sys.modules, name)


def test_a_file_of_ones_own_is_found_by_its_path(clean, tmp_path):
    path = tmp_path / "quartered.py"
    path.write_text(HALVED.format(imports="", share=0.25))
    clean.setenv(ALGORITHM_PATH, f"{path}{os.pathsep}")
    assert sources.modules("algorithms")["quartered"] == "algoreg.own.quartered"
    kind = registry.algorithm("quartered")
    assert kind is registry.algorithm("quartered")
    assert kind.estimates == "psd"
    assert "algoreg.own.quartered" in digests.code_digests(ROOT / "scripts" / "measure.py", ("algoreg.own.quartered",))
    clean.delitem(sys.modules, "algoreg.own.quartered")


def test_a_file_of_ones_own_may_have_dataclasses_and_one_that_fails_is_tried_again(clean, tmp_path):
    path = tmp_path / "boxed.py"
    boxed = "from dataclasses import dataclass\n\n@dataclass\nclass Box:\n    share: float = 0.25\n"
    path.write_text(f"from __future__ import annotations\n{HALVED.format(imports=boxed, share='Box().share')}")
    clean.setenv(ALGORITHM_PATH, str(path))
    assert registry.algorithm("boxed").estimates == "psd"
    clean.delitem(sys.modules, "algoreg.own.boxed")
    path.write_text("raise OSError('no licence')")
    for _ in range(2):
        with pytest.raises(OSError, match="no licence"):
            registry.algorithm("boxed")


def test_what_is_not_there_or_has_a_name_twice_is_named(clean, tmp_path):
    content = tier_settings("smoke")
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
        clean.setenv(ALGORITHM_PATH, str(path))
        forget()
        with pytest.raises(ValueError, match=said):
            sources.modules("algorithms")
    clean.delenv(ALGORITHM_PATH)
    installed(tmp_path / "site", "halves.nowhere")
    clean.syspath_prepend(tmp_path / "site")
    forget()
    with pytest.raises(
        ValueError, match=r"entry point mine = halves.nowhere of halves: algoreg.algorithms: allowed is"
    ):
        sources.modules("algorithms")
    (tmp_path / "site" / "halves-1.0.dist-info" / "entry_points.txt").write_text(ENTRY.format(value="nobody.has"))
    forget()
    with pytest.raises(ValueError, match=r"entry point mine = nobody.has of halves"):
        sources.modules("algorithms")
    clean.undo()
    forget()
    assert setting_problems(content) == []


def test_places_without_chapters_or_algorithms_are_refused_as_settings_are(clean, tmp_path):
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
    clean.setenv(ALGORITHM_PATH, "/nope.py")
    forget()
    with pytest.raises(
        settings.SettingsError, match=r"config/smoke.yaml: algorithm_path = /nope.py: allowed are files"
    ):
        workflow.checked({}, ["config/smoke.yaml"], ROOT, True)


@pytest.mark.workflow
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
