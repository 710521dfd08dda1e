"""Every figure, line by line: what it draws is what its tables say, computed here with pandas alone.

Tables are small and made up: every column holds other numbers, so that a wrong column, a wrong exponent or a wrong sign
is seen.
"""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from conftest import registered_claims
from drawn import (
    RUNS,
    crossed,
    curve,
    drawn_law,
    geometric,
    has_band,
    level,
    margin,
    mean,
    power_law,
    same,
    where,
    whiskers,
)
from scipy.stats import chi2

from algoreg.chapters.race.words import EXACT, SAMPLES
from algoreg.claims.matching import compare
from algoreg.claims.published import curves, load_published
from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting import figures
from algoreg.reporting.charts.claims import claims_of

pytestmark = [pytest.mark.replicates(50), pytest.mark.any_kernels]


# Claims judged from a figure whose margin it does not show: of changes from point to point, of another column, of other
# sizes.
UNSEEN = {
    *("fig1-initialisation", "fig2-long-run", "alg1-tau-divergence-time"),
    *("fig1-published-d200", "fig3-published-d200", "fig4-published-d150", "fig4-published-stated-step"),
    *("fig1-published-d200-inside", "fig3-published-d200-inside", "fig4-published-d150-inside"),
    "fig4-few-measurements-d150",
    # Compares two exponents that stand in the legend.
    "bai-lee-degrees",
    # Ratios and exponents of what the race's figures draw.
    *("race-told-the-rank", "race-kappa-factored", "race-kappa-momentum", "race-kappa-thresholding"),
    *("race-kappa-preconditioned", "race-ranks-least-trace", "race-rank-search", "race-width-passes"),
    *("race-noise-rank", "race-noise-width"),
    # Drawn once, with the margin of another claim.
    *("less-damping-costs-more", "xu23-does-not-hurt-at-sigma-r"),
    # The distance of exponents, which the legend has; a correlation, which stands in the title beside its margin.
    *("ss21-any-width", "gap-tells-draws-apart"),
    # Of a width that the figure leaves out.
    "jin23-width-of-the-rank",
}


def drawn_at(figure, text):
    """Return where a figure's lines, bars and bands are, as they are compared; with ``text`` what its legends say."""
    found = [path.vertices for axes in figure.axes for one in axes.collections for path in one.get_paths()]
    found += [line.get_xydata() for axes in figure.axes for line in axes.lines]
    said = [entry.get_text() for axes in figure.axes if axes.get_legend() for entry in axes.get_legend().get_texts()]
    return [vertices.tobytes() for vertices in found], said if text else []


@pytest.fixture(autouse=True)
def every_margin_moves_with_its_claim(monkeypatch, request):
    """Draw a test's figure once more for each claim that is judged from it, with its margin moved: a line moves."""
    draw, shown = figures.draw, request.node.name.removeprefix("test_").partition("_shows")

    def redraw(name, tables):
        figure, claims = draw(name, tables), claims_of(name)
        for claim in claims.keys() - UNSEEN if shown[1] and shown[0] == name else ():
            moved = {**claims[claim], "margin": 1.1 * claims[claim]["margin"] + 0.05 * (claims[claim]["margin"] == 0)}
            other = draw(name, tables, {**claims, claim: moved})
            # A share of points is a number in the legend.
            text = claim.endswith("-inside")
            assert drawn_at(other, text) != drawn_at(figure, text), claim
        return figure

    monkeypatch.setattr(figures, "draw", redraw)


def compared(table, name):
    """Return the comparison of a table with a published curve, as the workflow makes it."""
    return pd.DataFrame(compare(table, load_published(name)))


def published(name, **chosen):
    return where(pd.read_csv(curves()[name][0]), **chosen)


# The paper's Appendix B.

ERRORS = ("train_error", "test_error")


def test_figure_1_shows_test_and_training_errors_over_alpha():
    table = crossed(ERRORS, d=[100], alpha=[1.0, 0.1, 0.01], **RUNS).assign(rank=5, m=2500, iteration=10_000)
    own = crossed(ERRORS, seed=1, d=[100], alpha=[1.0, 0.1], **RUNS)
    tables = {"figure_1": table, "figure_1_paper_step": own, "figure_1_published": compared(table, "figure_1")}
    (axes,) = figures.draw("figure_1", tables).axes
    points = published("figure_1", d=100)
    for error, name in (("test_error", "test error"), ("train_error", "training error")):
        same(curve(axes, f"{name}, ours"), mean(table, "alpha", error))
        has_band(axes, table.groupby("alpha")[error])
        both = points[points["alpha"].isin(table["alpha"])]
        same(curve(axes, f"{name}, published"), both.set_index("alpha")[error])
        near = {"test_error": margin("fig1-published")}.get(error)
        if near:
            low, high = whiskers(axes, f"{name}, published")
            same(low, both.set_index("alpha")[error] / near)
            same(high, both.set_index("alpha")[error] * near)
    same(curve(axes, "test error, ours,\nat the paper's own step"), mean(own, "alpha", "test_error"))


def test_figure_2_shows_both_errors_along_the_run():
    labels = published("figure_2")["alpha_label"].unique()
    seen = sorted(published("figure_2")["iteration"].unique())[:64]
    table = crossed(ERRORS, alpha=list(labels), iteration=seen, **RUNS).assign(d=100, rank=5, m=2500)
    tables = {"figure_2": table, "figure_2_published": compared(table, "figure_2")}
    grid = figures.draw("figure_2", tables).axes
    for axes, alpha in zip(grid, sorted(labels, reverse=True), strict=True):
        for error, name in (("test_error", "test error"), ("train_error", "training error")):
            same(curve(axes, f"{name}, ours"), mean(where(table, alpha=alpha), "iteration", error))
            points = published("figure_2", alpha_label=alpha).drop_duplicates(["iteration", error])
            seen = curve(axes, f"{name}, published")
            assert len(seen) > 5
            expected = set(zip(points["iteration"], points[error], strict=True))
            assert set(seen.items()) <= expected


def test_figure_3_shows_the_test_error_along_the_run():
    table = crossed(ERRORS, d=[100, 150], iteration=[10_000, 20_000], **RUNS).assign(alpha=0.01, rank=5, m=2500)
    there = compared(table, "figure_3")
    (axes,) = figures.draw("figure_3", {"figure_3": table, "figure_3_published": there}).axes
    for d in (100, 150):
        same(curve(axes, f"d = {d}, ours"), mean(where(table, d=d), "iteration", "test_error"))
    points = published("figure_3", d=100).set_index("iteration")["test_error"]
    same(curve(axes, "d = 100, published"), points[points.index.isin(table["iteration"])])
    for end in ("low", "high"):
        interval = there.set_index("iteration")[end]
        assert any(line.get_linestyle() == ":" and np.allclose(line.get_ydata(), interval) for line in axes.lines)
    first = (10_000, mean(where(table, d=100), "iteration", "test_error").iloc[0])
    drawn_law(axes, "margin: falls", first, -margin("fig3-keeps-improving"))


def test_figure_4_shows_both_methods_and_their_thresholds():
    methods = ["projected", "factored"]
    table = crossed(ERRORS, d=[100], m_over_d=[5, 10, 15], method=methods, **RUNS).assign(rank=1, m=500)
    # The error is (c/(m/d))² with c = 3·d/10 or 2: it falls through 0.3 at m/d = c/√0.3, also between the grid's
    # points.
    size = {"projected": lambda d: 0.3 * d, "factored": lambda d: 0 * d + 2.0}
    falls = crossed((), d=[10, 20], m_over_d=[1, 3, 9, 27, 81], method=methods, **RUNS).assign(
        rank=1, m=1, alpha=np.nan
    )
    falls.loc[falls["method"] == "factored", "alpha"] = 1e-4
    for method, constant in size.items():
        here = falls["method"] == method
        falls.loc[here, "test_error"] = (constant(falls["d"][here]) / falls["m_over_d"][here]) ** 2
    # Runs differ, around a geometric mean of 1.
    falls["test_error"] *= np.exp(0.2 * (falls["target"] - 0.5) + 0.1 * (falls["ensemble"] - 1))
    tables = {"figure_4": table, "figure_4_published": compared(table, "figure_4"), "figure_4_thresholds": falls}
    axes, right = figures.draw("figure_4", tables).axes
    for method in methods:
        same(curve(axes, f"{method}, ours"), mean(where(table, method=method), "m_over_d", "test_error"))
        points = published("figure_4", d=100, method=method)
        points = points[points["m_over_d"].isin(table["m_over_d"])].set_index("m_over_d")["test_error"]
        same(curve(axes, f"{method}, published"), points)
    gap = mean(where(table, method="projected"), "m_over_d", "test_error") / 10 ** margin("fig4-few-measurements")
    same(curve(axes, "margin: below projected"), gap)
    # d(d+1)/2 less half of what is normal to the cone at rank 1: 2575 at d = 100.
    assert set(curve(axes, "positivity alone").index) == {25.75}
    same(curve(right, "projected, on X"), pd.Series([3 / 0.3**0.5, 6 / 0.3**0.5], [10, 20]))
    same(curve(right, "factored, on UUᵀ, α = 0.0001"), pd.Series([2 / 0.3**0.5] * 2, [10, 20]))
    drawn_law(right, "margin: exponent over", (10, 2 / 0.3**0.5), margin("fig4-projected"))


