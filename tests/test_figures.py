import ast
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, published_curves, tier_settings

from algoreg.claims.matching import compare
from algoreg.claims.published import load_sizes
from algoreg.regression import references
from algoreg.reporting import captions, figures
from algoreg.reporting.charts.comparison import agreement, comparison
from algoreg.reporting.charts.heat import edges, heat
from algoreg.reporting.charts.law import grows
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.text import draws, fold, isometry, isometry_bracket, number, raised
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def rows(method, d, ratios, errors, **columns):
    return pd.DataFrame(
        [
            {"d": d, "rank": 1, "m_over_d": x, "method": method, "target": t, "ensemble": e, "test_error": y,
             "train_error": y, "status": "budget", **columns}
            for x, y in zip(ratios, errors, strict=True) for t in range(2) for e in range(2)
        ]
    )  # fmt: skip


def test_a_diverged_run_is_left_out_of_the_figure_and_the_figure_says_so():
    table = pd.concat(
        [
            rows("projected", 20, [2, 4, 8], [0.9, 0.5, 0.1], alpha=np.nan),
            rows("factored", 20, [2, 4, 8], [0.4, 0.1, 0.01], alpha=0.01),
        ],
        ignore_index=True,
    )
    table.loc[0, ["test_error", "train_error"]] = np.nan
    table.loc[0, "status"] = "diverged"
    figure = figures.draw("figure_4", {"figure_4": table, "figure_4_thresholds": table})
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [text for text in texts if "not drawn" in text] == [
        "projected, ours\n(1 of 12 values not drawn: no value, or diverged)"
    ]
    for line in figure.axes[0].lines[:2]:
        assert np.isfinite(line.get_ydata()).all()


def test_thresholds_are_drawn_with_the_statistical_dimension_and_only_where_none_is_censored():
    parts = [rows("projected", d, [2, 4, 8, 16], [0.9, 0.6, x, 0.01], alpha=np.nan) for d, x in ((10, 0.1), (20, 0.2))]
    parts += [rows("factored", d, [2, 4, 8, 16], [0.9, 0.1, 0.05, 0.01], alpha=1e-4) for d in (10, 20)]
    table = pd.concat(parts, ignore_index=True)
    last = (table["method"] == "factored") & (table["d"] == 20) & (table["target"] == 1) & (table["ensemble"] == 1)
    table.loc[last, "test_error"] = 0.9
    figure = figures.draw("figure_4", {"figure_4": table, "figure_4_thresholds": table})
    lines = {line.get_label(): line for line in figure.axes[-1].lines}
    dimension = next(line for label, line in lines.items() if "statistical dimension" in label)
    np.testing.assert_allclose(dimension.get_ydata()[0], (55 - 45 / 2) / 10)
    drawn = [
        np.isfinite(np.asarray(box.lines[0].get_ydata(), dtype=float)).tolist() for box in figure.axes[-1].containers
    ]
    assert drawn == [[True, True], [True, False]]


def test_flow_equivalence_shows_changes_in_percent():
    parts = []
    for step, factor in ((0.01, 1.0), (0.05, 1.02), (0.5, 0.5)):
        one = rows("factored", 20, [5], [0.1 * factor], alpha=0.001, step=step, m=100)
        parts.append(one.assign(iteration=10_000))
    figure = figures.draw("flow_equivalence", {"flow_equivalence": pd.concat(parts, ignore_index=True)})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [2.0, -50.0])


def stated(label):
    """Return the number that a tick's label says."""
    power = re.fullmatch("10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", label)
    return 10.0 ** int(power[1].translate(DIGITS)) if power else float(label)


