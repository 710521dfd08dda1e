"""Depth: stages and start thresholds against plain loops, what the experiment of thresholds takes, and what is
drawn."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import measured, option_problems
from drawn import RUNS, crossed, curve, drawn_law, geometric, level, margin, mean, same, where

from algoreg.chapters.depth import estimands
from algoreg.chapters.depth.experiments import start_threshold
from algoreg.chapters.race import estimands as race
from algoreg.reporting import figures
from algoreg.reporting.charts.text import rounded
from algoreg.settings.chapters import load_chapters

STAGES = {"d": 6, "eigenvalues": [1.0, 0.5], "m_over_dr": 1e8, "alpha": 1e-2, "time": 60.0, "targets": 2}
STARTS = {"d": 6, "m_over_dr": 1e8, "closeness": [2, 4], "targets": 2}


def claims():
    return {entry["id"]: entry for entry in load_chapters(["depth"])[0].claims}


def scalar_descent(depth, values, start, step, count):
    """Return what the eigenvalues of X are after 0 … count steps on factors that share X*'s eigenvectors,
    d = len(values).
    """
    factors, found = np.full((depth, len(values)), start ** (1 / depth)), []
    for _ in range(count + 1):
        found.append(factors.prod(axis=0))
        factors = factors - step * (found[-1] - values) * found[-1] / factors
    return np.array(found)


@pytest.mark.witness("stages", "nearest", "rank_excess")
@pytest.mark.parametrize("depth", [2, 3])
def test_stages_are_those_of_scalars_where_measurements_are_many(depth):
    table = measured("stages", {**STAGES, "depth": [depth]}, seed=3)
    values = np.array([1.0, 0.5, 0, 0, 0, 0])
    course = scalar_descent(depth, values, 1e-4, 0.1, 600)
    truncated = np.array([1.0, 0, 0, 0, 0, 0])
    apart = np.linalg.norm(course - truncated, axis=1)
    learned = np.flatnonzero(course[:, 0] >= 0.9)[0]
    share = course[learned] / course[learned].sum()
    assert set(table["s"]) == {1}
    np.testing.assert_allclose(table["nearest"], apart.min(), rtol=1e-2)
    np.testing.assert_allclose(table["passed"], apart.argmin() * 0.1, atol=0.1 + 1e-9)
    np.testing.assert_allclose(table["reached"], learned * 0.1, atol=0.1 + 1e-9)
    np.testing.assert_allclose(table["rank_excess"], np.exp(-(share * np.log(share)).sum()), rtol=1e-2)
    assert set(table["status"]) == {"converged"}


def test_the_effective_rank_at_the_second_stage_is_over_that_of_both_eigenvalues():
    # Unequal ones: exp(entropy) of (2/3, 1/3) is 1.89, not 2.
    values = [1.0, 0.5, 0.25]
    table = measured("stages", {**STAGES, "depth": [3], "eigenvalues": values, "time": 100.0}, seed=3)
    course = scalar_descent(3, np.array([*values, 0, 0, 0]), 1e-4, 0.1, 1000)
    for s in (1, 2):
        learned = np.flatnonzero(course[:, s - 1] >= 0.9 * values[s - 1])[0]
        ranks = []
        for sizes in (course[learned], np.array(values[:s])):
            share = sizes[sizes > 0] / sizes.sum()
            ranks.append(np.prod(share**-share))
        np.testing.assert_allclose(table.loc[table["s"] == s, "rank_excess"], ranks[0] / ranks[1], rtol=1e-2)


def test_the_course_has_the_eigenvalues_of_scalars():
    options = {**STAGES, "depth": [3], "every": 50, "targets": 1}
    table = measured("stages_course", options, seed=3)
    course = scalar_descent(3, np.array([1.0, 0.5]), 1e-4, 0.1, 600)[::50]
    for s in (1, 2):
        own = table[table["s"] == s]
        np.testing.assert_allclose(own["time"], np.arange(13) * 5)
        np.testing.assert_allclose(own["eigenvalue"], course[:, s - 1], rtol=2e-2)


def test_an_eigenvalue_that_is_not_learned_in_time_is_said():
    table = measured("stages", {**STAGES, "depth": [2], "time": 2.0}, seed=3)
    assert set(table["status"]) == {"budget"}
    assert table["reached"].isna().all()


@pytest.mark.witness("start_threshold", "smallness", "log_smallness")
def test_the_start_at_depth_two_is_that_of_the_closed_form():
    # Along the flow σ/(σ* − σ) grows as exp(2σ*t) from σ₀/σ*, for every σ* at the same t.
    starts = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3]
    table = measured("start_threshold", {**STARTS, "depth": [2], "start": starts, "step": 0.02}, seed=3)
    for closeness, own in table.groupby("closeness"):
        rho = 1 + 1 / closeness
        goal = ((1 / 9) ** rho / (9 * rho)) ** (1 / (rho - 1))
        np.testing.assert_allclose(own["log_smallness"], -math.log(goal), rtol=0.03)
        np.testing.assert_allclose(np.log(own["smallness"]), own["log_smallness"])


def test_a_threshold_off_the_grid_has_no_value():
    table = measured("start_threshold", {**STARTS, "depth": [2], "start": [1e-2, 1e-1]}, seed=3)
    assert set(table["status"]) == {"budget"}
    assert table["smallness"].isna().all()


def test_the_largest_start_is_interpolated_and_a_lost_run_below_it_leaves_none():
    starts = np.array([1e-4, 1e-3, 1e-2])
    assert start_threshold.largest_start(starts, np.array([0.01, 0.1 / 3, 0.3])) == pytest.approx(10**-2.5)
    assert start_threshold.largest_start(starts, np.array([np.nan, 0.03, 0.3])) is None
    assert start_threshold.largest_start(starts, np.array([0.01, np.nan, 0.3])) is None
    assert start_threshold.largest_start(starts, np.array([0.01, 0.02, 0.03])) is None


@pytest.mark.parametrize(
    ("experiment", "changes", "said"),
    [
        ("depth_stages", {"depth": [1]}, "depth"),
        ("depth_stages", {"eigenvalues": [1.0, 0.9]}, "eigenvalues"),
        ("depth_stages", {"m_over_dr": 0.5}, "m_over_dr"),
        ("depth_start", {"start": [1e-30, 1e-2]}, "start"),
        ("depth_start", {"depth": [7]}, "depth"),
        ("depth_3", {"algorithm_options": {"depth": 1}}, "depth"),
    ],
)
def test_bad_input_is_named_before_the_run(experiment, changes, said):
    problems = option_problems(experiment, **changes)
    assert len(problems) == 1
    assert experiment in problems[0]
    assert said in problems[0]


def test_a_product_of_three_takes_fewer_measurements_than_two_from_the_same_start():
    sizes = {"d": [8], "rank": [1], "spectrum": ["flat"], "ratios": [2.0], "alpha": [1e-1], "targets": 3}
    two = measured("threshold", {**sizes, "algorithm": "factored", "step": [0.25], "time": [100]}, seed=3)
    deep = {"form": "product", "depth": 3, "rule": "relative"}
    options = {**sizes, "algorithm": "deep", "step": [0.3], "time": [200], "algorithm_options": deep}
    three = measured("threshold", options, seed=3)
    assert np.log(three["test_error"]).mean() < np.log(two["test_error"]).mean() - 0.3


def threshold_table(ratio, alphas=(1e-2,), time=500):
    """Return a table of the experiment of thresholds whose errors fall through 0.1 at these multiples of dr, by α."""
    rows = [
        {"d": 10, "rank": 2, "m": 20 * k, "alpha": alpha, "time": time, "target": target, "ensemble": ensemble}
        | {"test_error": 0.1 * (ratio[alpha] / k) ** 2, "status": "budget"}
        for alpha in alphas
        for k in (1, 2, 3, 4)
        for target in range(2)
        for ensemble in range(2)
    ]
    return pd.DataFrame(rows)


def test_depth_thresholds_shows_shares_and_thresholds_over_the_start():
    ratio = {1e-2: 3.0, 1e-6: 1.5}
    tables = {"depth_2": threshold_table(ratio, (1e-2, 1e-6)), "depth_3": threshold_table({1e-2: 2.0}, time=750)}
    left, right = figures.draw("depth_thresholds", tables, claims()).axes
    same(curve(left, "UUᵀ"), pd.Series([0, 0, 0, 1], [1, 2, 3, 4]))
    same(curve(left, "three factors"), pd.Series([0, 0, 1, 1], [1, 2, 3, 4]))
    # Errors just at the tolerance are not below it, and what lies between points of the grid is interpolated.
    for label, expected in (("UUᵀ", {1e-12: 1.5, 1e-4: 3.0}), ("three factors", {1e-4: 2.0})):
        drawn = curve(right, label)
        np.testing.assert_allclose(drawn.index, list(expected))
        np.testing.assert_allclose(drawn, list(expected.values()), rtol=0.03)
    three = curve(right, "three factors").iloc[0]
    for claim, start in (("depth-is-a-smaller-start", 1e-12), ("depth-samples", 1e-4)):
        at = [
            line for line in right.lines if line.get_label().startswith("UUᵀ, margin") and line.get_xdata()[0] == start
        ]
        assert [line.get_ydata()[0] for line in at] == pytest.approx([margin(claim) * three])
    for axes, name in ((left, "depth-samples"), (right, "depth-is-a-smaller-start")):
        own = {key: value for key, value in claims()[name]["estimand"].items() if key != "name"}
        found = race.threshold_ratio(tables, {}, np.random.default_rng(0), **own)
        assert f"takes {rounded(found.value, 3)} times" in axes.get_title()
    bare = figures.draw("depth_thresholds", {**tables, "depth_2": threshold_table(ratio, (1e-2,))}, claims()).axes[1]
    assert "has no runs beside" in bare.get_title()
    # Of matrices of rank 2 at d = 10: 2·10 − 1.
    assert level(right, "degrees of freedom") == 19 / 20


def test_depth_stages_shows_eigenvalues_distances_and_effective_ranks():
    table = crossed(("nearest", "rank_excess"), depth=[2, 3], s=[1, 2], **RUNS).assign(d=10, rank=2, m=200, alpha=1e-2)
    grown = crossed(("eigenvalue",), depth=[2, 3], s=[1, 2], time=[0.0, 1.0, 2.0]).assign(planted=10.0)
    *runs, near, rank = figures.draw("depth_stages", {"depth_stages": table, "depth_course": grown}, claims()).axes
    for axes, depth in zip(runs, (2, 3), strict=True):
        for s in (1, 2):
            same(curve(axes, f"eigenvalue {s} of X"), mean(where(grown, depth=depth, s=s), "time", "eigenvalue"))
    for s in (1, 2):
        same(curve(near, f"s = {s}"), geometric(where(table, s=s), "depth", "nearest"))
        same(curve(rank, f"s = {s}"), mean(where(table, s=s), "depth", "rank_excess"))
    assert level(near, "margin: at depth 3") == margin("stages-at-practical-start")
    assert level(rank, "margin: at depth 3") == margin("depth-effective-rank")


def test_depth_start_shows_the_largest_starts_and_their_powers():
    deep = crossed(("smallness", "log_smallness"), depth=[3, 4], closeness=[1.0, 2.0, 5.0], **RUNS).assign(d=10)
    two = crossed(("smallness", "log_smallness"), seed=1, depth=[2], closeness=[1.0, 2.0, 5.0], **RUNS).assign(d=10)
    left, right = figures.draw("depth_start", {"depth_start": deep, "depth_start_2": two}, claims()).axes
    for depth, table in ((2, two), (3, deep), (4, deep)):
        for axes, column in ((left, "smallness"), (right, "log_smallness")):
            own = geometric(where(table, depth=depth), "closeness", column)
            same(curve(axes, f"{depth} factors: exponent"), own)
            claim = {3: "depth-start-threshold", 4: "depth-start-threshold-4"}.get(depth)
            if claim and axes is left:
                drawn_law(axes, f"margin: {depth} factors", (1.0, own[1.0]), margin(claim))


@pytest.mark.known_answer("ratio_of_increments")
def test_increments_of_an_exponential_double_and_those_of_a_power_do_not():
    table = crossed(("log_smallness",), depth=[2], closeness=[2.0, 4.0, 8.0], **RUNS)
    estimate = estimands.ratio_of_increments
    for law, expected in ((lambda x: 3 * x + 1, 2), (lambda x: 5 * np.log(x) + 1, 1), (lambda x: x**2, 4)):
        frame = table.assign(log_smallness=law(table["closeness"]))
        found = estimate(
            {"t": frame}, {}, np.random.default_rng(0), table="t", value="log_smallness", along="closeness"
        )
        assert (found.value, found.low, found.high) == pytest.approx((expected,) * 3)
    means = [table.loc[table["closeness"] == level, "log_smallness"].mean() for level in (2.0, 4.0, 8.0)]
    found = estimate({"t": table}, {}, np.random.default_rng(0), table="t", value="log_smallness", along="closeness")
    assert found.value == pytest.approx((means[2] - means[1]) / (means[1] - means[0]))
    with pytest.raises(ValueError, match="three values in equal ratios"):
        estimate(
            {"t": table.assign(closeness=table["closeness"] ** 2 + 1)},
            {},
            None,
            table="t",
            value="log_smallness",
            along="closeness",
        )