def shows_a_run(name, csv):
    times = sorted({*published(csv, series="test_error")["iteration"][:3], *published(csv)["iteration"][-3:]})
    table = crossed(ERRORS, iteration=times, **RUNS).assign(d=100, alpha=1.0, rank=5, m=2500)
    (axes,) = figures.draw(name, {name: table, f"{name}_published": compared(table, csv)}).axes
    for error, label in (("test_error", "test error"), ("train_error", "training error")):
        same(curve(axes, f"{label}, ours"), mean(table, "iteration", error))
        points = published(csv, series=error).drop_duplicates()
        points = points[points["iteration"].isin(times)]
        same(curve(axes, f"{label}, published"), points.set_index("iteration")["value"])
        for target in RUNS["target"]:
            wanted = mean(where(table, target=target), "iteration", error)
            assert any(
                len(line.get_ydata()) == len(times) and np.allclose(line.get_ydata(), wanted) for line in axes.lines
            )


def test_figure_5a_shows_both_errors_along_stochastic_descent():
    shows_a_run("figure_5a", "figure_5a_sgd")


def test_figure_5b_shows_both_errors_along_gradient_descent():
    shows_a_run("figure_5b", "figure_5b_gd")


def test_flow_equivalence_shows_the_change_of_the_test_error_in_percent():
    table = crossed(ERRORS, alpha=[0.1, 0.01], step=[0.01, 0.05, 0.5], iteration=[5, 9], **RUNS)
    table = table.assign(d=10, rank=1, m=50)
    (axes,) = figures.draw("flow_equivalence", {"flow_equivalence": table}).axes
    keys = ["alpha", "target", "ensemble"]
    own = where(table, step=0.01, iteration=9).set_index(keys)["test_error"]
    for alpha in (0.1, 0.01):
        changes = {}
        for step in (0.05, 0.5):
            there = where(table, step=step, iteration=9, alpha=alpha).set_index(keys)["test_error"]
            changes[step] = np.mean([100 * (there[run] - own[run]) / own[run] for run in there.index])
        same(curve(axes, f"α = {alpha:g}"), pd.Series(changes))


@pytest.mark.parametrize("value", [3.3, 7.1, 0.7, 11.3])
def test_equal_runs_are_drawn_without_bars(value):
    # Their mean may differ from all of them in the last digit.
    table = iterating(rule=("inverse_root_rank",), rank=(1, 2), kappa=(1,)).assign(iterations=value)
    (axes,) = figures.draw("iterations_in_r", {"iterations_in_r": table}).axes
    for end in whiskers(axes, "η = 0.1/√r"):
        np.testing.assert_allclose(end, value)
    ratios = crossed((), d=[10, 20], m_over_d=[1, 3, 9, 27, 81], method=["projected"], **RUNS)
    ratios = ratios.assign(rank=1, m=1, alpha=np.nan, test_error=(value / ratios["m_over_d"]) ** 2)
    table = crossed(ERRORS, d=[10], m_over_d=[5, 10], method=["projected", "factored"], **RUNS).assign(rank=1, m=50)
    right = figures.draw("figure_4", {"figure_4": table, "figure_4_thresholds": ratios}).axes[-1]
    for end in whiskers(right, "projected, on X"):
        np.testing.assert_allclose(end, value / 0.3**0.5)


# The paper's remarks.


def test_minibatch_shows_ratios_and_test_errors_over_the_batch():
    axes = {"alpha": [0.01, 1.0], "label_noise": [0, 0.1], "batch": [1, 5], "step_factor": [1, 4], **RUNS}
    sgd = crossed(("train_error", "test_error", "ratio"), **axes).assign(method="sgd")
    own = crossed(("train_error", "test_error"), seed=1, alpha=[0.01, 1.0], label_noise=[0, 0.1], **RUNS)
    table = pd.concat([sgd, own.assign(method="gradient")], ignore_index=True).assign(d=9, rank=1, m=30)
    left, right = figures.draw("minibatch", {"minibatch": table}).axes
    for noise, label in ((0, "no noise, η = b/(2D)"), (0.1, "noise 10%")):
        shown = where(sgd, alpha=0.01, label_noise=noise, step_factor=1)
        same(curve(left, label), mean(shown, "batch", "ratio"))
    bold = where(sgd, alpha=0.01, label_noise=0, step_factor=4)
    same(curve(left, "no noise, η = 4·b/(2D)"), mean(bold, "batch", "ratio"))
    for alpha in (0.01, 1.0):
        for factor, text in ((1, ""), (4, "4·")):
            shown = where(sgd, alpha=alpha, label_noise=0, step_factor=factor)
            same(curve(right, f"SGD from α = {alpha:g}, η = {text}b/(2D)"), mean(shown, "batch", "test_error"))
        assert level(right, f"gradient descent from α = {alpha:g}") == pytest.approx(
            where(own, alpha=alpha, label_noise=0)["test_error"].mean()
        )


def test_x_space_shows_every_run_and_the_law_of_the_projection():
    table = crossed(("train_error", "test_error"), m_over_dimension=[0.1, 0.5, 0.9], **RUNS).assign(d=9, rank=1)
    (axes,) = figures.draw("x_space", {"x_space": table}).axes
    for error, label in (("test_error", "test error"), ("train_error", "training error")):
        drawn = curve(axes, f"{label}, each run")
        assert sorted(drawn.items()) == sorted(zip(table["m_over_dimension"], table[error], strict=True))
    law = curve(axes, "√(1 − m/D)")
    np.testing.assert_allclose(law**2 + law.index, 1)
    # One is of X, the other of the labels.
    assert axes.get_ylabel() == "relative error at the run's end"


def test_min_trace_shows_distances_to_the_target_and_to_the_least_nuclear_norm():
    distances = ("distance_to_target", "distance_to_min_trace")
    descent = crossed(distances, m_over_dr=[1.4, 2.6], alpha=[1.0, 0.1, 0.01], **RUNS).assign(method="descent")
    solved = crossed(distances, seed=1, m_over_dr=[1.4, 2.6], method=["clarabel", "scs"], **RUNS)
    table = pd.concat([descent, solved], ignore_index=True).assign(d=9, rank=1, m=30)
    diagonal = crossed(distances, seed=2, alpha=[1.0, 0.1], **RUNS).assign(
        method="descent", m_over_dr=1, d=9, rank=1, m=30
    )
    few, many, commuting = figures.draw("min_trace", {"min_trace": table, "min_trace_commuting": diagonal}).axes
    panels = ((few, where(descent, m_over_dr=1.4)), (many, where(descent, m_over_dr=2.6)), (commuting, diagonal))
    for axes, shown in panels:
        same(curve(axes, "to X*"), geometric(shown, "alpha", "distance_to_target"))
        same(curve(axes, "to the least nuclear norm"), geometric(shown, "alpha", "distance_to_min_trace"))
    (found,) = figures.draw("min_trace_found", {"min_trace": table}).axes
    for label, shown, shift in (
        ("descent from α = 0.01", where(descent, alpha=0.01), 1.012),
        ("least nuclear norm", where(solved, method="clarabel"), 1 / 1.012),
    ):
        expected = zip(shift * shown["m_over_dr"], shown["distance_to_target"], strict=True)
        np.testing.assert_allclose(sorted(curve(found, label).items()), sorted(expected))


# Sample complexity.