@pytest.mark.parametrize("limits", [(0.98, 1.26), (1.0, 1.9), (60, 360), (0.6, 4.5), (1.4, 7), (1e-4, 1.0)])
def test_a_log_axis_shows_where_its_values_lie(limits):
    figure, (axes,) = panels()
    axes.plot(limits, limits)
    describe(axes, "xy")
    axes.set_xlim(limits)
    finish(figure)
    ticks = [tick for tick in axes.get_xticks() if limits[0] <= tick <= limits[1]]
    assert 3 <= len(ticks) <= 9
    labels = dict(zip(axes.get_xticks(), (label.get_text() for label in axes.get_xticklabels()), strict=True))
    assert all(tick == pytest.approx(stated(labels[tick]), rel=1e-4) for tick in ticks)


def test_a_title_leaves_a_growth_open_that_too_few_points_tell():
    assert grows("m* grows", "d", pd.Series([2.0], index=[10])) == "m* grows as d^?"
    assert grows("m* grows", "d", pd.Series([2.0, 4.0], index=[10, 20])) == "m* grows as d^1.00"


def test_a_title_leaves_a_change_open_that_starts_or_ends_at_0():
    assert fold(pd.Series([1.0, 0.25])) == "falls 4-fold"
    assert [fold(pd.Series(means)) for means in ([1.0, 0.0], [0.0, 1.0], [0.0, 0.0])] == ["is not known"] * 3


def test_what_is_said_of_an_isometry_constant_holds():
    attacked = pd.DataFrame({"delta_low": [2.5702, 3.1], "delta_up": [np.nan, np.nan]})
    assert isometry(attacked) == "δ > 2.5"
    assert isometry(attacked.assign(delta_low=0.96)) == "δ > 0.96"
    certified = pd.DataFrame({"delta_low": [0.0401, 0.1], "delta_up": [4.51e-4, 1.0e-4]})
    assert isometry(certified) == "δ < 4.6·10⁻⁴"
    assert isometry_bracket(certified.assign(delta_up=0.5501)) == "δ between 0.04 and 0.56"


def test_one_draw_is_no_plural_and_a_number_just_below_a_power_is_that_power():
    frame = pd.DataFrame({"target": [0, 0], "ensemble": [0, 1]})
    assert draws(frame) == "1 target × 2 ensembles"
    assert draws(frame[:1]) == "1 target × 1 ensemble"
    assert [number(value) for value in (99999.4, 99999.7)] == ["99999", "10⁵"]


def test_a_point_without_a_prediction_interval_is_not_counted_as_inside():
    points = pd.DataFrame({"alpha": [1.0, 0.1, 0.01], "published": 0.1, "low": np.nan, "high": np.nan, "ratio": 1.0})
    claim = {"direction": "above", "margin": 0.9, "estimand": {}}
    table = rows("factored", 20, [5], [0.1], alpha=0.1, iteration=100)
    for inside, said in (([True, False, np.nan], "1 of 3"), ([np.nan] * 3, "0 of 3"), ([None, True, None], "1 of 3")):
        _, (axes,) = panels()
        theirs = points.assign(inside=inside)
        comparison(axes, table, theirs, "alpha", "test_error", "red", "UUᵀ", inside=claim)
        assert any(f"{said} in the interval" in label for label in axes.get_legend_handles_labels()[1])


def test_a_map_of_one_size_has_a_column():
    assert edges([8.0]) == pytest.approx([8 / 2**0.5, 8 * 2**0.5])
    frame = pd.DataFrame({"d": 8, "m": [10, 20], "test_error": [1.0, 0.01]})
    _, (axes,) = panels()
    assert heat(axes, frame, "d").get_array().shape == (2, 1)


def test_how_far_published_values_are_is_said_on_average_and_at_most():
    ratios = [pd.DataFrame({"ratio": [2.0, 0.5, 16.0]}), pd.DataFrame({"ratio": [1.0, np.nan]})]
    assert agreement(ratios[0]) == "published: a factor 4 from ours on average, 16 at most"
    assert agreement(*ratios) == "published: a factor 4 and 1 from ours on average, 16 and 1 at most"
    assert agreement(None, ratios[1][1:]) == ""


