import math

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, setting_problems, tier_settings

from algoreg import plugins
from algoreg.engine import experiment
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.results import experiment_tables
from algoreg.settings import plan


def tier(**changes):
    content = tier_settings("smoke")
    block = {**content["experiments"]["x_space"], **changes}
    return {**content, "experiments": {"x_space": block}}


def problems_of(content):
    found = setting_problems(content, "t.yaml")
    assert found
    return found


def test_what_a_experiment_cannot_be_is_named():
    good = tier()["experiments"]["x_space"]["options"]
    cases = [
        (
            {"options": {**good, "rank": 11}},
            "experiments.x_space.options: rank = 11, d = 10: allowed is rank at most d",
        ),
        ({"options": {**good, "wide": 1}}, "experiments.x_space.options.wide = 1: unknown key; allowed are d, rank"),
        ({"options": {**good, "m": [0]}}, "experiments.x_space.options.m[0] = 0: Input should be greater than 0"),
        ({"options": {"d": 3}}, "experiments.x_space.options.rank: Field required"),
        ({"experiment": "nothing"}, 'experiments.x_space.experiment = "nothing": unknown experiment; allowed are'),
        ({"jobs": 3}, "experiments.x_space: jobs = 3: allowed is at most ensembles = 2"),
        ({"dtype": "float16"}, "experiments.x_space.dtype = \"float16\": Input should be 'float32' or 'float64'"),
    ]
    for change, message in cases:
        found = problems_of(tier(**change))
        assert any(message in line for line in found), (message, found)


def test_ensembles_are_dealt_out():
    assert plan.experiment_parts({"ensembles": 5, "jobs": 2}) == [[0, 2, 4], [1, 3]]
    assert plan.experiment_parts({"ensembles": 2}) == [[0, 1]]


def test_every_experiment_says_what_its_rows_are():
    for name in plugins.modules("experiments"):
        assert plugins.experiment(name).KEYS.keys() >= {"ensemble"}
        assert plugins.module_title("experiments", name)


GOOD = {"d": 4, "rank": 1, "m": 8, "target": 0, "ensemble": 0, "status": "budget"}
GOOD |= {"m_over_dimension": 0.8, "train_error": 0.1, "test_error": None, "predicted_error": math.nan}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [GOOD | {"x": 1}],
            "experiment x_space: x is none of its columns; allowed are d, rank, m, target, ensemble, m_over",
        ),
        ([{"d": 1, "status": "budget"}], "experiment x_space: rank is missing, m is missing, .* in the row {'d': 1,"),
        ([GOOD, GOOD | {"status": "running"}], "status = running; allowed are budget, converged, diverged, in the row"),
        ([GOOD | {"m": math.nan}], "m = nan, a column of KEYS; allowed is a value that names the row"),
        ([GOOD | {"m": None}], "m = None, a column of KEYS"),
        ([GOOD | {"test_error": torch.tensor(0.5)}], "test_error is a Tensor; allowed is a number or a text"),
        ([GOOD | {"test_error": [0.5]}], "test_error is a list; allowed is a number or a text"),
        (pd.DataFrame([GOOD]), "a row is a str; allowed is a mapping of d, rank"),
        ([], "experiment x_space: measure returns no rows"),
        (None, "experiment x_space: measure returns no rows"),
    ],
)
def test_a_row_that_is_not_as_announced_is_refused(monkeypatch, rows, said):
    from algoreg.chapters.remarks.experiments import x_space

    context = experiment.Context(0, [0], torch.device("cpu"), torch.float64)
    monkeypatch.setattr(x_space, "measure", lambda options, context: [GOOD])
    assert experiment.measure("x_space", {}, context) == [GOOD]
    monkeypatch.setattr(x_space, "measure", lambda options, context: rows)
    with pytest.raises(ValueError, match=said):
        experiment.measure("x_space", {}, context)


@pytest.mark.parametrize("value", [1j, np.ones(2), torch.tensor(0.5)])
def test_what_is_no_cell_is_named_before_a_part_is_kept(value):
    context = experiment.Context(0, [0], torch.device("cpu"), torch.float64)
    with pytest.raises(ValueError, match=r"a cell is a .*; allowed is a number or a text"):
        context.part("ensemble 0", lambda: [GOOD | {"test_error": value}])
    assert not context.checkpoint.parts


def test_two_rows_of_one_name_are_refused_with_that_name():
    module = plugins.experiment("x_space")
    wanted = experiment.columns(module)
    one = pd.DataFrame([dict.fromkeys(wanted, 0)])
    with pytest.raises(
        ValueError, match="experiment x_space: two rows with d = 0, rank = 0, m = 0, target = 0, ensemble = 0;"
    ):
        experiment_tables.collect([one, one], "x_space", module.KEYS, wanted)


def test_descent_on_x_ends_at_the_projection_on_the_measurements():
    options = {"d": 8, "rank": 2, "m": [12, 24], "targets": 2, "iterations": 3000}
    for row in measured("x_space", options, seed=5).to_dict("records"):
        factor = draw_factor({"kind": "columns"}, 8, 2, 5, row["target"])
        planted = plain.pack(factor @ factor.T)
        rows = Ensemble.draw(8, 24, 5, 0).rows[: row["m"]].numpy()
        limit = np.linalg.pinv(rows) @ (rows @ planted)
        assert row["test_error"] == pytest.approx(plain.relative_error(limit, planted), rel=1e-6)