def recovering(along, threshold):
    """Return a sweep whose errors fall through 0.1 exactly at these thresholds: error = 0.1·(m*/m)⁴ around them."""
    other = {"rank": {"d": [30], "rank": [1, 2, 4]}, "d": {"d": [10, 20, 40], "rank": [2]}}[along]
    counts = [round(20 * 1.5**k) for k in range(9)]
    table = crossed((), **other, spectrum=["flat"], m=counts, target=[0, 1, 2], ensemble=[0, 1, 2])
    table = table.assign(alpha=1e-3, step=0.1, time=30.0, elapsed=30.0)
    # Runs differ by some percent, each by its own.
    factor = 1 + 0.02 * (table["target"] - 1) + 0.05 * (table["ensemble"] - 1)
    goal = table[along].map(threshold) * factor
    return table.assign(test_error=0.1 * (goal / table["m"]) ** 4)


def shows_a_sweep(name, along, laws):
    sizes = {"rank": [1, 2, 4], "d": [10, 20, 40]}[along]
    thresholds = dict(zip(sizes, (60, 110, 230), strict=True))
    table = recovering(along, thresholds)
    axes = figures.draw(name, {name: table}).axes[0]
    (exponents,) = figures.draw(name.replace("samples", "exponents"), {name: table}).axes
    # The middle of nine runs is the one without a change.
    same(curve(axes, "threshold m*"), pd.Series(thresholds))
    low, high = (pd.Series({size: by * m for size, m in thresholds.items()}) for by in (0.93, 1.07))
    borders = [line for line in axes.lines if line.get_color() == "white"]
    for border, expected in zip(borders, (low, high), strict=True):
        same(pd.Series(border.get_ydata(), border.get_xdata()), expected)
    for label, ratio in laws.items():
        drawn = curve(axes, f"{label}, through the first")
        x = drawn.index.to_numpy()
        np.testing.assert_allclose(drawn, 60 * ratio(x) / ratio(sizes[0]))
    # r columns of length d, less what turning them into one another leaves unchanged.
    d, rank = (np.array(sizes), 2) if along == "d" else (30, np.array(sizes))
    freedom = curve(axes, "degrees of freedom")
    np.testing.assert_allclose(freedom, sum((d - k) * (k < rank) for k in range(4)))
    for mesh, size in zip(axes.collections[: len(sizes)], sizes, strict=True):
        medians = where(table, **{along: size}).groupby("m")["test_error"].median()
        np.testing.assert_allclose(np.ravel(mesh.get_array()), medians)
    slope = np.polyfit(np.log(sizes), np.log(list(thresholds.values())), 1)[0]
    (judged,) = [bar for bar in exponents.containers if bar.lines[0].get_ydata()[0] == pytest.approx(-0.14)]
    assert judged.lines[0].get_xdata()[0] == pytest.approx(slope)


def test_samples_r_shows_thresholds_and_laws_in_the_rank():
    shows_a_sweep("samples_r", "rank", {"∝ dr": lambda r: r, "∝ dr²": lambda r: r**2})


def test_samples_d_shows_thresholds_and_laws_in_the_dimension():
    shows_a_sweep("samples_d", "d", {"∝ d": lambda d: d, "∝ d·log d": lambda d: d * np.log(d)})


def test_the_law_of_recovery_shows_both_sweeps_over_their_product():
    ranks, sizes = {1: 60, 2: 110, 4: 230}, {10: 40, 20: 84, 40: 170}
    tables = {"samples_r": recovering("rank", ranks), "samples_d": recovering("d", sizes)}
    (axes,) = figures.draw("recovery_law", tables).axes
    along_d, along_r, law, allowed = axes.lines
    np.testing.assert_allclose(along_d.get_xydata(), [[2 * d, m] for d, m in sizes.items()])
    np.testing.assert_allclose(along_r.get_xydata(), [[30 * rank, m] for rank, m in ranks.items()])
    # Through the first threshold along r: the law over all that was measured, the theorem's along r.
    np.testing.assert_allclose(law.get_xydata(), [[20, 40], [120, 240]])
    np.testing.assert_allclose(allowed.get_xydata(), [[30 * rank, 60 * rank**2] for rank in ranks])
    slopes = [np.polyfit(np.log(list(one)), np.log(list(one.values())), 1)[0] for one in (sizes, ranks)]
    powers = " and ".join(f"{letter}^{slope:.2f}" for letter, slope in zip("dr", slopes, strict=True))
    assert axes.get_title().startswith(f"measurements needed: {powers}")


# Theorem 1.1.

BOUNDS = {"delta_low": 0.3, "delta_up": np.nan, "least_constant": 7.0}


def iterating(seed=0, rule=("constant",), rank=(2,), kappa=(1.5,), alpha=(1e-3,)):
    axes = {"rule": rule, "rank": rank, "kappa": kappa, "alpha": alpha}
    table = crossed(("iterations",), seed, **axes, **RUNS).assign(d=20, m=80, **BOUNDS)
    # A step of each rule, rank and κ.
    steps = table["rule"].map({name: 0.1 + 0.07 * place for place, name in enumerate(rule)})
    return table.assign(log_d_over_alpha=np.log(20 / table["alpha"]), step=steps / table["rank"] / table["kappa"])


def test_iterations_in_r_shows_the_iterations_and_the_root_of_the_rank():
    rules = ("inverse_rank", "inverse_root_rank", "constant", "largest")
    table = iterating(rule=rules, rank=(1, 2, 5))
    (axes,) = figures.draw("iterations_in_r", {"iterations_in_r": table}).axes
    step = where(table, rule="inverse_root_rank", rank=1)["step"].iloc[0]
    labels = (f"η = {step:g}/r", f"η = {step:g}/√r", f"η = {step:g}:", "η = 0.9 × the largest")
    for rule, label in zip(rules, labels, strict=True):
        shown = where(table, rule=rule)
        means = geometric(shown, "rank", "iterations")
        same(curve(axes, label), means)
        low, high = whiskers(axes, label)
        groups = shown.groupby("rank")["iterations"]
        same(low, groups.min())
        same(high, groups.max())
    first = (1, geometric(where(table, rule="inverse_root_rank"), "rank", "iterations")[1])
    steps = where(table, rule="inverse_root_rank").groupby("rank")["step"].first()
    law = curve(axes, "the theorem's κ/η")
    # Between the sizes the step is interpolated.
    at = pd.Series(np.exp(np.interp(np.log(steps.index), np.log(law.index), np.log(law))), steps.index)
    np.testing.assert_allclose(at, first[1] * steps.iloc[0] / steps, rtol=1e-3)
    drawn_law(axes, "margin: exponent", first, margin("thm11-iterations-in-r"))


def test_iterations_in_alpha_shows_iterations_over_the_theorems_bound():
    alphas = (1e-2, 1e-4, 1e-8)
    table = iterating(alpha=alphas, rule=("constant", "inverse_log"))
    certified = iterating(seed=1, alpha=alphas).assign(delta_up=0.01)
    tables = {"iterations_in_alpha": table, "iterations_in_alpha_certified": certified}
    # Numbers of their own: the experiment computes the ratio, the figure shows it.
    for shown in tables.values():
        shown["over_bound"] = np.random.default_rng(len(shown)).uniform(0.1, 1, len(shown))
    left, right = figures.draw("iterations_in_alpha", tables).axes
    for axes, shown in ((left, table), (right, certified)):
        means = geometric(where(shown, rule="constant"), "log_d_over_alpha", "over_bound")
        same(curve(axes, "η = c = "), means)
        # The largest α has the smallest logarithm, and comes first.
        assert level(axes, "margin") == pytest.approx(margin("thm11-iterations-in-alpha") * means.iloc[0])
    control = where(table, rule="inverse_log")
    same(curve(left, "control"), geometric(control, "log_d_over_alpha", "over_bound"))


def test_iterations_in_kappa_shows_times_at_a_fixed_step_and_iterations_at_falling_ones():
    kappas = (1, 2, 4)
    fixed, certified = iterating(kappa=kappas), iterating(seed=1, kappa=kappas).assign(delta_up=0.01)
    falling = iterating(seed=2, kappa=kappas, rule=("inverse_kappa", "inverse_kappa_cubed"))
    tables = {"iterations_in_kappa": fixed, "iterations_in_kappa_certified": certified}
    left, right = figures.draw("iterations_in_kappa", {**tables, "iterations_in_kappa_small_step": falling}).axes
    for table, label in ((fixed, "d = 20"), (certified, "certified, d = 20")):
        means = geometric(table.assign(time=table["iterations"] * table["step"]), "kappa", "time")
        same(curve(left, label), means)
        if table is fixed:
            drawn_law(left, "margin: exponent", (1, means[1]), margin("thm11-iterations-in-kappa"))
        else:
            certain = margin("thm11-iterations-in-kappa-certified")
            drawn_law(left, "margin: certified, exponent", (1, means[1]), certain)
    # The steps are in proportion to 1/κ here: κ/η grows like κ², for both rules.
    for rule, label in (("inverse_kappa", "/κ (control)"), ("inverse_kappa_cubed", "/κ³")):
        means = geometric(where(falling, rule=rule), "kappa", "iterations")
        step = where(falling, kappa=1)["step"].max()
        same(curve(right, f"η = {step:g}{label}"), means)
        drawn_law(
            right,
            f"the theorem's κ/η, η = {step:g}{label.split(' ')[0]}".removesuffix("³") + ("³" if "³" in label else ""),
            (1, means[1]),
            2,
        )