def test_marks_of_margins_point_to_where_values_may_be():
    sides = {
        "photograph": {"margin: below": "v"},
        "spectral_networks": {"margin: above": "v"},
        "depth_thresholds": {"UUᵀ, margin: below": "v", "UUᵀ, margin: above": "^"},
        "norm_growth": {"margin: the law over |W₁₁| below": "^"},
    }
    for name, marks in sides.items():
        seen = set()
        for line in (line for axes in drawn_committed(name, "quick").axes for line in axes.lines):
            for start, marker in marks.items():
                if line.get_label().startswith(start) and line.get_marker() in "v^":
                    assert line.get_marker() == marker, (name, line.get_label())
                    seen.add(start)
        assert seen == set(marks), name


def test_titles_count_ends_that_differ_from_run_to_run():
    few, *_ = drawn_committed("min_trace", "quick").axes
    table = references.read_tier("quick")["tables"]["min_trace"]
    last = table[(table["method"] == "descent") & (table["m_over_dr"] == 1.4) & (table["alpha"] == 1e-12)]
    target, least = ((last[f"distance_to_{name}"] < 0.01).sum() for name in ("target", "min_trace"))
    assert few.get_title() == (
        f"m = 1.4·dr: {target} of {len(last)} descents end at X*,\n{least} of {len(last)} at the least nuclear norm"
    )


def test_a_fit_far_from_the_target_is_not_said_to_be_near():
    pauli, gaussian = (axes.get_title() for axes in drawn_committed("geyer_pauli", "quick").axes)
    assert pauli.endswith("from X* or less, on average")
    assert "another fit lies 2.1·‖X*‖ from X*, on average" in gaussian


def test_runs_after_the_window_are_hollow_and_no_constant_is_said_to_cover_none():
    axes = drawn_committed("error_at_time", "smoke").axes[0]
    (hollow,) = (line for line in axes.lines if line.get_color() == "white" and len(line.get_xdata()))
    assert len(hollow.get_xdata()) == 3
    assert any("no run in the window" in text.get_text() for text in axes.get_legend().get_texts())


def drawn_committed(name, tier):
    """Return a figure of a tier's committed tables; of quick's where that tier has none of its chapter yet."""
    tables = references.read_tier(tier)["tables"]
    if not set(tier_settings(tier)["figures"][name]) <= set(tables):
        return drawn_committed(name, "quick")
    shown = {one: tables[one] for one in tier_settings(tier)["figures"][name]}
    return figures.draw(name, {**shown, **published_curves(name)})


COMMITTED = {path.stem for path in (ROOT / "reference").rglob("*.csv")}
# The figures whose titles are what they show; simulations' committed tables lack some columns, and of a new chapter
# nothing is committed yet.
CONCLUDING = [
    name
    for chapter in load_chapters()
    if chapter.name != "simulations"
    for name in chapter.entries.get("figures", {})
    if COMMITTED & {*tier_settings("standard")["figures"].get(name, [])}
]


@pytest.mark.parametrize("name", CONCLUDING)
def test_figures_conclude_with_a_number(name):
    # In quick every exponent of these has an interval of many draws.
    figure = drawn_committed(name, "quick" if name.startswith("samples_") else "standard")
    # A bar of colours is no panel, and a picture is named below itself.
    titles = [axes.get_title() for axes in figure.axes if axes.get_xlabel() and not axes.images]
    assert all(any(letter.isdigit() for letter in title) for title in titles), titles
    assert "nan" not in " ".join(titles)
    # Where an axis ran the other way, a curve would seem to fall that rises.
    assert all(left < right for left, right in (axes.get_xlim() for axes in figure.axes))


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_files_carry_the_conclusions_and_the_caption_of_their_figure(tmp_path, kind):
    said = "α = 1 & d < 3"
    for caption in ("", said):
        figure, (axes,) = panels()
        axes.set_title("a grows as\n" + raised("b", "−0.5"))
        figures.save(finish(figure, caption=caption), tmp_path / f"figure.{kind}", kind)
        content = (tmp_path / f"figure.{kind}").read_bytes()
        if kind == "svg":
            assert captions.read(content.decode()) == (("a grows as b^−0.5", said) if caption else ("", ""))
        key = {"svg": b"dc:description", "png": b"Description", "pdf": b"/Subject"}[kind]
        assert (key in content) == bool(caption)


