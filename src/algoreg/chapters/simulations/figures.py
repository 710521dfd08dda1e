"""The figures of the paper's Appendix B: its axes, our mean and spread, the published points on top."""

import numpy as np
import pandas as pd

from algoreg.claims.thresholds import THRESHOLD_ERROR, thresholds
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.reporting.charts.comparison import FACTOR, INTERVAL, agreement, comparison
from algoreg.reporting.charts.course import bars, course
from algoreg.reporting.charts.law import grows, margin_level, margin_slope, through, with_exponent
from algoreg.reporting.charts.panels import describe, finish, panels, thousands
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import BAND, ITERATION, caption, fold, lines, margin_text, rounded, sizes
from algoreg.reporting.figures import drawing
from algoreg.reporting.wording import outwards

ERRORS = {"test_error": (TEST, "test error"), "train_error": (TRAIN, "training error")}


def _published(tables, name):
    """Return the rows of every comparison of a figure's table with a published curve; each size has its own."""
    return pd.concat(
        [table for key, table in tables.items() if key.startswith(f"{name}_published")] or [pd.DataFrame()]
    )


def _of(rows, **point):
    """Return the rows at a point, None where nothing was published."""
    for column, value in point.items():
        if column in rows:
            rows = rows[rows[column] == value]
    return rows if len(rows) else None


def _note(published, more="", margin_of=""):
    """Return what lines and bands are; what marks of published values are only where there are any."""
    return lines(BAND, "; ".join(filter(None, [f"{FACTOR}{margin_of}", more])) if len(published) else "")


def _judging(claims, name):
    """Return the entries of the claims on a figure's factor and on the share in the prediction interval,
    None without.
    """
    return claims.get(name), claims.get(f"{name}-inside")


@drawing
def figure_1(tables, claims):
    """Draw training and test error against α after 10⁴ iterations [LMZ18, Figure 1]."""
    table, published = tables["figure_1"], _published(tables, "figure_1")
    figure, grid = panels(table["d"].nunique(), height=3.9, sharey=True)
    iteration = table["iteration"].iloc[0]
    for axes, (d, frame) in zip(grid, table.groupby("d"), strict=True):
        for error, (colour, name) in ERRORS.items():
            rows = _of(published, d=d, error=error)
            means = comparison(axes, frame, rows, "alpha", error, colour, name, *_judging(claims, "fig1-published"))
            if error == "test_error":
                fall = f"d = {d}: the test error {fold(means[::-1])} as α falls"
                title = lines(fall, agreement(rows))
        if "figure_1_paper_step" in tables and axes is grid[0]:
            means = tables["figure_1_paper_step"].groupby("alpha")["test_error"].mean()
            axes.plot(
                means, "x", color="black", markersize=6, label="test error, ours,\nat the paper's own step", zorder=6
            )
        describe(axes, "xy", xlabel="initialisation scale α", title=title)
    grid[0].set_ylabel(f"relative error at iteration {iteration}")
    said = caption(f"After {iteration} iterations: {sizes(table, 'd', 'rank', 'm_over_dr')}")
    return finish(figure, _note(published, INTERVAL), caption=said)


@drawing
def figure_2(tables, claims):
    """Draw both errors along the run for a large and a small initialisation [LMZ18, Figure 2]."""
    table, published = tables["figure_2"], _published(tables, "figure_2")
    figure, grid = panels(table["alpha"].nunique(), height=3.7, sharey=True)
    for axes, (alpha, frame) in zip(grid, sorted(table.groupby("alpha"), reverse=True), strict=True):
        for error, (colour, name) in ERRORS.items():
            rows = _of(published, alpha=alpha, error=error)
            judging = _judging(claims, "fig2-published")
            means = comparison(axes, frame, rows, "iteration", error, colour, name, *judging, every=8)
            if error == "test_error":
                title = f"α = {alpha:g}: the test error {fold(means)}"
        describe(axes, "y", xlabel=ITERATION, title=lines(title, agreement(_of(published, alpha=alpha))))
        thousands(axes)
    grid[0].set_ylabel("relative error")
    said = caption(sizes(table, "d", "rank", "m_over_dr"))
    return finish(figure, _note(published, "one in eight published points", " of their geometric mean"), caption=said)


