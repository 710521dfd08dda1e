"""The race on noisy labels against a plain loop: the smallest error, the error at the end,
the stop by held-out labels.
"""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_problem, measured, refused

from algoreg.chapters.race import estimands
from algoreg.chapters.race.words import NAMES
from algoreg.claims.intervals import UNDEFINED
from algoreg.engine.observers import spaced_iterations
from algoreg.numerics.problems import spoil
from algoreg.reporting import figures

pytestmark = pytest.mark.replicates(200)

D, RANK, KNOWN, HELD_OUT, SEED = 16, 2, 96, 48, 5
OPTIONS = {
    "d": D,
    "rank": RANK,
    "m_over_dr": 3,
    "held_out_over_dr": 1.5,
    "kappa": [2],
    "budget": [600],
    "label_noise": 0.2,
    "method": ["descent_1e-8"],
    "targets": 2,
}


def plain_errors(step, count, target, ensemble, known=KNOWN, spectrum=(1.0, 0.5), noise=0.2):
    """Return the test and the hold-out errors of a plain run on noisy labels, one for each look."""
    matrices, clean, x = gaussian_problem(D, list(spectrum), KNOWN + HELD_OUT, SEED, target, ensemble)
    problem = {"d": D, "rank": RANK, "label_noise": noise}
    (labels,) = spoil(clean[None], problem, SEED, ensemble, [target])
    slope = plain.sensing(matrices[:known], labels[:known])
    iterates = plain.factored_iterates(1e-8 * np.eye(D), slope, step)
    seen = spaced_iterations(count)
    found = [u @ u.T for t, u in zip(range(count + 1), iterates, strict=False) if t in seen]
    unseen = [np.linalg.norm(plain.measure(matrices[KNOWN:], one) - labels[KNOWN:]) for one in found]
    return np.array([plain.relative_error(one, x) for one in found]), np.array(unseen)


@pytest.mark.witness("race_noise", "stop_over_best", "end_over_best", "own_error")
def test_a_row_is_what_a_plain_loop_finds():
    table = measured("race_noise", OPTIONS, seed=SEED, ensembles=(1,))
    assert len(table) == 2
    for row in table.itertuples():
        errors, unseen = plain_errors(row.step, row.budget, row.target, 1)
        np.testing.assert_allclose(row.best_error, errors.min(), rtol=1e-9)
        np.testing.assert_allclose(row.stop_error, errors[unseen.argmin()], rtol=1e-9)
        np.testing.assert_allclose(row.end_error, errors[-1], rtol=1e-9)
        np.testing.assert_allclose(row.stop_over_best, row.stop_error / row.best_error)
        assert row.stop == sorted(spaced_iterations(row.budget))[unseen.argmin()]
        everything, _ = plain_errors(row.step, row.budget, row.target, 1, known=KNOWN + HELD_OUT)
        np.testing.assert_allclose(row.refit_error, everything[unseen.argmin()], rtol=1e-9)
        np.testing.assert_allclose(row.all_error, everything[-1], rtol=1e-9)
        # Full width is told nothing, and ends where held-out labels say.
        assert row.own_error == row.stop_error
        np.testing.assert_allclose(row.end_over_best, row.end_error / row.best_error)
        assert (row.m, row.held_out) == (KNOWN, HELD_OUT)
    # Here the three are different things.
    assert (table["stop_over_best"] > 1.001).any()
    assert (table["end_over_best"] > 1.1 * table["stop_over_best"]).all()


def test_what_is_told_the_rank_takes_all_labels_and_a_search_goes_as_far_as_its_stop():
    table = measured("race_noise", {**OPTIONS, "budget": [60], "method": ["thresholding", "search"]}, seed=SEED)
    told, search = (table[table["method"] == name] for name in ("thresholding", "search"))
    assert (told["own_error"] == told["all_error"]).all()
    assert (search["own_error"] == search["refit_error"]).all()
    assert (told["all_error"] != told["refit_error"]).any()


def test_a_tail_has_all_eigenvalues_and_its_labels_no_noise():
    own = {**OPTIONS, "kappa": [1], "budget": [80], "label_noise": 0, "tail": 1.5}
    table = measured("race_noise", own, seed=SEED, ensembles=(1,))
    for row in table.itertuples():
        spectrum = [i**-1.5 for i in range(1, D + 1)]
        errors, unseen = plain_errors(row.step, row.budget, row.target, 1, spectrum=spectrum, noise=0)
        np.testing.assert_allclose(row.stop_error, errors[unseen.argmin()], rtol=1e-9)
        assert row.own_error == row.refit_error
    assert set(table["tail"]) == {1.5}


def test_what_is_known_is_less_than_linear_algebra_needs():
    refused("race_noise", "m below d(d+1)/2", m_over_dr=6)
    refused("race_noise", "a budget for each κ", budget=[10, 20])


def test_race_noise_shows_the_stop_and_the_end_beside_the_margin():
    rows = [
        {"method": method, "told": "rank", "kappa": 10, "target": target, "ensemble": ensemble, "d": 20, "rank": 2}
        | {"m": 160, "held_out": 40, "label_noise": 0.1, "best_error": 0.05}
        | {"stop_over_best": 1.1 + 0.1 * target, "end_over_best": 3.0 + place + ensemble}
        for place, method in enumerate(("descent_1e-8", "thresholding"))
        for target in range(2)
        for ensemble in range(2)
    ]
    table = pd.DataFrame(rows)
    (axes,) = figures.draw("race_noise", {"race_noise": table}).axes
    labels = [text.get_text().partition("\n")[0] for text in axes.get_yticklabels()]
    assert labels == [NAMES["descent_1e-8"], NAMES["thresholding"]]
    stops, ends, margin = axes.lines
    np.testing.assert_allclose(stops.get_xdata(), np.sqrt(1.1 * 1.2))
    np.testing.assert_allclose(ends.get_xdata(), np.sqrt([3.0 * 4.0, 4.0 * 5.0]))
    assert set(margin.get_xdata()) == {1.25}


@pytest.mark.known_answer("largest_mean_factor")
def test_a_factor_of_at_least_1_has_an_interval_that_is():
    # Of one method every run ends at its best, of the other one in four at 16 times that.
    rows = [
        {"method": method, "kind": kind, "target": target, "ensemble": ensemble, "stop_over_best": factor}
        for kind, scale in (("asked", 1.0), ("other", 100.0))
        for method, largest in (("a", 1.0), ("b", 16.0))
        for target in range(2)
        for ensemble in range(2)
        for factor in [scale * (largest if target and ensemble else 1.0)]
    ]
    asked = {"table": "t", "value": "stop_over_best", "by": ["method"], "where": {"kind": "asked"}}
    frame = pd.DataFrame(rows)
    found = estimands.largest_mean_factor({"t": frame}, {}, np.random.default_rng(0), **asked)
    assert found.value == pytest.approx(2)
    assert found.low == 1 < found.high
    lost = frame.assign(stop_over_best=frame["stop_over_best"].where(frame.index != 0))
    assert estimands.largest_mean_factor({"t": lost}, {}, None, **asked) == UNDEFINED
