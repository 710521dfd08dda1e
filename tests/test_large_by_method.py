"""Exponents by method: crossings of mean curves, and the growth of m* in d and in r from tables of known law."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import measured, refused

from algoreg.chapters.large import by_method

SEED = 11
RATIOS = (1.0, 1.3, 1.6, 2.0, 2.5, 3.2, 4.0)


def test_a_curve_crosses_between_two_points_and_otherwise_at_an_end():
    assert by_method.crossing(np.log([1.0, 2.0, 4.0]), [0.0, -1.0, -3.0], -2.0) == pytest.approx(math.log(2 * 2**0.5))
    assert by_method.crossing(np.log([1.0, 2.0, 4.0]), [0.0, -1.0, -3.0], -4.0) == math.log(4)
    assert by_method.crossing(np.log([1.0, 2.0, 4.0]), [0.0, -1.0, -3.0], 0.5) == 0


def table(power_of_d, power_of_r):
    """Return runs whose error is (threshold / ratio)³ of the tolerance, the threshold a power of d and of r."""
    sizes = [*((d, 1) for d in (50, 100, 200)), *((80, rank) for rank in (1, 2, 4))]
    return pd.DataFrame(
        {
            "d": d, "rank": rank, "alpha": 1e-6, "m_over_dr": ratio, "ensemble": ensemble, "status": "budget",
            "test_error": 0.1 * (1.8 * (d / 80) ** power_of_d * rank**power_of_r / ratio) ** 3,
        }
        for d, rank in sizes
        for ratio in RATIOS
        for ensemble in range(3)
    )  # fmt: skip


@pytest.mark.parametrize(("power_of_d", "power_of_r"), [(0.0, 0.0), (0.2, -0.1), (0.25, 0.5)])
def test_exponents_are_those_of_the_law(power_of_d, power_of_r):
    frame = table(power_of_d, power_of_r)
    for along, power in (("d", power_of_d), ("rank", power_of_r)):
        sizes, found, exponent = by_method.sweep(frame, along, 0.1, np.random.default_rng(0))
        assert sizes == ([50, 80, 100, 200] if along == "d" else [1, 2, 4])
        scale = np.array(sizes) / 80 if along == "d" else np.array(sizes)
        np.testing.assert_allclose(found, 1.8 * scale**power, rtol=1e-9)
        assert exponent.value == pytest.approx(1 + power)
        assert exponent.high - exponent.low == pytest.approx(0, abs=1e-9)


def test_a_threshold_at_the_end_of_the_grid_gives_no_exponent():
    frame = table(0.0, 0.0).assign(test_error=1.0)
    assert by_method.sweep(frame, "d", 0.1, np.random.default_rng(0))[2].value is None


@pytest.mark.witness("unstored_methods", "test_error", "directions")
@pytest.mark.parametrize(
    ("algorithm", "options", "columns"),
    [
        ("factored", {}, "full"),
        ("factored", {"start": "gaussian"}, "rank"),
        ("accelerated", {"momentum": 0.75}, "full"),
        ("preconditioned", {"damping": "residual"}, "full"),
        ("deep", {"depth": 3}, "full"),
    ],
)
def test_a_run_of_a_method_is_that_of_the_other_experiment(algorithm, options, columns):
    asked = {"algorithm": algorithm, "d": [8], "alpha": 0.05, "time": 10}
    own = {
        **asked,
        "algorithm_options": options,
        "columns": columns,
        "rank": [1, 2],
        "d_of_ranks": 9,
        "ratios": [1.5, 3.0],
    }
    found = measured("unstored_methods", own, seed=SEED)
    assert found.groupby(["d", "rank"]).size().to_dict().keys() == {(8, 1), (9, 1), (9, 2)}
    width = {"width": 2} if columns == "rank" else {}
    other = {**asked, "d": [9], "rank": [2], "alpha": [0.05], "time": [10], "algorithm_options": {**options, **width}}
    expected = measured(
        "unstored_runs", {**other, "centre": [1.0], "around": "fixed", "factors": [1.5, 3.0]}, seed=SEED
    )
    rows = found[(found["d"] == 9) & (found["rank"] == 2)]
    for column in ("m", "test_error", "directions"):
        np.testing.assert_array_equal(rows[column], expected[column])


def test_more_ranks_than_columns_and_too_small_a_tolerance_are_refused():
    refused("large_methods_plain", "rank at most d_of_ranks", rank=[1, 9], d_of_ranks=8)
    refused("large_methods_plain", "tolerance = 1e-20: allowed is", tolerance=1e-20)