@drawing
def figure_3(tables, claims):
    """Draw the test error along a long run from α = 0.01 [LMZ18, Figure 3]."""
    table, published = tables["figure_3"], _published(tables, "figure_3")
    figure, (axes,) = panels(width=5.2, height=3.7)
    falling = claims["fig3-keeps-improving"]
    text = margin_text(falling, "falls with an exponent")
    for line, (d, frame) in enumerate(table.groupby("d")):
        colour, marker = (TEST, THIRD)[line % 2], "os"[line % 2]
        rows = _of(published, d=d, error="test_error")
        judging = _judging(claims, "fig3-published")
        options = {"marker": marker}
        means = comparison(axes, frame, rows, "iteration", "test_error", colour, f"d = {d}", *judging, **options)
        through(axes, means, lambda t: t ** -float(falling["margin"]), None if line else text, "-.", color=colour)
        if not line:
            fall = f"the test error {fold(means)} in the long run, d = {d}"
            title = lines(fall, agreement(rows))
    describe(axes, "y", xlabel=ITERATION, ylabel="relative test error", title=title)
    thousands(axes)
    said = caption(f"From α = {table['alpha'].iloc[0]:g}: {sizes(table, 'd', 'rank', 'm_over_dr')}")
    return finish(figure, _note(published, INTERVAL), caption=said)


METHODS = {"projected": (TEST, "projected, on X", "o"), "factored": (TRAIN, "factored, on UUᵀ", "s")}


_OWN = "figure_4_thresholds"


def _threshold_line(axes, frame, method, large):
    """Draw a method's threshold against d with its spread over runs; return its means."""
    colour, label, marker = METHODS[method]
    # A mean over the runs whose threshold lies inside the grid would be biased: no point where one lies outside.
    found = {d: thresholds(part) for d, part in frame.groupby("d")}
    ends = {name: [pick(values) for values in found.values()] for name, pick in (("low", np.min), ("high", np.max))}
    kept = pd.DataFrame(
        {"mean": [np.exp(np.mean(np.log(values))) for values in found.values()], **ends}, index=[*found]
    )
    alpha = frame["alpha"].iloc[0]
    label = with_exponent(label if np.isnan(alpha) else f"{label}, α = {alpha:g}", kept["mean"].dropna())
    style = {"markerfacecolor": "white", "linestyle": ":"} if large else {}
    bars(axes, kept.index, kept, colour, label, marker, **style)
    return kept["mean"].dropna()


def _thresholds(axes, tables, claim):
    """Draw each method's threshold against d, the PSD cone's statistical dimension,
    and how much faster one must grow.
    """
    table = tables[_OWN]
    means = {}
    for name in (_OWN, f"{_OWN}_large"):
        for method in METHODS:
            frame = tables[name][tables[name]["method"] == method] if name in tables else table.iloc[:0]
            if len(frame):
                means[name, method] = _threshold_line(axes, frame, method, name.endswith("large"))
    other = means.get((_OWN, claim["estimand"]["against"]))
    if other is not None:
        margin_slope(axes, other, claim, "exponent over factored descent's")
    rank, sizes = int(table["rank"].iloc[0]), np.array(sorted(table["d"].unique()))
    grid = np.linspace(sizes[0], sizes[-1], 100).round().astype(int)
    label = "positivity alone identifies X*:\nstatistical dimension / d"
    axes.plot(grid, [psd_statistical_dimension(d, rank) / d for d in grid], "--", color="black", label=label)
    ylabel = f"m/d at which the test error falls through {THRESHOLD_ERROR:g}"
    own = [(METHODS[method][1], line) for (name, method), line in means.items() if name == _OWN and len(line) > 1]
    title = ",\n".join(grows(f"{label}: the m/d needed grows", "d", line) for label, line in own)
    describe(axes, "xy", sizes, xlabel="d", ylabel=ylabel, title=title)


def _ahead(d, projected, factored):
    """Return by how much factored descent is ahead of projected where that is most."""
    factor = (projected / factored).dropna()
    if factor.empty:
        return ""
    return f"d = {d}: on UUᵀ up to {rounded(factor.max())} times closer, at m/d = {factor.idxmax():g}"


@drawing
def figure_4(tables, claims):
    """Draw projected against factored descent over m/d, and where their thresholds lie as d grows [LMZ18, Figure 4]."""
    table, published = tables["figure_4"], _published(tables, "figure_4")
    extra = _OWN in tables
    gaps = [{**claim["estimand"], "margin": claim["margin"]} for name, claim in claims.items() if "few" in name]
    figure, grid = panels(table["d"].nunique() + extra, height=3.9)
    for axes, (d, frame) in zip(grid, table.groupby("d"), strict=False):
        lowest = {}
        for method, (colour, _, marker) in METHODS.items():
            part, rows = frame[frame["method"] == method], _of(published, d=d, method=method, error="test_error")
            judging = _judging(claims, "fig4-published")
            means = comparison(axes, part, rows, "m_over_d", "test_error", colour, method, *judging, marker=marker)
            lowest[method] = means
            for gap in (gap for gap in gaps if (gap["method"], gap["d"]) == (method, d)):
                few = means[means.index.isin(gap["m_over_d"])] * 10 ** -gap["margin"]
                label = f"margin: below {method} by a factor of {10 ** gap['margin']:g}"
                axes.plot(few, ":", color="black", linewidth=1.1, label=label)
        rank = int(frame["rank"].iloc[0])
        options = {"linestyle": "--", "color": "black", "linewidth": 1, "label": "positivity alone\nidentifies X*"}
        axes.axvline(psd_statistical_dimension(d, rank) / d, **options)
        title = lines(_ahead(d, **lowest), agreement(_of(published, d=d, error="test_error")))
        describe(axes, "y", xlabel="measurements per dimension, m/d", title=title)
    grid[0].set_ylabel("relative test error at the run's end")
    said = sizes(table, "d", "rank")
    if extra:
        _thresholds(grid[-1], tables, claims["fig4-projected"])
        said = caption(
            said, f"thresholds: {sizes(tables[_OWN], 'd', 'rank')}, bars from the smallest to the largest run"
        )
    return finish(figure, _note(published, INTERVAL), caption=said)


