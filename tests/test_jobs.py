"""What the rules ask of a tier's settings, without Snakemake."""

import json
import re

import pytest
from conftest import ROOT, registered_claims

from algoreg import jobs, plugins
from algoreg.settings import checking, plan
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels


@pytest.fixture(scope="module")
def tier():
    """Return the smoke tier's settings."""
    return checking.load_tier(ROOT / "config" / "smoke.yaml")


def test_every_table_figure_and_claim_belongs_to_one_chapter(tier):
    files = [file for chapter in load_chapters() for file in jobs.chapter_files(tier, chapter)]
    assert len(files) == len(set(files))
    ids = [entry["id"] for chapter in load_chapters() for entry in chapter.claims]
    wanted = [f"tables/{name}.csv" for name in plan.tables(tier)] + [f"claims/{name}.json" for name in ids]
    wanted += [f"figures/{name}.{kind}" for name in tier["figures"] for kind in ("svg", "pdf", "png")]
    assert sorted(files) == sorted(wanted)


def test_notebooks_say_what_they_lack_of_a_tier(tier):
    def lacking(content, claims):
        return {name: reads["lacking"] for name, reads in jobs.notebooks(content, claims, ROOT / "notebooks").items()}

    claims = registered_claims()
    assert not any(lacking(tier, claims).values())
    without = lacking({**tier, "experiments": {}, "figures": {}}, [one for one in claims if one["chapter"] != "proof"])
    assert without["04_rank_one"] == ["table dynamics_course", "table rank_one_dynamics", "claims of proof"]
    assert without["18_remarks"] == ["figure x_space", "figure minibatch", "figure min_trace"]


def test_a_notebook_reads_what_its_metadata_name(tier, tmp_path):
    claims = [{"id": "one", "chapter": "a"}, {"id": "two", "chapter": "b"}]
    small = {"experiments": {"x": {}, "x_long": {}, "y": {}}, "figures": {"f": ["x"], "g": ["y"]}}

    def reads(metadata):
        (tmp_path / "n.ipynb").write_text(json.dumps({"metadata": metadata, "cells": []}))
        return jobs.notebooks(small, claims, tmp_path)["n"]

    pictures = {name: [f"figures/{name}.{kind}" for kind in jobs.KINDS] for name in "fg"}
    said = reads({"algoreg": {"tables": ["x", "z*"], "figures": ["g"], "claims": ["b"]}})
    assert said == {"files": ["tables/x.csv", *pictures["g"], "claims/two.json"], "chapters": ["b"], "lacking": []}
    assert reads({"algoreg": {"tables": ["x*"]}})["files"] == ["tables/x.csv", "tables/x_long.csv"]
    assert reads({"algoreg": {}})["files"] == []
    everything = reads({})
    assert everything["chapters"] == ["a", "b"]
    assert {"tables/y.csv", *pictures["f"], "claims/one.json", "claims.json"} <= set(everything["files"])


def test_recorded_descents_are_on_the_way_to_tables_unless_a_figure_shows_them(tier):
    assert "gaussian" in tier["experiments"]
    assert "gaussian" not in plan.tables(tier)
    assert "gaussian" in plan.tables({**tier, "figures": {"figure_1": ["gaussian"]}})
    files = jobs.selected_files(tier, "figure_4")
    assert files == [f"experiments/{name}_d10/part-{part}.csv" for name in ("projected", "factored") for part in (0, 1)]


def test_a_experiment_that_generates_data_has_a_job_for_each_ensemble_unless_it_says_more():
    block = {"experiment": "descents", "ensembles": 3}
    assert plan.experiment_parts(block) == [[0], [1], [2]]
    assert plan.experiment_parts({**block, "jobs": 1}) == [[0, 1, 2]]
    assert plan.experiment_parts({"experiment": "x_space", "ensembles": 3}) == [[0, 1, 2]]
    assert plan.generated_files("a", block, [2]) == ["data/a/ensemble-2.npz"]
    assert plan.generated_files("a", {**block, "experiment": "x_space"}, [2]) == []


def test_the_code_of_a_notebook_is_what_its_cells_import_and_name(tmp_path):
    cells = [
        ("code", 'from algoreg.engine.interactive import measure\nmeasure("threshold", d=[8])'),
        ("code", '%matplotlib inline\nmeasure("x_space")'),
        ("markdown", 'measure("minibatch")'),
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": kind, "source": [text]} for kind, text in cells]}))
    found = jobs.modules_of_notebook(path)
    # The experiment says by FINDS that it finds an algorithm by name.
    algorithms = plugins.modules("algorithms").values()
    threshold = plugins.modules("experiments")["threshold"]
    assert set(found) == {"algoreg.engine.interactive", threshold, *algorithms}


def test_the_code_of_every_notebook_holds_the_experiments_that_it_measures():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        measured = re.findall(r'\bmeasure\(\s*"(\w+)"', "".join(line for cell in cells for line in cell["source"]))
        experiments = {plugins.modules("experiments")[name] for name in measured}
        assert experiments <= set(jobs.modules_of_notebook(path)), path
