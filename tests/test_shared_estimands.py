"""What the estimands of several chapters make of tables whose answer is known, beside rows that are not theirs."""

import numpy as np
import pandas as pd
import pytest

from algoreg.claims import estimands
from algoreg.claims.intervals import UNDEFINED

pytestmark = pytest.mark.replicates(200)

# Of these runs the factors have the geometric mean 1, the terms the mean 0.
FACTORS, TERMS = {(0, 0): 2.0, (0, 1): 0.25, (1, 0): 1.0, (1, 1): 2.0}, {(0, 0): 3, (0, 1): -1, (1, 0): -4, (1, 1): 2}


def runs(values, *, spread=FACTORS, by=("x",), kind="asked"):
    """Return a table of a value at points, with the factors of runs on it, or with terms."""
    rows = []
    for point, value in values.items():
        names = dict(zip(by, point if isinstance(point, tuple) else (point,), strict=True))
        for (target, ensemble), own in spread.items():
            spoilt = value * own if spread is FACTORS else value + own
            rows.append({**names, "kind": kind, "target": target, "ensemble": ensemble, "y": spoilt})
    return pd.DataFrame(rows)


def found(name, frame, **options):
    """Return an estimand of ``y``, of the rows of the kind that is asked for."""
    fixed = {"table": "t", "value": "y", "where": {"kind": "asked"}}
    return getattr(estimands, name)({"t": frame}, {}, np.random.default_rng(0), **{**fixed, **options})


def with_others(frame, spread=FACTORS):
    """Return a table with rows of another kind, which are large and grow fast, at the same points."""
    by = [name for name in ("g", "x") if name in frame]
    points = [tuple(point) for point in frame[by].drop_duplicates().to_numpy()]
    return pd.concat([frame, runs({p: 1e3 * p[-1] ** 7 for p in points}, by=by, spread=spread, kind="other")])


def lost(frame, place=0):
    """Return a table of which one run has no value."""
    return frame.assign(y=frame["y"].where(np.arange(len(frame)) != place))


@pytest.mark.known_answer("exponent", "exponent_off")
def test_an_exponent_is_the_slope_of_the_geometric_means():
    square = with_others(runs({x: 3 * x**2 for x in (1.0, 2.0, 8.0)}))
    assert found("exponent", square, along="x").value == pytest.approx(2)
    assert found("exponent_off", square, along="x", expected=1.5).value == pytest.approx(0.5)
    assert found("exponent_off", square, along="x", expected=2.5).value == pytest.approx(0.5)
    # No power: by least squares log y = (0, 0, 3) against log x = (0, 1, 2) has the slope 1.5.
    bent = runs(dict(zip(np.exp([0, 1, 2]), np.exp([0, 0, 3]), strict=True)))
    assert found("exponent", bent, along="x").value == pytest.approx(1.5)
    assert found("exponent", lost(square), along="x") == UNDEFINED
    assert found("exponent", square.assign(y=square["y"] - square["y"].min()), along="x") == UNDEFINED


@pytest.mark.known_answer("smallest_exponent")
def test_the_smallest_exponent_is_of_the_groups_that_are_asked_for():
    laws = {(g, x): x**g for g in (1, 2, 3) for x in (1.0, 2.0, 4.0)}
    frame = with_others(runs(laws, by=("g", "x")))
    assert found("smallest_exponent", frame, along="x", by="g").value == pytest.approx(1)
    two = {"kind": "asked", "g": [2, 3]}
    assert found("smallest_exponent", frame, along="x", by="g", where=two).value == pytest.approx(2)


@pytest.mark.known_answer("distance_of_mean", "largest_mean", "smallest_mean")
def test_means_are_plain_ones_and_the_extreme_is_over_points():
    frame = with_others(runs({1: 5.0, 2: 9.0, 3: 7.0}, spread=TERMS), spread=TERMS)
    assert found("largest_mean", frame, by=["x"]).value == pytest.approx(9)
    assert found("smallest_mean", frame, by=["x"]).value == pytest.approx(5)
    assert found("distance_of_mean", frame, by=["x"], expected=6).value == pytest.approx(3)
    assert found("distance_of_mean", frame, by=["x"], expected=8).value == pytest.approx(3)
    for name, more in (("largest_mean", {}), ("smallest_mean", {}), ("distance_of_mean", {"expected": 6})):
        assert found(name, lost(frame), by=["x"], **more) == UNDEFINED
    # One 1 beside a 3 makes no share of them: the interval of their mean is that of any two numbers.
    one, other = (
        found("largest_mean", runs({1: centre}, spread={(0, e): term for e, term in enumerate((-1, 1, 1))}), by=["x"])
        for centre in (2.0, 7.0)
    )
    assert (one.low + 5, one.high + 5) == (pytest.approx(other.low), pytest.approx(other.high))


@pytest.mark.known_answer("largest_geometric_mean")
def test_a_geometric_mean_is_not_a_plain_one_and_the_largest_is_over_points():
    frame = with_others(runs({1: 0.5, 2: 2.0, 3: 1.0}))
    assert found("largest_geometric_mean", frame, by=["x"]).value == pytest.approx(2)
    assert found("largest_geometric_mean", lost(frame), by=["x"]) == UNDEFINED
    assert found("largest_geometric_mean", frame.assign(y=frame["y"] * (frame["x"] > 1)), by=["x"]) == UNDEFINED


@pytest.mark.known_answer("smallest_share_below")
def test_a_share_counts_what_is_below_and_neither_ties_nor_runs_without_a_number():
    frame = with_others(runs({1: 1.0, 2: 0.5}))
    # At 1 the runs are 2, 1/4, 1 and 2: the second is below 1, the third ties. At 2 the two smallest are below.
    assert found("smallest_share_below", frame, by=["x"], limit=1.0).value == 0.25
    assert found("smallest_share_below", frame, by=["x"], limit=1.01).value == 0.5
    assert found("smallest_share_below", frame, by=["x"], limit=10.0).value == 1
    assert found("smallest_share_below", lost(frame), by=["x"], limit=10.0).value == 0.75


@pytest.mark.known_answer("factor_apart", "ratio_of_pair")
def test_a_ratio_of_a_pair_is_that_of_geometric_means_and_a_factor_is_at_least_one():
    frame = with_others(runs({1: 6.0, 2: 2.0, 3: 50.0}))
    for pair, ratio in (([1, 2], 3), ([2, 1], 1 / 3)):
        assert found("ratio_of_pair", frame, by="x", pair=pair).value == pytest.approx(ratio)
        assert found("factor_apart", frame, by="x", pair=pair).value == pytest.approx(3)
        assert found("factor_apart", lost(frame), by="x", pair=pair) == UNDEFINED
        # What is lost at another point does not matter.
        assert found("ratio_of_pair", lost(frame, place=8), by="x", pair=pair).value == pytest.approx(ratio)
