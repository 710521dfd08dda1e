"""The figures of the race: the error over the passes of every method, and the measurements that each takes."""

import numpy as np

from algoreg.chapters.race.estimands import log_passes
from algoreg.chapters.race.words import NAMES, SAMPLES, TOLD
from algoreg.claims.cells import geometric_mean
from algoreg.claims.censoring import INSIDE
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom, psd_statistical_dimension, trace_statistical_dimension
from algoreg.reporting.charts.panels import describe, finish, panels, share_legend
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

# The m* of the figure are read at the claims' tolerance.
TOLERANCE = 0.1
DASHES = {"nothing": "-", "rank": "--", "rank bound": "-.", "sigma_r": ":", "trace": ":", "rank and trace": ":"}
# Methods that are told no rank, in a title's few words.
UNTOLD = {
    "race_samples_full": "descent",
    "race_samples_least_trace": "least trace",
    "race_samples_projected": "projected",
}
PREDICTED = {
    "degrees of freedom": degrees_of_freedom,
    "statistical dimension of least trace": trace_statistical_dimension,
    "statistical dimension of positivity": psd_statistical_dimension,
}


def _colours(table):
    """Return a colour for every method: lines of one told-ness differ by colour, and the ten colours go round."""
    return {
        name: COLOURS[place % len(COLOURS)]
        for place, name in enumerate(name for name in NAMES if name in set(table["method"]))
    }


def _performance(axes, table, kappa, colours):
    """Draw the median passes to every tolerance; where a method stalls, the line goes on to its smallest error at T."""
    part = table[table["kappa"] == kappa]
    for method, colour in colours.items():
        own = part[part["method"] == method]
        groups = own.groupby("tolerance")["passes"]
        # A run that is not there by T is there later than any.
        reached = groups.apply(lambda passes: passes.fillna(np.inf).median())
        reached = reached[np.isfinite(reached)].sort_index(ascending=False)
        told = own["told"].iloc[0]
        style = {"color": colour, "linestyle": DASHES[told], "linewidth": 1.5}
        errors, passes = list(reached.index), list(reached)
        label = f"{NAMES[method]} (told: {TOLD[told]})"
        if reached.index.min() > table["tolerance"].min() or reached.empty:
            stalled = float(own["smallest_error"].median())
            end = float(own["budget"].iloc[0])
            axes.plot(end, stalled, "x", color=colour, markersize=5)
            errors, passes = [*errors, stalled], [*passes, max([end, *passes])]
        axes.plot(passes, errors, label=label, **style)
    describe(axes, "xy", xlabel="passes over the data", ylabel="relative error")


def _said(table, kappa, estimand):
    """Return a panel's title: the passes to the last tolerance of the best method of either side of a claim."""
    last, found = table["tolerance"].min(), []
    for side, said in (("first", "the best told r"), ("second", "descent told nothing")):
        names = [name for name in estimand[side] if name in set(table["method"])]
        means = log_passes(table, names, last)[kappa].mean(axis=(1, 2)) if names else np.array([np.nan])
        there = np.isfinite(means).any()
        found.append(f"{np.exp(np.nanmin(means)):.0f} for {said}" if there else f"not in all runs for {said}")
    return f"κ = {number(kappa)}, passes to {number(last)}:\n{', '.join(found)}"


@drawing
def race(tables, claims):
    """Draw the error of every method over the passes, at the smallest and the largest κ."""
    table = tables["race"]
    colours, ends = _colours(table), [table["kappa"].min(), table["kappa"].max()]
    figure, grid = panels(2, height=4.6, sharey=True)
    for axes, kappa in zip(grid, ends, strict=True):
        _performance(axes, table, kappa, colours)
        axes.set_title(_said(table, kappa, claims["race-told-the-rank"]["estimand"]))
    share_legend(grid)
    note = (
        "median over runs of the passes after which they are first below 0.5, 0.1, 0.01, … 10⁻⁶; "
        "cross: median of the smallest errors, where half of the runs or more are not below the next one by T; "
        "each method's step (and momentum) is the best of its grid at this κ for each ensemble, by training error of the "
        "worst run on other draws"
    )
    return finish(figure, note, caption=sizes(table, "d", "rank", "m_over_dr"))


def _margin_marks(axes, names, medians, claims):
    """Mark the m* at the margin of every claim on a ratio of two methods' m*, in the row of the first."""
    middles, label = dict(zip(names, medians, strict=True)), "margin, by another method's m* (◁ below, ▷ above)"
    for claim in claims.values():
        own, other = (claim["estimand"][key] for key in ("table", "over"))
        if own in middles and 0 < middles.get(other, 0) < np.inf:
            marker = "<" if claim["direction"] == "below" else ">"
            style = {"color": "black", "markersize": 5, "markerfacecolor": "white", "linestyle": "none"}
            axes.plot(middles[other] * claim["margin"], names.index(own) + 0.28, marker, label=label, **style)
            label = None