def _run_from_a_large_start(tables, name, claims, run, unit):
    table, published = tables[name], _published(tables, name)
    figure, (axes,) = panels(width=5.8, height=3.9)
    ends, theirs = [], []
    for error, (colour, label) in ERRORS.items():
        rows = _of(published, error=error)
        judging = _judging(claims, f"{name.replace('ure_', '')}-published")
        means = comparison(axes, table, rows, "iteration", error, colour, label, *judging)
        ends.append(f"{label} {fold(means)}")
        theirs.append(rows)
        for _, runs in table[table["status"] != "diverged"].groupby("target"):
            axes.plot(runs.groupby("iteration")[error].mean(), color=colour, linewidth=0.7, alpha=0.7)
    if "fig5-large-init" in claims:
        margin_level(axes, claims["fig5-large-init"], "test error")
    title = lines(", ".join(ends), agreement(*theirs))
    describe(axes, "y", xlabel=unit, ylabel="relative error", title=title)
    thousands(axes)
    thin = "thin: each target, mean over ensembles (the paper draws one target)"
    said = caption(f"{run} from α = {table['alpha'].iloc[0]:g}: {sizes(table, 'd', 'rank', 'm_over_dr')}")
    return finish(figure, f"{_note(published, margin_of=' of their geometric mean')}\n{thin}", caption=said)


@drawing
def figure_5a(tables, claims):
    """Draw both errors along single-sample SGD from the identity [LMZ18, Figure 5a]."""
    return _run_from_a_large_start(tables, "figure_5a", claims, "One sample a step", "step")


@drawing
def figure_5b(tables, claims):
    """Draw both errors along gradient descent from the identity [LMZ18, Figure 5b]."""
    return _run_from_a_large_start(tables, "figure_5b", claims, "Gradient descent", ITERATION)


@drawing
def flow_equivalence(tables, claims):
    """Draw how far larger steps move the test errors from those of the paper's own step at equal η·t."""
    table, claim = tables["flow_equivalence"], claims["flow-equivalence"]
    keys = ["alpha", "iteration", "target", "ensemble"]
    base = table["step"].min()
    own = table[table["step"] == base].set_index(keys)["test_error"]
    rest = table[table["step"] > base].copy()
    rest["change"] = 100 * (rest["test_error"] / own.loc[rest.set_index(keys).index].to_numpy() - 1)
    last = rest[rest["iteration"] == rest["iteration"].max()]
    figure, (axes,) = panels(width=5.2, height=3.9)
    changes = []
    for (alpha, frame), colour in zip(sorted(last.groupby("alpha"), reverse=True), COLOURS, strict=False):
        changes.append(course(axes, frame, "step", "change", colour, f"α = {alpha:g}", False, marker="o")["mean"])
    axes.axhline(0, color="black", linewidth=0.8, label="no change")
    factor = float(claim["margin"])
    label = f"margin: a factor below {factor:g}, for η = {claim['estimand']['step']:g}"
    for change, text in ((factor, label), (1 / factor, None)):
        axes.axhline(100 * (change - 1), color="black", linestyle="--", linewidth=0.9, label=text)
    xlabel, ylabel = f"step η (the paper's: {base:g})", "change of test error, %"
    title = _most_changed(changes, claim["estimand"]["step"])
    describe(axes, "x", last["step"].unique(), xlabel=xlabel, ylabel=ylabel, title=title)
    said = caption(f"At iteration {last['iteration'].iloc[0]} of the paper: {sizes(table, 'd', 'rank', 'm_over_dr')}")
    return finish(figure, BAND, caption=said)


def _most_changed(changes, judged):
    """Return how far the step that is judged, or else the largest, moves a test error at most."""
    steps = {step for means in changes for step in means.index}
    step = judged if judged in steps else max(steps)
    most = max((means[step] for means in changes if step in means.index), key=abs)
    most = outwards(most, "up" if most > 0 else "down")
    return f"step {step:g} moves the test error by {most:+.2g} % at most"
