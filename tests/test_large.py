"""Large dimensions: the leak against a random matrix, thresholds and growth against made-up curves, the experiment
against a plain descent.
"""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import measured, refused
from drawn import curve

from algoreg.chapters.large import estimands, figures, leak
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian
from algoreg.numerics.problems import draw_factor, spectrum_target

SEED = 11


def test_the_leak_is_the_growth_of_a_semicircle_of_eigenvalues():
    d, alpha, c = 1500, 0.03, 2.2
    noise = np.random.default_rng(0).standard_normal((d, d))
    s = np.sqrt(1 / (2 * c))
    # A symmetric matrix whose spectrum is the semicircle on [−2s, 2s].
    values = np.linalg.eigvalsh((noise + noise.T) * s / np.sqrt(2 * d))
    time = np.log(1 / alpha) / (1 + s**2)
    expected = np.sqrt(np.sum((alpha**2 * np.exp(2 * values * time)) ** 2))
    assert leak.log_leak(c, d, alpha) == pytest.approx(np.log(expected), abs=0.05)
    # Ten times the size is √10 times the leak, and the threshold moves so that it stays.
    assert leak.log_leak(c, 10 * d, alpha) - leak.log_leak(c, d, alpha) == pytest.approx(np.log(10) / 2)
    (moved,) = leak.predicted(c, d, [10 * d], alpha)
    assert moved > c
    assert leak.log_leak(moved, 10 * d, alpha) == pytest.approx(leak.log_leak(c, d, alpha))


def table(thresholds, runs=6, spread=0.05, slope=-4.0, seed=0, alpha=1e-6):
    """Return a table whose errors fall as a power of c through 0.1 at given thresholds, with noise in the log."""
    rng, rows = np.random.default_rng(seed), []
    for (d, rank), threshold in thresholds.items():
        for factor in (0.85, 0.95, 1.1, 1.3):
            for run in range(runs):
                ratio = round(threshold * factor, 3)
                error = 0.1 * (ratio / threshold) ** slope * np.exp(spread * rng.standard_normal())
                own = {"d": d, "rank": rank, "alpha": alpha, "m_over_dr": ratio, "ensemble": run}
                rows.append({**own, "test_error": error, "status": "budget"})
    return pd.DataFrame(rows)


def judged(function, frames, **options):
    return function(frames, {}, np.random.default_rng(1), table="x", tolerance=0.1, **options)


@pytest.mark.known_answer("curve_exponent")
def test_thresholds_and_exponents_are_those_that_curves_were_made_of():
    sizes = {(d, 1): 1.5 * (d / 50) ** 0.1 for d in (50, 100, 200, 400)}
    frame = table(sizes, spread=0.0)
    found = estimands.Curves(frame, 0.1)
    np.testing.assert_allclose(np.exp(found.on_grid()), list(sizes.values()), rtol=1e-6)
    estimate = judged(estimands.curve_exponent, {"x": frame}, along="d")
    assert estimate.value == pytest.approx(1.1, abs=1e-6)
    noisy = judged(estimands.curve_exponent, {"x": table(sizes, spread=0.3)}, along="d")
    assert noisy.low < 1.1 < noisy.high
    ranks = table({(200, r): 1.8 * r**-0.08 for r in (1, 2, 4)}, spread=0.0)
    assert judged(estimands.curve_exponent, {"x": ranks}, along="rank").value == pytest.approx(0.92, abs=1e-6)


def test_intervals_of_exponents_cover_what_runs_were_drawn_of():
    sizes = {(d, 1): 1.5 * (d / 50) ** 0.1 for d in (50, 100, 200)}
    inside = 0
    for seed in range(40):
        estimate = judged(estimands.curve_exponent, {"x": table(sizes, 5, 0.3, seed=seed)}, along="d")
        inside += estimate.low <= 1.1 <= estimate.high
    # 95 % of 40 are 38; fewer than 33 have a probability below 10⁻³.
    assert inside >= 33


def test_a_threshold_off_its_grid_leaves_what_is_made_of_it_undefined():
    frame = table({(d, 1): 1.5 for d in (50, 100, 200)}, spread=0.0)
    frame.loc[frame["d"] == 100, "test_error"] /= 10
    assert judged(estimands.curve_exponent, {"x": frame}, along="d") == UNDEFINED
    assert judged(estimands.growth_off, {"x": frame}, alphas=[1e-6], predict="leak") == UNDEFINED


@pytest.mark.known_answer("growth_off")
def test_growth_is_held_against_the_leak_from_the_smallest_size():
    sizes = [50, 100, 200, 400]
    as_leak = dict(zip([(d, 1) for d in sizes], leak.predicted(1.58, 50, sizes, 1e-6), strict=True))
    frame = {"x": table(as_leak, spread=0.0)}
    assert judged(estimands.growth_off, frame, alphas=[1e-6], predict="leak").value == pytest.approx(1, abs=2e-3)
    growth = as_leak[400, 1] / as_leak[50, 1]
    found = judged(estimands.growth_off, frame, alphas=[1e-6], predict="constant").value
    assert found == pytest.approx(growth, rel=2e-3)


