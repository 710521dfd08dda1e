"""A chapter of the user's own: made from the template, outside the repository,
with an experiment and an algorithm of its own.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, copy_repository, load_yaml, recorded_descents, snakemake

EXPERIMENT = '''"""How large X* is."""

import torch
from pydantic import PositiveInt

from algoreg.numerics.problems import draw_factor
from algoreg.settings.base import ExperimentOptions


class Options(ExperimentOptions):
    """What the experiment can be told."""

    d: PositiveInt


KEYS = {"d": None, "target": None, "ensemble": None}
VALUES = {"norm": ("the norm of X*", "‖X*‖_F")}


def measure(options, context):
    """Return one row per ensemble."""
    for number in context.ensembles:
        factor = torch.from_numpy(draw_factor({"kind": "columns"}, options["d"], 1, context.seed, 0))
        norm = float(torch.linalg.matrix_norm(factor @ factor.T))
        yield {"d": options["d"], "target": 0, "ensemble": number, "norm": norm, "status": "converged"}
'''
ALGORITHM = '''"""Factored descent whose steps are half as large as it is told."""

from typing import Literal

from pydantic import PositiveFloat

from algoreg.algorithms import factored
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """What a run can be told."""

    alpha: PositiveFloat
    start: Literal["identity"] = "identity"


class Algorithm(factored.Algorithm):
    """A batch of descents at half the step."""

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, [{**run, "step": run["step"] / 2} for run in runs], seed)
'''


def new_chapter(*arguments):
    """Ask for a chapter; return what was said and the exit status."""
    done = subprocess.run(
        [sys.executable, "tools/new_chapter.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout + done.stderr, done.returncode


def test_names_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("", "Mine", "2nd", "../x", "my-own", "class", "x" * 41, "a\nb"):
        assert new_chapter(name, str(tmp_path)) == (
            f"NAME = {name}: allowed is a name of a-z, 0-9 and _ that starts with a letter and is no word of Python's\n",
            2,
        )
    for name in ("theorem", "mine"):
        said, status = new_chapter(name, str(tmp_path))
        assert status == 2
        assert f"NAME = {name}: this name is taken; names in use are " in said
        assert "__init__" not in said
    # Entries of the template would have the name of a table of another chapter.
    said = "src/algoreg/chapters/price_of_width/experiments.yaml has experiments.balance; choose another"
    assert new_chapter("balance", str(tmp_path)) == (f"NAME = balance: {said}\n", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert new_chapter("mine", str(tmp_path / "file")) == (f"{tmp_path / 'file' / 'mine'}: Not a directory\n", 2)
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = importlib.import_module("new_chapter")
    write = Path.write_text

    def full(path, *text, **options):
        if path.name == "experiments.yaml":
            raise OSError(28, "No space left on device")
        return write(path, *text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        tool.make("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.workflow
def test_a_chapter_outside_the_repository_runs_alone_with_its_own_experiment_and_algorithm(tmp_path):
    repository, place = copy_repository(tmp_path / "repository"), tmp_path / "elsewhere"
    said, status = new_chapter("my_own", str(place))
    assert status == 0, said
    chapter = place / "my_own"
    for kind, name, text in (("experiments", "my_norm", EXPERIMENT), ("algorithms", "my_half", ALGORITHM)):
        (chapter / kind).mkdir(exist_ok=True)
        (chapter / kind / f"{name}.py").write_text(text)
    path = chapter / "experiments.yaml"
    norm = {"experiment": "my_norm", "ensembles": 2, "options": {"d": 5}, "tiers": ["smoke"]}
    runs = [{"alpha": 0.1, "step": 0.05, "iterations": 20}]
    more = {"my_norm": norm, "my_runs": {**recorded_descents(algorithm="my_half", runs=runs), "tiers": ["smoke"]}}
    more["my_ends"] = {"select": ["my_runs"], "by": ["alpha"], "iterations": "end", "tiers": ["smoke"]}
    content = load_yaml(path)
    path.write_text(yaml.safe_dump({**content, "experiments": {**content["experiments"], **more}}, sort_keys=False))
    done = snakemake(repository, "chapter_my_own", "--config", f"chapter_path={place}", 'chapters=["my_own"]')
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    results = repository / "results" / "smoke"
    assert sorted(path.name for path in (results / "tables").iterdir()) == ["my_ends.csv", "my_norm.csv", "my_own.csv"]
    assert sorted(path.name for path in (results / "figures").iterdir()) == [
        f"my_own.{kind}" for kind in ("pdf", "png", "svg")
    ]
    assert [path.name for path in (results / "claims").iterdir()] == ["my-own-small-start.json"]
    code = load_yaml(results / "provenance" / "experiments" / "my_runs" / "part-0.csv.json")["code"]
    assert "algoreg.chapters.my_own.algorithms.my_half" in code


@pytest.mark.workflow
@pytest.mark.slow
def test_the_diffs_in_contributing_apply_and_give_a_claim_an_algorithm_and_a_chapter(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    diffs = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    touched = [re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE) for diff in diffs]
    claim, algorithm, chapter = touched
    assert (len(claim), len(algorithm)) == (1, 1)
    assert {path.rpartition("/")[0] for path in chapter} == {"src/algoreg/chapters/decay"}
    for diff in diffs:
        done = subprocess.run(["git", "apply"], cwd=folder, input=diff, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    done = snakemake(folder, "-n", "claim_x_space_enough", tier="quick")
    assert done.returncode == 0, done.stderr[-2000:]
    # The algorithm on the axis of sample complexity, measured.
    done = snakemake(folder, "chapter_decay")
    assert done.returncode == 0, done.stderr[-2000:]
    table = (folder / "results" / "smoke" / "tables" / "decay_samples.csv").read_text()
    assert "recovered" in table or "converged" in table