def test_error_at_time_shows_squared_errors_and_the_theorems_bound():
    axes = {"kappa": [1.5, 3], "alpha": [1e-3, 1e-4, 1e-6], "m_over_dr": [2, 8], "time": [1, 4]}
    table = crossed(("squared_error", "over_bound"), **axes, **RUNS).assign(d=25, rank=2, m=400, **BOUNDS)
    table["in_window"] = (table["alpha"] < 1e-3).astype(int)
    certified = where(crossed(("squared_error", "over_bound"), 1, **axes, **RUNS), m_over_dr=8)
    certified = certified.assign(d=25, rank=2, m=400, in_window=1, **{**BOUNDS, "delta_up": 0.01})
    left, right = figures.draw("error_at_time", {"error_at_time": table, "error_at_time_certified": certified}).axes
    for panel, shown in ((left, where(table, time=4, m_over_dr=8)), (right, where(certified, time=4))):
        bounds = [line for line in panel.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
        for kappa, bound in zip((1.5, 3), bounds, strict=True):
            means = geometric(where(shown, kappa=kappa), "alpha", "squared_error")
            same(curve(panel, f"κ = {kappa:g}"), means)
            # α√d/κ² at d = 25.
            ends = np.array([1e-6, 1e-3])
            same(pd.Series(bound.get_ydata(), bound.get_xdata()), pd.Series(ends * 5 / kappa**2, ends))
    grid = figures.draw("error_by_measurements", {"error_at_time": table}).axes
    for (axes, time), per in itertools.product(zip(grid, (1, 4), strict=True), (2, 8)):
        means = geometric(where(table, m_over_dr=per, time=time, kappa=1.5), "alpha", "squared_error")
        same(curve(axes, f"m = {per}dr"), means)
        slope = np.polyfit(np.log(means.index), np.log(means), 1)[0]
        written = [text.get_text() for text in axes.texts]
        assert any(text.startswith(f"m = {per}dr: α^{slope:.2f}".replace("-", "−")) for text in written), written


def test_window_shows_the_test_error_and_the_windows_ends():
    table = crossed(("test_error", "smallest_error"), noise=[0, 0.1], iteration=[10, 100, 1000], **RUNS)
    d, kappa, alpha, step = 20, 2.0, 1e-4, 0.1
    table = table.assign(d=d, rank=2, kappa=kappa, alpha=alpha, step=step, m=80)
    (axes,) = figures.draw("window", {"window": table}).axes
    for noise, label in ((0, "no noise"), (0.1, "noise 0.1")):
        shown = where(table, noise=noise)
        same(curve(axes, label), mean(shown, "iteration", "test_error"))
        end = where(shown, iteration=1000)
        ratio = (end["test_error"] / end["smallest_error"]).mean()
        assert any(line.get_label().endswith(f"{ratio:.3f}") for line in axes.lines)
    upright = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(upright, [kappa * np.log(d / alpha) / step, 1 / step / np.sqrt(d * kappa * alpha)])
    assert level(axes, "margin") == pytest.approx(1e-3 * margin("thm11-no-early-stopping"))


def test_starts_shows_test_errors_and_changes_of_every_start():
    names = {"identity": "αI", "orthonormal": "αQ", "gaussian": "αG", "low_rank": "α × the first r − 1"}
    table = crossed(("test_error", "change"), start=list(names), iteration=[1, 10, 100], **RUNS)
    table = table.assign(d=20, rank=2, kappa=2.0, alpha=1e-4, step=0.1, m=80)
    left, right = figures.draw("starts", {"starts": table}).axes
    for start, label in names.items():
        shown = where(table, start=start)
        same(curve(left, label), mean(shown, "iteration", "test_error"))
        has_band(left, shown.groupby("iteration")["test_error"])
        if start != "identity":
            same(curve(right, label), mean(shown, "iteration", "change"))
    assert level(right, "margin") == margin("thm11-any-orthonormal-start")


# The proofs.

CONSTANTS = ("delta_plus", "delta_minus", "delta_low", "delta_up", "certificate", "upper_root", "lower_root")


def test_rip_shows_the_bracket_and_the_roots_with_slope_one_half():
    star = [(20, 2, 500), (40, 2, 500), (20, 4, 500), (20, 2, 1000), (20, 2, 2000)]
    table = crossed(CONSTANTS, attack=["adversarial", "random"], point=star, ensemble=[0, 1, 2])
    table[["d", "rank", "m"]] = table.pop("point").tolist()
    table["regime"] = "large"
    left, over_d, over_rank = figures.draw("rip", {"rip": table}).axes
    base = where(table, d=20, rank=2)
    hard, soft = where(base, attack="adversarial"), where(base, attack="random")
    same(curve(left, "attack (lower bound)"), mean(hard, "m", "delta_low"))
    same(curve(left, "Gaussian width"), mean(hard, "m", "delta_up"))
    same(curve(left, "certificate"), mean(hard, "m", "certificate"))
    same(curve(left, "256 random matrices"), mean(soft, "m", "delta_low"))
    for axes, axis, still in ((over_d, "d", {"rank": 2}), (over_rank, "rank", {"d": 20})):
        for attack in ("adversarial", "random"):
            shown = where(table, attack=attack, m=500, **still)
            for root, label in (("upper_root", "√(1+δ₊) − 1"), ("lower_root", "1 − √(1−δ₋)")):
                same(curve(axes, f"{label}, {attack}"), geometric(shown, axis, root))
                low, high = whiskers(axes, f"{label}, {attack}")
                same(low, shown.groupby(axis)[root].min())
                same(high, shown.groupby(axis)[root].max())
        means = geometric(where(table, attack="adversarial", m=500, **still), axis, "upper_root")
        first = (means.index[0], means.iloc[0])
        drawn_law(axes, "exponent 0.5", first, 0.5)
        drawn_law(axes, "margin: within", first, 0.5 - margin("rip-gaussian"))


def shifted(series, by):
    return series.set_axis(np.asarray(series.index, float) * by)


def test_isometry_lemmas_shows_ratios_to_the_constants_of_both_ranks():
    ratios = ("over_low", "over_up", "over_printed_low", "over_printed_up")
    lemmas = ["inner_products", "operator"]
    table = crossed(ratios, lemma=lemmas, trace_weight=[0.0, 0.5], rank=[1, 2], m=[100, 1000], ensemble=[0, 1, 2])
    grid = figures.draw("isometry_lemmas", {"isometry_lemmas": table}).axes
    for axes, below, lemma in zip(grid[:2], grid[2:], lemmas, strict=True):
        for rank, shift in ((1, 0.8), (2, 1.0)):
            plain = where(table, lemma=lemma, trace_weight=0, rank=rank)
            order = {"inner_products": "2r", "operator": "r+1"}[lemma]
            label = f"r = {rank}, δ of rank {order}"
            same(curve(axes, label), shifted(mean(plain, "m", "over_low"), shift))
            low, _ = whiskers(axes, label)
            lower = np.minimum(mean(plain, "m", "over_up"), mean(plain, "m", "over_low"))
            same(low, shifted(lower, shift))
            printed = curve(axes, f"r = {rank}, δ of rank {rank} as printed")
            same(printed, shifted(mean(plain, "m", "over_printed_low"), shift))
        traced = where(table, lemma=lemma, trace_weight=0.5, rank=1)
        for value, text, shift in (
            ("over_printed_low", "δ of rank 1 as printed", 0.8),
            ("over_low", "δ of rank 2", 1.25),
        ):
            same(curve(below, f"r = 1, {text}"), shifted(mean(traced, "m", value), shift))
        assert level(axes, "margin: needed over had") == 1


def test_rank_one_dynamics_shows_what_each_inequality_needs():
    needs = {
        "error_square": ("Prop. 3.2, line 1", 0.7),
        "error_norm": ("Prop. 3.2, line 2", 0.9),
        "signal": ("Prop. 3.3", 1.12),
        "stage_one_error": ("stage 1", 1.4),
    }
    splits = {"split": ["planted", "random"], "start": ["scaled", "one"]}
    table = crossed(
        ("over_low", "over_up"), inequality=[*needs, "final_error"], **splits, m=[100, 1000, 10_000], **RUNS
    )
    table["regime"] = np.where(table["m"] == 100, "practical", "certified")
    *panels, right = figures.draw("rank_one_dynamics", {"rank_one_dynamics": table}).axes
    for axes, split in zip(panels, ("planted", "random"), strict=True):
        for name, (label, shift) in needs.items():
            shown = where(table, inequality=name, split=split, start="scaled")
            same(curve(axes, label), shifted(mean(shown, "m", "over_low"), shift))
        assert level(axes, "margin: needed over had") == 1
    for start, label in (("scaled", "α = δ√(log(1/δ)/d)"), ("one", "control: α = 1")):
        shown = where(table, inequality="final_error", start=start)
        same(curve(right, label), mean(shown, "m", "over_low"))


def along_rank_r():
    values = ("angle_constant", "angle_plain", "error_growth", "dominance", "least_rate_over_bound")
    axes = {"split": ["planted", "random"], "kappa": [1.0, 4.0], "alpha": [1e-2, 1e-4], "m": [10**4, 10**6], **RUNS}
    table = crossed(values, **axes).assign(regime="certified")
    return table.assign(m_over_dr=table["m"] / 40, log_start=np.log(20 / table["alpha"]))


def test_rank_r_dynamics_shows_growth_dominance_and_rates_by_condition_number():
    table = along_rank_r()
    grid = np.reshape(figures.draw("rank_r_dynamics", {"rank_r_dynamics": table}).axes, (3, 2))
    for row, value, bound in zip(grid, ("error_growth", "dominance", judged_rate()), (4, 1, 1), strict=True):
        ends = []
        for (axes, kappa), alpha in itertools.product(zip(row, (1.0, 4.0), strict=True), (1e-2, 1e-4)):
            means = mean(where(table, split="planted", kappa=kappa, alpha=alpha), "m_over_dr", value)
            same(curve(axes, "α = " + {1e-2: "0.01", 1e-4: "10⁻⁴"}[alpha]), means)
            assert level(axes, "margin") == bound
            ends.append(means.iloc[-1])
        for axes, there in zip(row, (ends[:2], ends[2:]), strict=True):
            extreme = max(there) if value == "error_growth" else min(there)
            said = [float(number) for number in re.findall(r"\d+\.\d+", axes.get_title())]
            assert said == [pytest.approx(extreme, rel=1e-2)]


def test_rank_r_angle_shows_the_constant_as_printed_and_as_the_proof_has_it():
    table = along_rank_r()
    printed, repaired = figures.draw("rank_r_angle", {"rank_r_dynamics": table}).axes
    planted = where(table, split="planted")
    for (axes, value), kappa, m in itertools.product(
        ((printed, "angle_constant"), (repaired, "angle_plain")), (1.0, 4.0), (10**4, 10**6)
    ):
        label = f"κ = {kappa:g}, m = " + {10**4: "10000", 10**6: "10⁶"}[m]
        same(curve(axes, label), geometric(where(planted, kappa=kappa, m=m), "log_start", value))
        assert [text.get_text() for text in axes.texts].count(f"κ = {kappa:g}") == 1
    means = geometric(where(planted, kappa=1.0, m=10**6), "log_start", "angle_constant")
    first = (means.index[0], means.iloc[0])
    drawn_law(printed, "∝ log(d/α)", first, 1)
    drawn_law(printed, "margin: exponent", first, margin("thm42-angle"))
    assert level(repaired, "margin") == margin("thm42-angle-repaired")


def judged_rate():
    """Return the column that the claim about Proposition 4.3 judges: the figure is of that."""
    registry = registered_claims()
    (value,) = {
        entry["estimand"]["value"]
        for entry in registry
        if entry["figure"] == "rank_r_dynamics" and entry["id"].startswith("prop43")
    }
    return value


def test_dynamics_figures_show_signal_error_angle_and_their_bounds():
    sigmas = [f"sigma_{k}" for k in range(1, 8)]
    values = ("test_error", "signal", "error", "sine", *sigmas)
    table = crossed(values, rank=[2], m_over_dr=[2.0, 500.0], iteration=[0, 10, 20, 60], target=[0, 1], ensemble=[0, 1])
    d, kappa, alpha, step = 20, 4.0, 0.1, 0.5
    table = table.assign(
        d=d, m=80, kappa=kappa, alpha=alpha, step=step, delta_low=0.01 * table["m_over_dr"], delta_up=9
    )
    drawn = [
        figures.draw(f"dynamics_{name}", {"dynamics_course": table}).axes for name in ("course", "signal", "angle")
    ]
    values, both, (angle,) = drawn
    shown = where(table, target=0, ensemble=0)
    time = np.array([0, 5, 10, 30])
    for axes, beside, ratio in zip(values, both, (2, 500), strict=True):
        run = where(shown, m_over_dr=ratio)
        lines = [line.get_ydata() for line in axes.lines]
        for line, sigma in zip(lines, sigmas, strict=False):
            np.testing.assert_allclose(line, run[sigma])
        # √ of the eigenvalues 1 and 1/4.
        assert [line[0] for line in lines[7:]] == pytest.approx([1, 0.5])
        for value, label in (("signal", "signal σ_min(U*ᵀZ)"), ("error", "error ‖E‖")):
            same(curve(beside, label), pd.Series(run[value].to_numpy(), time))
        later = run[run["iteration"] > 0]
        same(curve(angle, f"sin∠(S_t, U*), m = {ratio}·dr"), pd.Series(later["sine"].to_numpy(), time[1:]))
    # (1 + η/8κ)^t α, at most 1/(2√κ) = 1/4.
    grown = np.minimum(0.1 * (1 + 0.5 / 32) ** np.array([0, 10, 20, 60]), 0.25)
    for axes in both:
        same(curve(axes, "at least, by Theorem 4.2"), pd.Series(grown, time))
        assert level(axes, "at most, by Theorem 4.2") == pytest.approx(0.4)
        assert set(curve(axes, "T₁ = κ log(d/α)/η").index) == {4 * np.log(20 / 0.1)}
    dotted = [line.get_ydata()[0] for line in angle.lines if line.get_linestyle() == ":" and len(line.get_ydata())]
    np.testing.assert_allclose(dotted, [2**0.5 * 0.02, 2**0.5 * 5.0])


# Quadratic networks.


def network(values=("test_error", "generalisation_error", "parameter_error"), seed=0, **axes):
    runs = {
        "variant": ["algorithm-1"],
        "m": [40],
        "tau_error": [0.0],
        "width": [10],
        "iteration": [100],
        "alpha": [1e-3],
    }
    return crossed(values, seed, **{**runs, **axes}, **RUNS).assign(d=10, rank=2)


def test_quadratic_recovery_shows_generalisation_errors_and_the_theorems_bound():
    names = {
        "algorithm-1": "Algorithm 1",
        "plain": "plain gradient descent",
        "wrong-sign": "rescaling of the wrong sign",
    }
    table = network(variant=list(names), alpha=[1e-1, 1e-2, 1e-3])
    # The window of T is empty from α = 0.1 on.
    table = table.assign(bound=10 * 1.5 * table["alpha"], window=0.05 / table["alpha"])
    (axes,) = figures.draw("quadratic_recovery", {"quadratic_recovery": table}).axes
    for variant, label in names.items():
        shown = where(table, variant=variant)
        same(curve(axes, label), geometric(shown, "alpha", "generalisation_error"))
        if variant in ("algorithm-1", "plain"):
            has_band(axes, shown.groupby("alpha")["generalisation_error"])
    same(curve(axes, "dκα"), power_law([1e-1, 1e-2, 1e-3], (1, 15), 1))


def falling(along, sizes, thresholds):
    """Return errors 0.3·(m*/m)² of two variants, which fall through 0.3 at m* and through 0.1 at √3·m*."""
    counts = [round(10 * 1.6**k) for k in range(12)]
    table = crossed((), **sizes, variant=list(thresholds), m=counts, **RUNS)
    goal = [thresholds[row.variant] * getattr(row, along) for row in table.itertuples()]
    return table.assign(test_error=0.3 * (np.array(goal) / table["m"]) ** 2)


def test_quadratic_samples_in_d_shows_thresholds_in_d_and_in_the_rank():
    thresholds = {"algorithm-1": 4.0, "plain": 7.0}
    tables = {
        "quadratic_samples_in_d": falling("d", {"d": [10, 20, 40], "rank": [1]}, thresholds),
        "quadratic_samples_in_r": falling("rank", {"d": [30], "rank": [5, 10]}, thresholds),
    }
    left, right = figures.draw("quadratic_samples_in_d", tables).axes
    for axes, sizes in ((left, [10, 20, 40]), (right, [5, 10])):
        for variant, label in (("algorithm-1", "Algorithm 1, exact τ, R = 10τ"), ("plain", "plain gradient descent")):
            for tolerance, by in ((0.3, 1), (0.1, 3**0.5)):
                expected = pd.Series([by * thresholds[variant] * size for size in sizes], sizes)
                same(curve(axes, f"{label}, to {tolerance:g}: exponent 1.00"), expected)
    same(curve(left, "d(d+1)/2"), pd.Series([55, 210, 820], [10, 20, 40]))


def test_lemma_printed_shows_deviations_and_their_means():
    values, truncations = ("deviation", "ratio"), ["printed", "proof", "none"]
    kinds = {"truncation": truncations, "direction": ["fixed", "adversarial"], "ensemble": [0, 1, 2]}
    table = crossed(values, d=[10], m=[50, 100], delta=[0.1, 0.01], **kinds).assign(level=9.0)
    in_d = crossed(values, 1, d=[10, 20, 40], m=[100], delta=[0.01], **kinds).assign(level=9.0)
    in_m = crossed(values, 2, d=[10], m=[100, 400], delta=[0.01], **kinds).assign(level=9.0)
    tables = {"lemma_printed": table, "lemma_in_d": in_d, "lemma_in_m": in_m}
    axes, *others = figures.draw("lemma_printed", tables).axes
    for truncation, label, power in (
        ("printed", "R = log(1/δ), as printed", 1),
        ("proof", "R = log²(1/δ), as in its proof", 2),
    ):
        law = curve(axes, f"{label}: mean")
        deltas = law.index.to_numpy()
        # 3·P(χ²₅ > R): what truncation takes from E g⁴ = 3.
        np.testing.assert_allclose(law, 3 * chi2.sf(np.log(1 / deltas) ** power, 5) / deltas, rtol=1e-6)
        shown = where(table, truncation=truncation, direction="fixed", m=100)
        bar = f"a sum of m = 100, {label.split(',')[0]}"
        same(curve(axes, bar), mean(shown, "delta", "ratio"))
        low, high = whiskers(axes, bar)
        same(low, shown.groupby("delta")["ratio"].min())
        same(high, shown.groupby("delta")["ratio"].max())
    for panel, frame, along in zip(others, (in_d, in_m), ("d", "m"), strict=True):
        for truncation, text in (("proof", "truncated"), ("none", "whole sum")):
            for direction, kind in (("fixed", "fixed direction"), ("adversarial", "adversarial directions")):
                shown = where(frame, truncation=truncation, direction=direction)
                same(curve(panel, f"{text}, {kind}"), geometric(shown, along, "deviation"))


def test_quadratic_ablation_shows_the_test_error_along_runs_and_the_slope_that_is_asked_for():
    left_names = {
        "no-rescaling": "no rescaling",
        "wrong-sign": "rescaling of the wrong sign",
        "coefficient-4": "coefficient 4",
    }
    right_names = {"no-truncation": "no truncation", "level-4": "R = 4τ"}
    both = {"algorithm-1": "Algorithm 1"}
    table = network(variant=[*both, *left_names, *right_names], iteration=[10, 100, 1000])
    left, right = figures.draw("quadratic_ablation", {"quadratic_ablation": table}).axes
    for axes, names in ((left, {**both, **left_names}), (right, {**both, **right_names})):
        for variant, label in names.items():
            same(curve(axes, label), geometric(where(table, variant=variant), "iteration", "test_error"))
    for axes in (left, right):
        law = curve(axes, "margin: slope from 0.01 to 0.001")
        assert law.tolist() == [0.01, 0.001]
        assert np.diff(np.log(law))[0] / np.diff(np.log(law.index))[0] == pytest.approx(margin("alg1-rescaling"))


def test_quadratic_tau_shows_what_errors_of_both_signs_leave():
    table = network(tau_error=[-0.1, -0.01, 0.0, 0.01, 0.1], iteration=[10, 100])
    mean_label = network(seed=1, variant=["algorithm-1", "mean-label"], m=[40, 80])
    tables = {"quadratic_tau": table, "quadratic_mean_label": mean_label}
    left, right = figures.draw("quadratic_tau", tables).axes
    sized = table.assign(size=table["tau_error"].abs())
    over = sized[(sized["tau_error"] > 0) & (sized["iteration"] == 100)]
    same(curve(left, "τ too large, at the end"), geometric(over, "size", "test_error"))
    under = sized[sized["tau_error"] < 0].groupby(["size", "target", "ensemble"])["test_error"].min().reset_index()
    same(curve(left, "τ too small, lowest"), geometric(under, "size", "test_error"))
    exact = where(table, tau_error=0.0, iteration=100)["test_error"]
    assert level(left, "exact τ") == pytest.approx(np.exp(np.log(exact).mean()))
    # ετ/2 in each direction of X*, which has eigenvalues 1: ετ/2 of ‖X*‖, and τ = 2.
    means = geometric(over, "size", "test_error")
    drawn_law(left, "margin: exponent", (0.01, means.iloc[0]), margin("alg1-robust-to-tau-for-ever"))
    same(curve(left, "in the population limit"), power_law([0.01, 0.1], (1, 1), 1))
    for variant, label in (("algorithm-1", "Algorithm 1"), ("mean-label", "τ from the mean label")):
        same(curve(right, label), geometric(where(mean_label, variant=variant), "m", "test_error"))


def test_quadratic_initialisation_shows_test_errors_over_alpha_and_over_m():
    names = {"algorithm-1": "Algorithm 1", "no-truncation": "no truncation", "plain": "plain gradient descent"}
    table = network(variant=list(names), alpha=[1e-3, 1e-1, 1.0])
    methods = {"projected": "projected descent from 0", "factored": "plain descent from α = 1"}
    cone = crossed(ERRORS, 1, measurements=["rank-one", "gaussian"], method=list(methods), m=[20, 40], **RUNS)
    cone = cone.assign(d=10, rank=1, alpha=np.where(cone["method"] == "factored", 1.0, np.nan), psd_dimension=32.5)
    tables = {"quadratic_initialisation": table, "quadratic_cone": cone}
    left, right = figures.draw("quadratic_initialisation", tables).axes
    for variant, label in names.items():
        same(curve(left, label), geometric(where(table, variant=variant), "alpha", "test_error"))
    for measurements, text in (("rank-one", "xxᵀ"), ("gaussian", "Gaussian")):
        for method, label in methods.items():
            means = geometric(where(cone, measurements=measurements, method=method), "m", "test_error")
            same(curve(right, f"{label}, {text}"), shifted(means, 1 / 10))
    assert set(curve(right, "positivity alone").index) == {3.25}


def test_quadratic_width_shows_test_errors_over_the_width():
    table = network(variant=["algorithm-1", "plain"], width=[2, 10, 20], m=[40, 80])
    for axes, m in zip(figures.draw("quadratic_width", {"quadratic_width": table}).axes, (40, 80), strict=True):
        for variant, label in (("algorithm-1", "Algorithm 1"), ("plain", "plain gradient descent")):
            shown = where(table, variant=variant, m=m)
            same(curve(axes, label), geometric(shown, "width", "test_error"))
            has_band(axes, shown.groupby("width")["test_error"])


# The race.


def test_race_shows_the_median_passes_to_every_tolerance_and_names_each_curve_at_its_end():
    methods = ["search", "momentum_r", "scaled_r"]
    table = crossed(("passes",), method=methods, kappa=[1, 10], tolerance=[0.1, 1e-2], **RUNS)
    table = table.assign(told="rank", d=20, rank=2, m=200, smallest_error=1e-3, budget=50)
    lost = (table["method"] == "scaled_r") & (table["tolerance"] == 1e-2)
    table.loc[lost, "passes"] = np.nan
    axes = figures.draw("race", {"race": table}).axes
    for (nothing, told), kappa in ((axes[:2], 1), (axes[2:], 10)):
        for panel, method in ((nothing, "search"), (told, "momentum_r")):
            shown = where(table, kappa=kappa, method=method).groupby("tolerance")["passes"].median()
            drawn = panel.lines[0].get_xydata()
            same(pd.Series(drawn[:, 1], 1 / drawn[:, 0]).sort_index(), shown)
        assert [text.get_text() for text in nothing.texts] == ["rank search"]
        assert {text.get_text() for text in told.texts} == {"momentum, r", "preconditioned, r"}
        # A method that half of its runs are not there with ends at its smallest error, at T.
        stalled = next(line for line in told.lines if line.get_marker() == "x")
        assert stalled.get_xydata().tolist() == [[pytest.approx(1e3), 50]]


def race_samples(scale=1.0, alpha=1e-6):
    """Return runs whose error falls through every level of the race's figure, at measurements that scale."""
    errors = {20: 0.8, 40: 0.3, 60: 0.01, 80: 0.001, 100: 1e-4, 120: 1e-8}
    table = crossed(("elapsed",), m=list(errors), **RUNS).assign(d=10, rank=2, status="budget", alpha=alpha)
    return table.assign(test_error=table["m"].map(errors), m=scale * table["m"])


def test_race_thresholds_shows_medians_by_error_and_the_margins_of_ratios():
    # Each method's own size, so that a margin by another one's m* lies nowhere else.
    scales = {name: 1 + 0.07 * place for place, name in enumerate(SAMPLES)}
    tables = {name: race_samples(scale) for name, scale in scales.items()}
    for name, (table, where_in) in EXACT.items():
        rows = race_samples(scales[name], **where_in)
        tables[table] = pd.concat([tables[table], rows]) if table in tables else rows
    (axes,) = figures.draw("race_thresholds", tables).axes
    points = {
        (line.get_marker(), line.get_ydata()[0]): line.get_xdata()[0]
        for line in axes.lines
        if len(line.get_xdata()) == 1
    }
    for (place, name), (marker, crossing) in itertools.product(
        enumerate(SAMPLES),
        {"o": np.exp(np.interp(np.log(10), -np.log([0.3, 0.01]), np.log([40, 60]))), "s": 60, "^": 80}.items(),
    ):
        assert points[marker, place] == pytest.approx(scales[name] * crossing / 20)
    places = {label.get_text(): place for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    marks = {
        (line.get_marker(), line.get_ydata()[0], line.get_xdata()[0])
        for line in axes.lines
        if line.get_marker() in "<>"
    }
    expected = [
        ("race-exact-search", "<", "race_samples_search", "race_samples_small", 1e-6),
        ("race-exact-least-trace", "<", "race_samples_least_trace", "race_samples_small", 1e-6),
        ("race-threshold-search", "<", "race_samples_search", "race_samples_small", 0.01),
        ("race-threshold-preconditioning", ">", "race_samples_damped", "race_samples_full", 0.1),
    ]
    for claim, marker, own, other, error in expected:
        there = np.exp(find_thresholds(race_samples(scales[other]), "rank", error).logs.mean()) / 20
        wanted = (marker, places[SAMPLES[own]] + 0.38, margin(claim) * there)
        assert sum(one[0] == marker and np.allclose(one[1:], wanted[1:]) for one in marks) == 1, claim


def test_race_rank_thresholds_shows_means_by_rank_and_the_search_beside_descent():
    # The error falls through every level at once, between 1.5 and 2.5 times dr, where the logarithm of m is half way.
    steps = {"search": (1.5, 2.5), "descent": (3.0, 4.0)}
    tables = {}
    for name, (above, below) in steps.items():
        parts = []
        for rank in (1, 3):
            sizes = {round(ratio * 20 * rank): error for ratio, error in ((above, 1.0), (below, 1e-4))}
            rows = crossed(("elapsed",), m=list(sizes), **RUNS).assign(d=20, rank=rank, status="budget")
            errors = rows["m"].map(sizes)
            parts.append(rows.assign(alpha=1e-12, test_error=errors))
            if name == "descent":
                # From the larger initialisation no run recovers.
                parts.append(rows.assign(alpha=1e-6, test_error=1.0))
        tables[f"race_rank_samples_{name}"] = pd.concat(parts)

    def crossing(name, error):
        # Errors count as no less than a tenth of the level: log m lies as far between as the level does.
        low, high = np.log(steps[name])
        return np.exp(low + (high - low) * -np.log(error) / -np.log(error / 10))

    left, right, wide = figures.draw("race_rank_thresholds", tables).axes
    for axes, error in ((left, 0.1), (right, 0.001)):
        search, descent = axes.lines
        np.testing.assert_allclose(search.get_xydata(), [[rank, crossing("search", error)] for rank in (1, 3)])
        np.testing.assert_allclose(descent.get_ydata(), 2 * [crossing("descent", error)])
    assert {text.get_text() for text in right.texts} == {"rank search", "descent, α = 10⁻¹²"}
    for bars, error in zip(wide.containers, (0.1, 0.01, 0.001), strict=True):
        ratio = crossing("search", error) / crossing("descent", error)
        np.testing.assert_allclose(bars.lines[0].get_ydata(), 2 * [ratio])
    assert level(wide, "margin") == margin("race-ranks-search")


def test_race_tail_shows_the_geometric_mean_in_the_form_that_suits_each_method():
    table = crossed(("own_error",), method=["descent_1e-3", "search"], **RUNS).assign(d=10, rank=2, m=80)
    (axes,) = figures.draw("race_tail", {"race_tail": table}).axes
    means = table.groupby("method")["own_error"].apply(lambda part: np.exp(np.log(part).mean()))
    np.testing.assert_allclose(axes.lines[0].get_xdata(), means[["descent_1e-3", "search"]])
    mark = axes.lines[1].get_xdata()[0]
    assert mark == pytest.approx(margin("race-tail") * means["search"])


# Preconditioning.


def test_preconditioning_costs_shows_thresholds_iterations_and_ratios():
    errors = {40: 0.8, 60: 0.3, 100: 0.001, 120: 0.001}
    methods = ["descent", "damped_1", "residual"]
    table = crossed(("passes",), method=methods, m=list(errors), tolerance=[0.01, 0.001], **RUNS)
    table = table.assign(d=10, rank=2, kappa=10, test_error=table["m"].map(errors))
    doubled = table.assign(m=2 * table["m"])
    table = pd.concat([table[table["method"] != "residual"], doubled[doubled["method"] == "residual"]])
    table = table[table["m"] <= 120]
    table = pd.concat([table, table[(table["method"] == "residual") & (table["m"] == 120)].assign(m=100)])
    left, right = figures.draw("preconditioning_costs", {"conditioning_samples": table}).axes
    (middle,) = figures.draw("preconditioning_exchange", {"conditioning_samples": table}).axes
    same(curve(left, "plain, width d"), pd.Series([0, 0, 1, 1], np.array(list(errors)) / 20))
    crossing = np.exp(np.interp(np.log(100), -np.log([0.3, 0.001]), np.log([60, 100]))) / 20
    own = where(table, method="damped_1", m=120, tolerance=0.01)["passes"]
    line = curve(middle, "width d: from plain to λ = σ_r")
    assert list(line.index)[-1] == pytest.approx(crossing)
    assert line.to_numpy()[-1] == pytest.approx(np.exp(np.log(own).mean()))
    assert right.lines[1].get_xdata()[0] == pytest.approx(1)


def test_conditioning_shows_the_iterations_over_kappa():
    methods = ["descent_r", "undamped_r", "damped_0.01_2r"]
    table = crossed(("passes",), method=methods, kappa=[1, 10, 100], tolerance=[0.01, 0.001], **RUNS)
    table = table.assign(d=20, rank=2, m=200)
    (axes,) = figures.draw("conditioning", {"conditioning": table}).axes
    for method, name in (("descent_r", "plain, width r"), ("damped_0.01_2r", "λ = 0.01σ_r, width 2r")):
        same(curve(axes, name), geometric(where(table, method=method, tolerance=0.001), "kappa", "passes"))
    first = geometric(where(table, method="undamped_r", tolerance=0.001), "kappa", "passes").iloc[0]
    drawn = curve(axes, "margin: exponent below 0.1")
    same(drawn, power_law(drawn.index, (1, first), 0.1))


def test_conditioning_rates_shows_the_iterations_to_each_error():
    table = crossed(
        ("passes",), method=["residual_2r_spectral", "descent_2r_spectral"], tolerance=[0.1, 0.01, 0.001], **RUNS
    )
    table = table.assign(d=20, rank=2, m=200, kappa=1, passes=table["passes"] - np.log(table["tolerance"]))
    (axes,) = figures.draw("conditioning_rates", {"conditioning_rates": table}).axes
    drawn = curve(axes, "plain, width 2r")
    means = geometric(where(table, method="descent_2r_spectral"), "tolerance", "passes")
    same(pd.Series(drawn.index, drawn.to_numpy()), means)
    times = geometric(where(table, method="residual_2r_spectral"), "tolerance", "passes")
    last = curve(axes, "margin").index[-1]
    assert last == pytest.approx(times[0.01] + 2 * (times[0.01] - times[0.1]))


def test_conditioning_starts_shows_the_smallest_errors_over_alpha():
    methods = ["residual", "damped_0.01_2r", "damped_1_2r"]
    table = crossed(("smallest_error",), method=methods, alpha=[1e-3, 1e-5, 1e-7], **RUNS)
    table = table.assign(d=20, rank=2, m=200, kappa=10, tolerance=1e-9)
    (axes,) = figures.draw("conditioning_starts", {"conditioning_starts": table}).axes
    for method, name in (("residual", "λ = residual, width d"), ("damped_1_2r", "λ = σ_r, width 2r")):
        same(curve(axes, name), geometric(where(table, method=method), "alpha", "smallest_error"))


# The spectral phase.


def test_spectral_phase_shows_both_angles_and_their_ratio():
    values = ("angle_to_labels", "angle_to_target", "preference")
    table = crossed(values, width=["r", "d"], alpha=[1e-2, 1e-4, 1e-6], **RUNS).assign(d=20, rank=2, m=200)
    left, right = figures.draw("spectral_phase", {"phase_few": table}).axes
    own = where(table, width="d")
    same(curve(left, "width d, to the eigenvectors of Y"), geometric(own, "alpha", "angle_to_labels"))
    same(curve(left, "width d, to those of X*"), geometric(own, "alpha", "angle_to_target"))
    same(curve(right, "width d"), geometric(own, "alpha", "preference"))
    assert level(right, "margin") == 0.33


def test_spectral_phase_errors_shows_the_smallest_errors_and_the_slope_of_the_gap():
    shape = {"width": ["r", "2r", "d"], "alpha": [1e-2, 1e-4, 1e-6], **RUNS}
    tables = {
        name: crossed(("smallest_error",), seed, **shape).assign(d=20, rank=2, m=200, predicted=power)
        for seed, (name, power) in enumerate({"phase_many": 1.4, "phase_few": 0.9}.items())
    }
    for axes, (table, power) in zip(
        figures.draw("spectral_phase_errors", tables).axes, zip(tables.values(), (1.4, 0.9), strict=True), strict=True
    ):
        means = geometric(where(table, width="d"), "alpha", "smallest_error")
        same(curve(axes, "width d"), means)
        for label, slope in ((f"gap: exponent {power:.2f}", power), ("margin", 1)):
            drawn = curve(axes, label)
            same(drawn, power_law(drawn.index, (1e-2, means[1e-2]), slope))


def test_spectral_phase_gap_shows_every_runs_exponent_over_its_prediction():
    shape = {"target": [0, 1], "ensemble": [0, 1, 2], "alpha": [1e-2, 1e-4, 1e-6], "width": ["r", "d"]}
    tables = {
        name: crossed(("smallest_error", "predicted"), seed, **shape).assign(d=20, rank=2, m=200)
        for seed, name in enumerate(("phase_many", "phase_few"))
    }
    for name, table in tables.items():
        by_run = table.groupby(["target", "ensemble"])["predicted"].transform("first")
        tables[name] = table.assign(predicted=by_run)
    (axes,) = figures.draw("spectral_phase_gap", tables).axes
    for points, table in zip(axes.lines[:2], tables.values(), strict=True):
        runs = [own for _, own in where(table, width="d").groupby(["target", "ensemble"])]
        slopes = [np.polyfit(np.log(own["alpha"]), np.log(own["smallest_error"]), 1)[0] for own in runs]
        predictions = [own["predicted"].iloc[0] for own in runs]
        found = sorted(zip(*points.get_data(), strict=True))
        assert np.allclose(found, sorted(zip(predictions, slopes, strict=True)))
        related = np.corrcoef(predictions, slopes)[0, 1]
        assert points.get_label().endswith(f"correlation {related:.2f}".replace("-", "−"))
    # The last table's, of few measurements.
    assert f"correlate by {related:.2f}".replace("-", "−") in axes.get_title()
    for line, slope in zip(axes.lines[2:], (1, 0.75, 1.25), strict=True):
        x, y = line.get_data()
        assert np.allclose(y, slope * x)


# Incremental learning.


def test_incremental_shows_eigenvalues_distances_and_their_fall():
    course = crossed(("eigenvalue", "distance"), iteration=[0, 4, 8], s=[1, 2], target=[0, 1], ensemble=[0])
    course = course.assign(fitted=course["s"] / 10, alpha=1e-8)
    shape = {"width": ["r", "d"], "s": [1, 2, 3], "alpha": [1e-2, 1e-4, 1e-6], **RUNS}
    table = crossed(("nearest_to_fit", "nearest_to_truncation"), **shape).assign(d=20, rank=3, m=300)
    tables = {"incremental": table, "incremental_course": course}
    values, distances, right = figures.draw("incremental", tables).axes
    own = where(course, s=2, target=0).set_index("iteration")
    same(curve(values, "eigenvalue 2 of X"), own["eigenvalue"])
    same(curve(distances, "distance to the best fit of rank 2"), own["distance"])
    wide = where(table, width="d", s=2)
    same(curve(right, "best fit of rank 2"), geometric(wide, "alpha", "nearest_to_fit"))
    same(curve(right, "X* truncated to rank 2"), geometric(wide, "alpha", "nearest_to_truncation"))


# Noise and outliers.


def stops():
    values = ("best_error", "end_error", "stopped_over_best", "end_over_best")
    table = crossed(values, noise=[0.05, 0.2, 0.5], width=["r", "2r", "d"], **RUNS)
    return table.assign(d=20, rank=2, m=200)


def test_early_stopping_shows_what_stopping_and_not_stopping_lose():
    table = stops()
    stopped, end = figures.draw("early_stopping", {"early_stopping": table}).axes
    for axes, column in ((stopped, "stopped_over_best"), (end, "end_over_best")):
        # Widths are drawn beside one another.
        for width, shift in (("r", 1 / 1.05), ("2r", 1), ("d", 1.05)):
            same(curve(axes, f"width {width}"), shifted(geometric(where(table, width=width), "noise", column), shift))
        assert level(axes, "margin") == margin("ding22-holdout")
        largest = max(geometric(where(table, width=width), "noise", column).max() for width in ("r", "2r", "d"))
        (said,) = re.findall(r"at most ([\d.]+) times", axes.get_title())
        assert largest <= float(said) <= 1.01 * largest


def test_best_errors_shows_the_rate_in_the_noise_and_what_width_costs():
    table = stops()
    left, right = figures.draw("best_errors", {"early_stopping": table}).axes
    for width, shift in (("r", 1 / 1.05), ("2r", 1), ("d", 1.05)):
        same(curve(left, f"width {width}"), shifted(geometric(where(table, width=width), "noise", "best_error"), shift))
    means = shifted(geometric(where(table, width="d"), "noise", "best_error"), 1.05)
    slope = 1 - margin("noise-rate")
    drawn_law(left, "margin: exponent of width d", (means.index[0], means.iloc[0]), slope)
    narrow = geometric(where(table, width="r"), "noise", "best_error")
    for width, shift in (("2r", 1), ("d", 1.05)):
        ratio = geometric(where(table, width=width), "noise", "best_error") / narrow
        same(curve(right, f"width {width}"), shifted(ratio, shift))
    assert level(right, "margin: within a factor") == margin("ding22-width-free")
    keys = ["noise", "target", "ensemble"]
    wide, thin = (where(table, width=width).set_index(keys)["best_error"] for width in ("d", "r"))
    low, high = whiskers(right, "width d")
    same(low, shifted((wide / thin).groupby("noise").min(), 1.05))
    same(high, shifted((wide / thin).groupby("noise").max(), 1.05))


def test_outliers_shows_the_errors_of_both_losses():
    table = crossed(("end_error",), loss=["squared", "absolute"], share=[0.0, 0.1, 0.2], **RUNS)
    (axes,) = figures.draw("outliers", {"outliers": table.assign(d=20, rank=2, m=200)}).axes
    for loss in ("squared", "absolute"):
        same(curve(axes, f"{loss} loss"), geometric(where(table, loss=loss), "share", "end_error"))
    squared = geometric(where(table, loss="squared"), "share", "end_error")
    assert level(axes, "margin") == pytest.approx(0.1 * squared[0.1])
