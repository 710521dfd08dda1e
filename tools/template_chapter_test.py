"""The chapter mychapter: what it measures, against a plain loop, and its estimand on a table whose answer is known."""

import numpy as np
import plain
import pytest
from conftest import gaussian_matrices, measured
from drawn import RUNS, crossed

from algoreg import plugins
from algoreg.numerics.problems import draw_factor

D, M, SEED, STEP = 6, 30, 5, 0.05


@pytest.mark.witness("mychapter", "test_error")
def test_errors_are_those_of_a_plain_loop():
    options = {"d": D, "m": M, "alpha": [0.1, 1.0], "step": STEP, "iterations": [3, 20], "targets": 2}
    matrices = gaussian_matrices(D, M, SEED)
    for row in measured("mychapter", options, seed=SEED).to_dict("records"):
        factor = draw_factor({"kind": "columns"}, D, 1, SEED, row["target"])
        goal = factor @ factor.T
        start, labels = row["alpha"] * np.eye(D), plain.measure(matrices, goal)
        u = plain.factored(start, matrices, labels, STEP, row["iteration"])
        assert row["test_error"] == pytest.approx(plain.relative_error(u @ u.T, goal), rel=1e-9)


@pytest.mark.known_answer("mychapter_gain")
def test_the_gain_is_in_decades():
    table = crossed((), alpha=[0.01, 0.1, 1.0], iteration=[4, 400], **RUNS)
    table["test_error"] = table["alpha"] * (table["iteration"] == 400) + (table["iteration"] == 4)
    function, rng = plugins.functions("estimands")["mychapter_gain"], np.random.default_rng(0)
    for iteration, decades in ((4, 0), (400, 2)):
        found = function({"t": table}, {}, rng, table="t", iteration=iteration)
        assert found.value == pytest.approx(decades)
