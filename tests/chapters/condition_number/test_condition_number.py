"""The condition number: thresholds against made-up curves, the experiment against plain descents, the figure."""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import measured, refused
from drawn import curve

from algoreg.chapters.condition_number import estimands, figures, ledger
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian
from algoreg.numerics.problems import draw_factor, spectrum_target

SEED = 11

pytestmark = pytest.mark.replicates(50)


def judged(function, frames, **options):
    return function(frames, {}, np.random.default_rng(1), table="x", tolerance=0.1, **options)


def conditions(thresholds, along="kappa", method="small"):
    rows = [
        {along: point, "m": round(100 * ratio), "m_over_dr": ratio, "ensemble": run, "target": run, "method": method}
        | {"smallest_error": 0.1 * (100 * ratio / threshold) ** -4 * np.exp(0.01 * run), "iterations": 10.0 * point}
        for point, threshold in thresholds.items()
        for ratio in (1.0, 1.3, 1.6)
        for run in range(4)
    ]
    return pd.DataFrame(rows).assign(d=50, status="budget", **({} if along == "rank" else {"rank": 2}))


@pytest.mark.known_answer("condition_exponent")
def test_the_exponent_in_kappa_is_that_of_the_thresholds_that_curves_were_made_of():
    frame = conditions(
        {1.0: 110 * np.exp(-0.015 / 4), 3.0: 110 * 3**0.1 * np.exp(-0.015 / 4), 9.0: 110 * 9**0.1 * np.exp(-0.015 / 4)}
    )
    options = {"along": "kappa", "value": "smallest_error"}
    found = judged(estimands.condition_exponent, {"x": frame}, **options)
    assert found.value == pytest.approx(0.1, abs=1e-3)
    beyond = conditions({1.0: 110.0, 3.0: 150.0, 9.0: 190.0})
    assert judged(estimands.condition_exponent, {"x": beyond}, **options) == UNDEFINED


def test_a_resample_in_which_every_run_has_found_the_target_has_its_threshold_below_the_grid():
    frame = conditions({1.0: 140.0, 3.0: 140.0, 9.0: 140.0})
    # One of the four runs has found X* at every m.
    found_at_once = frame["target"] == 0
    frame.loc[found_at_once, "smallest_error"] = 1e-9
    options = {"along": "kappa", "value": "smallest_error"}
    curves = estimands.Conditions(frame, "kappa", "smallest_error", 0.1)
    lowest = curves.thresholds(curves.values[:, :, :1])
    np.testing.assert_allclose(lowest, np.log(100) - np.log(1.6))
    assert judged(estimands.condition_exponent, {"x": frame}, **options).value is not None


@pytest.mark.witness("condition_runs", "smallest_error", "iterations", "m")
@pytest.mark.parametrize("method", ["small", "spectral", "scaled"])
def test_errors_in_units_of_the_smallest_eigenvalue_are_those_of_a_plain_descent(method):
    options = {
        "d": 7,
        "rank": [2],
        "kappa": [3.0],
        "method": [method],
        "alpha": 0.05,
        "m_over_dr": [1.5, 1.9],
        "time": 12.0,
    }
    table = measured("condition_runs", options, seed=SEED, ensembles=[3]).set_index("m_over_dr")
    factor = draw_factor(spectrum_target(2, 3.0), 7, 2, SEED, 3)
    target = factor @ factor.T
    assert table["m"].to_dict() == {1.5: 21, 1.9: 27}
    for ratio, m in ((1.5, 21), (1.9, 27)):
        # Runs of an ensemble know its first m measurements.
        matrices = plain.unpack(gaussian.Ensemble.draw(7, 27, SEED, 3).rows.numpy()[:m], 7)
        labels = plain.measure(matrices, target)
        values, vectors = np.linalg.eigh(-plain.gradient(matrices, np.zeros((7, 7)), labels))
        u = 0.05 * np.eye(7) if method == "small" else vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
        errors, count = [], round(12 * (1 if method == "scaled" else 3) / 0.25)
        for step in range(count + 1):
            if step % 4 == 0:
                errors.append(np.linalg.norm(u @ u.T - target) / (2**0.5 / 3))
                if errors[-1] < 0.01:
                    break
            moved = plain.gradient(matrices, u @ u.T, labels) @ u
            u = u - 0.25 * (moved @ np.linalg.inv(u.T @ u) if method == "scaled" else moved)
        assert table.loc[ratio, "smallest_error"] == pytest.approx(errors[-1], rel=1e-6)
        if min(errors) < 0.1:
            place = int(np.argmax(np.array(errors) < 0.1))
            share = np.log(0.1 / errors[place]) / np.log(errors[place - 1] / errors[place]) if place else 0
            assert table.loc[ratio, "iterations"] == pytest.approx(4 * (place - share), rel=1e-6)


def test_the_figure_of_kappa_draws_thresholds_and_iterations():
    sizes = {1.0: 110.0, 3.0: 120.0, 9.0: 130.0}
    frame = pd.concat([conditions(sizes, method=name) for name in ("small", "spectral", "scaled")])
    left, right = figures.condition({"condition": frame}, {}).axes
    expected = np.array(list(sizes.values())) * np.exp(0.015 / 4) / 100
    np.testing.assert_allclose(curve(left, "descent from α"), expected, rtol=1e-6)
    np.testing.assert_allclose(curve(right, "preconditioned"), [10, 30, 90])
    table = ledger.condition_thresholds(frame).split("\n")
    assert len([line for line in table if line.startswith("| descent from the spectral")]) == 3


def test_measurements_that_leave_nothing_open_are_refused():
    refused("condition", "m_over_dr", m_over_dr=[1.0, 2.5])
