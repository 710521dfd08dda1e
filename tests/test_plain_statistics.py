"""Intervals, factors and thresholds against formulas worked out plainly, on tables small enough to check by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from algoreg.chapters.simulations import estimands as simulations
from algoreg.claims import thresholds
from algoreg.claims.estimands import smallest_mean, smallest_share_below
from algoreg.claims.intervals import crossed_interval, interval_of, share_interval
from algoreg.claims.predictions import prediction_interval


def half_width(variances, freedoms):
    """Return t(97.5 %)·√Σv with Satterthwaite's degrees of freedom (Σv)²/Σ(v²/ν), term by term."""
    total = sum(variances)
    freedom = total**2 / sum(v**2 / n for v, n in zip(variances, freedoms, strict=True))
    return student.ppf(0.975, freedom) * math.sqrt(total)


@pytest.mark.parametrize(("targets", "ensembles"), [(1, 2), (4, 5), (5, 16), (9, 3)])
@pytest.mark.parametrize("outcome", [0, 1])
def test_a_share_without_an_exception_has_the_exact_interval_of_its_units(outcome, targets, ensembles):
    units = ensembles if targets == 1 else min(targets, ensembles)
    found = share_interval(np.min, np.full((1, targets, ensembles), float(outcome)), np.random.default_rng(0))
    exact = binomtest(outcome * units, units).proportion_ci(0.95, method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((outcome, exact.low, exact.high))


def test_shares_of_independent_runs_have_exact_intervals():
    for count in range(13):
        values = np.concatenate([np.ones(count), np.zeros(12 - count)]).reshape(1, 1, 12)
        found = share_interval(np.max, values, np.random.default_rng(0))
        exact = binomtest(count, 12).proportion_ci(0.95, method="exact")
        assert (found.value, found.low, found.high) == pytest.approx((count / 12, exact.low, exact.high))
    both = np.array([[[1.0] * 12], [[1.0] * 9 + [0.0] * 3]])
    for pick, count in ((np.min, 9), (np.max, 12)):
        found, exact = share_interval(pick, both, np.random.default_rng(0)), binomtest(count, 12).proportion_ci(0.95)
        assert (found.value, found.low, found.high) == pytest.approx((count / 12, exact.low, exact.high))


def test_a_crossed_share_with_exceptions_has_the_crossed_interval_up_to_1():
    values = np.array([[[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]])
    found = share_interval(np.min, values, np.random.default_rng(0))
    crossed = interval_of(np.mean, values, np.random.default_rng(0))
    assert (found.value, found.low, found.high) == (crossed.value, max(crossed.low, 0), min(crossed.high, 1))
    assert crossed.low < found.value < found.high


@pytest.mark.parametrize(("pick", "outcome"), [(np.min, 0.0), (np.max, 1.0)])
def test_a_point_without_an_exception_that_is_picked_has_its_exact_interval_beside_others(pick, outcome):
    mixed = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    found = share_interval(pick, np.stack([mixed, np.full((3, 4), outcome)]), np.random.default_rng(0))
    exact = binomtest(int(3 * outcome), 3).proportion_ci(0.95, method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((outcome, exact.low, exact.high))


@pytest.mark.known_answer("smallest_share_below")
def test_shares_are_of_the_runs_of_each_point():
    """One run in eight is far at d = 2, and one has no number; a mean of logs would hardly see them."""
    frame = pd.DataFrame(
        [(d, target, ensemble, 1e-6) for d in (1, 2) for target in range(4) for ensemble in range(4)],
        columns=["d", "target", "ensemble", "distance"],
    )
    frame.loc[(frame["d"] == 2) & (frame["target"] == frame["ensemble"]) & (frame["target"] < 2), "distance"] = [
        2.0,
        np.nan,
    ]
    said = {"table": "far", "value": "distance", "limit": 0.01, "by": ["d"]}
    found = smallest_share_below({"far": frame}, {}, np.random.default_rng(0), **said)
    assert found.value == 14 / 16
    near = smallest_share_below({"far": frame[frame["d"] == 1]}, {}, np.random.default_rng(0), **said)
    assert (near.value, near.low) == pytest.approx((1, binomtest(4, 4).proportion_ci(0.95, method="exact").low))


@pytest.mark.known_answer("smallest_mean")
def test_means_of_what_is_0_or_1_are_shares_and_others_are_not():
    frame = pd.DataFrame({"d": 1, "target": [0, 0, 1, 1], "ensemble": [0, 1, 0, 1], "arrived": 1, "error": 0.5})
    said = {"table": "runs", "by": ["d"]}
    arrived, error = (
        smallest_mean({"runs": frame}, {}, np.random.default_rng(0), value=value, **said)
        for value in ("arrived", "error")
    )
    assert arrived.low == pytest.approx(0.025 ** (1 / 2))
    assert error.low == error.high == 0.5


@pytest.mark.replicates(40_000)
@pytest.mark.parametrize(("of_targets", "of_ensembles"), [(0.1, 1.0), (1.0, 0.1), (1.0, 1.0)])
def test_the_half_width_has_satterthwaites_degrees_of_freedom(of_targets, of_ensembles):
    # Enough resamples that their variance is that of all resamples within a percent or so.
    targets, ensembles = of_targets * np.array([-2.0, -1, 0, 1, 2]), of_ensembles * np.array([-1.0, 0, 1])
    values = targets[:, None] + ensembles[None, :]
    estimate = crossed_interval(lambda t, e: values[t][:, e].mean(), 5, 3, np.random.default_rng(0))
    # A mean of n independent units has the variance s²/n, known with n − 1 degrees of freedom.
    expected = half_width([targets.var(ddof=1) / 5, ensembles.var(ddof=1) / 3], [4, 2])
    assert estimate.value == pytest.approx(0, abs=1e-12)
    assert estimate.high == pytest.approx(expected, rel=0.02)
    assert estimate.low == pytest.approx(-expected, rel=0.02)
    if of_targets != of_ensembles:
        # The sum of both degrees of freedom would be seen.
        naive = student.ppf(0.975, 6) * math.sqrt(targets.var(ddof=1) / 5 + ensembles.var(ddof=1) / 3)
        assert naive < 0.95 * expected


def test_a_prediction_allows_for_the_mean_being_estimated_too():
    # Effects that add up: the variance is 2 of targets, 9 of ensembles, 0 of the rest.
    logs = np.array([0.0, 2.0])[:, None] + np.array([0.0, 3.0, 6.0])[None, :]
    # One new target over four new ensembles, beside the mean of two targets and three ensembles.
    half = half_width([2 * (1 + 1 / 2), 9 * (1 / 4 + 1 / 3)], [1, 2])
    low, high = prediction_interval(np.exp(logs), 4)
    assert math.log(low) == pytest.approx(4 - half)
    assert math.log(high) == pytest.approx(4 + half)


def test_a_prediction_allows_for_what_neither_target_nor_ensemble_explains():
    # Only the rest varies: residuals ±1 in every row and column, with one degree of freedom and the variance 4.
    logs = np.array([[1.0, -1.0], [-1.0, 1.0]])
    half = half_width([4 * (1 / 3 + 1 / 4)], [1])
    low, high = prediction_interval(np.exp(logs), 3)
    assert math.log(low) == pytest.approx(-half)
    assert math.log(high) == pytest.approx(half)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_a_prediction_of_one_target_or_one_ensemble_takes_single_runs(shape):
    logs = np.array([0.0, 1.0, 5.0]).reshape(shape)
    # The variance of a single run is 7; 4.302653 is Student's quantile with two degrees of freedom.
    half = 4.302653 * math.sqrt(7 * (1 + 1 / 3))
    low, high = prediction_interval(np.exp(logs), 4)
    assert math.log(low) == pytest.approx(2 - half)
    assert math.log(high) == pytest.approx(2 + half)
    assert np.isnan(prediction_interval(np.exp(logs[:1, :1]), 4)).all()


@pytest.mark.known_answer("largest_published_factor", "published_factor")
@pytest.mark.replicates(50)
@pytest.mark.parametrize(("published", "factor"), [(5.0, 1.0), (10.0, 2.0), (2.5, 2.0)])
def test_the_published_value_is_compared_with_the_arithmetic_mean_of_our_runs(published, factor):
    # The mean of 1, 9, 1, 9 is 5 (their geometric mean is 3).
    runs = [
        {"d": 100, "alpha": 0.1, "target": t, "ensemble": e, "test_error": [1.0, 9.0][e]}
        for t in range(2)
        for e in range(2)
    ]
    curve = pd.DataFrame({"d": [100], "alpha": [0.1], "error": ["test_error"], "value": [published]})
    tables, options = {"ours": pd.DataFrame(runs)}, {"table": "ours", "figure": "f", "errors": ["test_error"]}
    for judge in (simulations.published_factor, simulations.largest_published_factor):
        estimate = judge(tables, {"f": curve}, np.random.default_rng(0), **options)
        assert estimate.value == pytest.approx(factor)


@pytest.mark.parametrize("error", [1.0, 4.0, 1e6, np.nan])
def test_an_error_above_that_of_nothing_found_counts_as_nothing_found(error):
    runs = [
        {"rank": 1, "m": m, "target": 0, "ensemble": 0, "test_error": value, "status": "budget"}
        for m, value in ((10, error), (20, 0.05))
    ]
    found = thresholds.find_thresholds(pd.DataFrame(runs), "rank", 0.1)
    # The tolerance 0.1 lies log(1/0.1)/log(1/0.05) of the way from 10 to 20 on log scales, whatever lies above 1.
    share = math.log(1 / 0.1) / math.log(1 / 0.05)
    assert math.exp(found.logs.item()) == pytest.approx(10 * 2**share)