@pytest.mark.known_answer("law_apart")
def test_laws_are_apart_by_the_largest_difference_of_mean_logs():
    frames = {}
    for name, shifts in (("x", (0.0, 0.0)), ("y", (0.02, -0.3))):
        rows = [
            {"time": time, "ensemble": run, "test_error": 10 ** (shift + 0.01 * run), "status": "budget"}
            for time, shift in zip((1, 2), shifts, strict=True)
            for run in range(8)
        ]
        frames[name] = pd.DataFrame(rows)
    rng = np.random.default_rng(0)
    found = estimands.law_apart(frames, {}, rng, table="x", against="y", value="test_error")
    assert found.value == pytest.approx(0.3)


OPTIONS = {"d": [8], "rank": [2], "alpha": [0.05], "centre": [2.0], "factors": [1.0], "time": [20]}


@pytest.mark.witness("unstored_runs", "test_error", "iterations")
def test_a_stored_run_is_that_of_a_plain_descent():
    found = measured(
        "unstored_runs", {**OPTIONS, "measured": "gaussian", "fractions": [0.5, 1.0]}, seed=SEED, ensembles=[3]
    )
    rows = gaussian.Ensemble.draw(8, 32, SEED, 3).rows.numpy()
    factor = draw_factor(spectrum_target(2, 1.0), 8, 2, SEED, 3)
    target, matrices = factor @ factor.T, plain.unpack(rows, 8)
    for time, error in zip(found["time"], found["test_error"], strict=True):
        u = plain.factored(0.05 * np.eye(8), matrices, rows @ plain.pack(target), 0.25, round(time / 0.25))
        assert error == pytest.approx(plain.relative_error(u @ u.T, target), rel=1e-8)
    longer = measured("unstored_runs", {**OPTIONS, "measured": "gaussian", "time": [60]}, seed=SEED, ensembles=[3])
    errors, u = [1.0], 0.05 * np.eye(8)
    while errors[-1] >= 0.1:
        u = plain.factored(u, matrices, rows @ plain.pack(target), 0.25, 4)
        errors.append(plain.relative_error(u @ u.T, target))
    # Every fourth iteration is looked at.
    share = np.log(0.1 / errors[-1]) / np.log(errors[-2] / errors[-1])
    assert longer["iterations"].item() == pytest.approx(4 * (len(errors) - 1 - share), rel=1e-6)
    assert found["directions"].eq(0).all()
    assert found["megabytes"].iloc[0] == pytest.approx(32 * rows.shape[1] * 8 / 1e6)


@pytest.mark.witness("unstored_runs", "directions")
def test_every_iteration_asks_for_one_direction_where_none_counts_as_known():
    options = {**OPTIONS, "time": [5], "fractions": [0.1, 0.25, 0.5, 1.0], "tolerance": 1e-12}
    found = measured("unstored_runs", options, seed=SEED, ensembles=[3])
    # Of 36 dimensions there are enough for 20 iterations of step 1/4.
    assert found["directions"].tolist() == [2, 5, 10, 20]
    coarse = measured("unstored_runs", {**options, "tolerance": 0.1}, seed=SEED, ensembles=[3])
    assert (coarse["directions"] <= found["directions"]).all()
    assert coarse["directions"].iloc[-1] < 20


def test_an_unstored_run_says_what_it_stores_and_its_step_and_sizes_are_what_is_asked():
    found = measured("unstored_runs", {**OPTIONS, "rank": [1, 4], "step_power": [0.0, 1.0]}, seed=SEED)
    assert found["directions"].between(1, 36).all()
    assert (found["m"] == (found["m_over_dr"] * 8 * found["rank"]).round()).all()
    # The threshold falls with r as the leak says: fewer measurements per degree of freedom.
    assert found.groupby("rank")["m_over_dr"].first().is_monotonic_decreasing
    square = measured("unstored_runs", {**OPTIONS, "dimension_power": 2, "rank": [1, 2]}, seed=SEED)
    assert sorted(square["d"].unique()) == [8, 32]


def test_what_does_not_fit_together_is_refused():
    refused("large_r", "one of each for every alpha", alpha=[1e-3, 1e-6])
    refused("large_r", "tolerance = 1e-08: allowed is 9.5e-07", tolerance=1e-8, storage="float32")
    refused("large_r", "allowed is bases of 4 GiB", d=[6000])
    refused("large_r", "it needs single measurements, which ensemble unstored does not provide", algorithm="stochastic")


def test_the_figure_draws_thresholds_with_the_leak_and_the_bound():
    sizes = {(d, 1): 1.5 * (d / 50) ** 0.1 for d in (50, 100, 200)}
    ranks = {(80, r): 1.6 * r**-0.1 for r in (1, 2, 4)}
    frames = [table(sizes, alpha=alpha, spread=0.0) for alpha in (1e-3, 1e-6)]
    drawn = figures.large_thresholds({"large_d": pd.concat(frames), "large_r": table(ranks, spread=0.0)}, {})
    left, right = drawn.axes
    np.testing.assert_allclose(curve(left, "α = 10⁻⁶"), list(sizes.values()), rtol=1e-6)
    np.testing.assert_allclose(curve(right, "Theorem 1.1's bound"), [1.6, 3.2, 6.4], rtol=1e-6)
    assert "r^0.90" in right.get_title()