def test_exponents_are_those_that_are_given():
    assert [raised("d", power) for power in ("2", "−3", "1.11", "?")] == ["d²", "d⁻³", "d^1.11", "d^?"]


def test_no_legend_looks_for_its_place():
    """Its place would turn on the last digit of the data."""
    for path in sorted((ROOT / "src" / "algoreg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "legend":
                places = [word.value for word in node.keywords if word.arg == "loc"]
                assert places, (path, node.lineno)
                assert getattr(places[0], "value", None) not in ("best", 0), (path, node.lineno)


def test_the_users_own_style_reaches_no_figure(tmp_path):
    script = """
import sys
import matplotlib
import pandas as pd
from algoreg.settings.chapters import load_chapters
from algoreg.reporting import captions, figures
from algoreg.reporting.charts.panels import finish, panels
from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.style import plt, style
matplotlib.use("agg")
before = dict(matplotlib.rcParams)
row = {"method": "factored", "d": 100, "rank": 5, "alpha": 1.0, "target": 0, "ensemble": 0, "status": "budget"}
table = pd.DataFrame([{**row, "iteration": t, "test_error": 1 / (1 + t), "train_error": 1 / (2 + t)} for t in range(3)])
figure, axes = plt.subplots()
with style():
    figure, axes = plt.subplots()
    course(axes, table, "iteration", "test_error", "C0", "a")
    axes.legend()
    axes.set_title("title")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
for kind in ("svg", "png", "pdf"):
    figures.save(figure, f"{sys.argv[1]}.{kind}", kind)
assert dict(matplotlib.rcParams) == before
print(matplotlib.rcParams["font.size"])
"""
    files = {}
    for name, text in {"plain": "", "own": "font.size: 30\naxes.linewidth: 9\naxes.spines.top: False\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(text)
        command = [sys.executable, "-c", script, str(tmp_path / name / "figure")]
        environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / name)}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert (done.stdout.strip() == "30.0") == (name == "own")
        files[name] = [(tmp_path / name / f"figure.{kind}").read_bytes() for kind in ("svg", "png", "pdf")]
    assert files["plain"] == files["own"]


def test_each_size_has_its_own_published_points():
    ratios = [5, 10, 15, 20, 25, 30, 35]
    parts = [rows(method, d, ratios, [0.5] * 7, alpha=0.01) for method in ("projected", "factored") for d in (100, 150)]
    table = pd.concat(parts, ignore_index=True)
    there = pd.DataFrame(compare(table, load_sizes("figure_4")))
    sizes = [there[there["d"] == d] for d in (100, 150)]
    tables = {"figure_4_published": sizes[0], "figure_4_published_d150": sizes[1]}
    figure = figures.draw("figure_4", {"figure_4": table, **tables})
    for axes, first in zip(figure.axes, (0.8906, 0.933), strict=True):
        (bar,) = (bar for bar in axes.containers if bar.get_label().startswith("projected, published"))
        assert bar.lines[0].get_ydata()[0] == first
        assert len(bar.lines[0].get_ydata()) == 7


@pytest.mark.parametrize("returned", [None, ("a", 1)])
def test_a_drawing_that_returns_no_figure_is_named(monkeypatch, returned):
    def own(tables, claims):
        return returned

    monkeypatch.setattr(figures.plugins, "function", lambda kind, name: own)
    with pytest.raises(
        TypeError, match=f"figure own: its drawing returns a {type(returned).__name__}; allowed is a figure"
    ):
        figures.draw("own", {}, {})