def _conclusions(names, medians):
    """Return both panels' titles: the least m*, and the m* of what is told no rank."""
    least = int(np.argmin(medians))
    found = [f"{said} {_ratio(medians[names.index(name)])}" for name, said in UNTOLD.items() if name in names]
    first = f"least m*/(dr): {_ratio(medians[least])}\n({SAMPLES[names[least]]})"
    return first, "told no rank, m*/(dr):\n" + ", ".join(found) if found else first


@drawing
def race_thresholds(tables, claims):
    """Draw the share of runs that recover over m for every method, and the median m* with its range."""
    names = [name for name in SAMPLES if name in tables]
    figure, (left, right) = panels(2, height=4.3)
    first = tables[names[0]].iloc[0]
    scale, medians, rows = first["d"] * first["rank"], [], []
    for place, name in enumerate(names):
        table, colour = tables[name], COLOURS[place % len(COLOURS)]
        style = "-" if place < len(COLOURS) else "--"
        share = (table["test_error"] < TOLERANCE).groupby(table["m"]).mean()
        left.plot(share.index / scale, share, style, marker="o", markersize=3, color=colour, linewidth=1.2)
        found = find_thresholds(table, "rank", TOLERANCE)
        medians.append(float(found.medians()[0]) / scale)
        low, high = np.exp([found.logs.min(), found.logs.max()]) / scale
        right.plot([low, high], [place, place], color=colour, linewidth=1.5)
        right.plot(np.clip(medians[-1], low, high), place, "o", color=colour, markersize=5)
        off = int((found.sides != INSIDE).sum())
        lost = f"\n({off} of {found.sides.size} runs off the grid)" if off else ""
        rows.append(f"{SAMPLES[name]}: {_ratio(medians[-1])}{lost}")
    for (label, function), style in zip(PREDICTED.items(), ("-", "--", ":"), strict=True):
        value = function(int(first["d"]), int(first["rank"])) / scale
        for axes, said in ((left, label), (right, None)):
            axes.axvline(value, color="black", linewidth=0.8, linestyle=style, label=said)
    describe(left, "x", xlabel="measurements m/(dr)", ylabel=f"share of runs with error below {TOLERANCE:g}")
    describe(right, "x", xlabel=f"m*/(dr), m* where the error falls through {TOLERANCE:g}")
    _margin_marks(right, names, medians, claims)
    right.set_yticks(range(len(names)), rows, fontsize=8)
    right.invert_yaxis()
    for axes, title in zip((left, right), _conclusions(names, medians), strict=True):
        axes.set_title(title)
    note = "left: colours as at the right; right: median (beside the name) and range of runs; vertical lines as at the left"
    return finish(figure, note, caption=caption("κ = 1", sizes(tables[names[0]], "d", "rank")))


def _ratio(value):
    """Return a ratio in words; the median of thresholds that mostly lie off the grid is none."""
    return f"{value:.2f}" if 0 < value < np.inf else "off the grid"


@drawing
def race_noise(tables, claims):
    """Draw by how much the error at the stop by hold-out, and at T, is above every run's smallest, by method."""
    table, claim = tables["race_noise"], claims["race-noise"]
    names = [name for name in NAMES if name in set(table["method"])]
    figure, (axes,) = panels(width=6.4, height=0.45 * len(names) + 1.2)
    for value, colour, marker, label, shift in (
        ("stop_over_best", COLOURS[0], "o", "stopped by held-out labels", -0.12),
        ("end_over_best", COLOURS[1], "s", "at T", 0.12),
    ):
        runs = [table.loc[table["method"] == name, value] for name in names]
        means = np.array([geometric_mean(one) for one in runs])
        ends = np.array([[one.min(), one.max()] for one in runs]).T
        places = np.arange(len(names)) + shift
        axes.hlines(places, *ends, color=colour, linewidth=1.2)
        axes.plot(means, places, marker, color=colour, markersize=5, label=label)
    axes.axvline(claim["margin"], linestyle="--", color="black", linewidth=0.8, label=margin_text(claim))
    axes.set_yticks(range(len(names)), _with_errors(table, names), fontsize=7.5)
    axes.invert_yaxis()
    describe(axes, "x", xlabel="relative error / smallest relative error of the run")
    first = table.iloc[0]
    worst = table.groupby("method")["stop_over_best"].apply(geometric_mean).max()
    axes.set_title(
        f"stopped by held-out labels, every method ends on average\nat {rounded(worst, 3, 'up')} times its smallest error or less"
    )
    noise = f"noise: {first['label_noise']:.0%} of the labels' root mean square"
    held = f"held out: {first['held_out'] / first['d'] / first['rank']:.2g}·dr more"
    return finish(figure, SPREAD, caption=caption(sizes(table, "kappa", "d", "rank", "m_over_dr"), noise, held))


def _with_errors(table, names):
    """Return what methods are called, each with the geometric mean of its runs' smallest errors."""
    best = table.groupby("method")["best_error"].apply(geometric_mean)
    return [f"{NAMES[name]}\n(smallest error {best[name]:.2g})" for name in names]
