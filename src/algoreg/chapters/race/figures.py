"""The figures of the race: the error over the passes of every method, and the measurements that each takes."""

from itertools import product

import numpy as np

from algoreg.chapters.race import by_rank
from algoreg.chapters.race.estimands import log_passes
from algoreg.chapters.race.words import ERRORS, EXACT, EXACT_ERROR, NAMES, SAMPLES, SHORT, sampled
from algoreg.claims.cells import geometric_mean
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom, psd_statistical_dimension, trace_statistical_dimension
from algoreg.reporting.charts.law import margin_level
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one, write_ends
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

# The two panels: methods without prior knowledge, and those that know something of X*.
GROUPS = {
    "no prior knowledge": (
        "descent_1e-8", "momentum_full", "residual_damping", "search", "penalised_trace", "least_trace",
    ),
    "knowing r, 2r or the trace": (
        "momentum_r", "scaled_r", "thresholding_momentum", "thresholding_2r", "frank_wolfe_d", "trace_projected",
    ),
}  # fmt: skip
LARGEST_ERROR = max(ERRORS)
PREDICTED = {
    "degrees of freedom": degrees_of_freedom,
    "statistical dimension of least trace": trace_statistical_dimension,
    "statistical dimension of positivity": psd_statistical_dimension,
}


def _performance(axes, part, names):
    """Draw the median passes to every tolerance, and each method's name where its curve ends;
    where a method stalls, the line goes on to its smallest error at T.
    """
    ends = []
    for colour, method in zip(COLOURS, names, strict=False):
        own = part[part["method"] == method]
        # A run that is not there by T is there later than any.
        reached = own.groupby("tolerance")["passes"].apply(lambda passes: passes.fillna(np.inf).median())
        reached = reached[np.isfinite(reached)].sort_index(ascending=False)
        errors, passes = list(reached.index), list(reached)
        if reached.empty or reached.index.min() > part["tolerance"].min():
            stalled, end = float(own["smallest_error"].median()), float(own["budget"].iloc[0])
            axes.plot(1 / stalled, end, "x", color=colour, markersize=5)
            errors, passes = [*errors, stalled], [*passes, max([end, *passes])]
        axes.plot(1 / np.array(errors), passes, color=colour, linewidth=1.5)
        ends.append((passes[-1], SHORT.get(method, NAMES[method]), colour))
    describe(axes, "xy", xlabel="accuracy: 1 / relative error")
    return ends


def _format_best(part, told):
    """Return a panel's title: the passes to the last tolerance of the best of its methods."""
    last = part["tolerance"].min()
    names = sorted(set(part["method"]))
    means = dict(zip(names, log_passes(part, names, last)[part["kappa"].iloc[0]].mean(axis=(1, 2)), strict=True))
    there = {name: mean for name, mean in means.items() if np.isfinite(mean)}
    kappa = f"κ = {number(part['kappa'].iloc[0])}, {told}"
    if not there:
        return f"{kappa}:\nno method is below {number(last)} in all runs"
    best = min(there, key=there.get)
    return f"{kappa}:\n{number(last)} after {np.exp(there[best]):.0f} passes ({SHORT.get(best, NAMES[best])})"


@drawing
def race(tables, claims):
    """Draw the passes that methods take to every error, by prior knowledge, at the smallest and the largest κ."""
    table = tables["race"]
    figure, grid = panels(2, 2, height=3.4, sharex=True, sharey=True)
    drawn = []
    for axes, (kappa, (told, methods)) in zip(
        grid, product([table["kappa"].min(), table["kappa"].max()], GROUPS.items()), strict=True
    ):
        part = table[(table["kappa"] == kappa) & table["method"].isin(methods)]
        drawn.append((axes, _performance(axes, part, [name for name in methods if name in set(part["method"])])))
        axes.set_title(_format_best(part, told))
    for axes in grid[::2]:
        axes.set_ylabel("passes over the data")
    for axes, ends in drawn:
        write_ends(axes, ends)
    note = (
        "median over runs of the passes after which they are first below 0.5, 0.1, 0.01, … 10⁻⁶; "
        "cross: median of the smallest errors at T, where half of the runs or more are not below the next one by then; "
        "each method's step (and momentum) is the best of its grid at this κ for each ensemble, by training error of the "
        "worst run on other draws; all methods are in the chapter's table"
    )
    return finish(figure, note, caption=sizes(table, "d", "rank", "m_over_dr"))


def _margin_marks(axes, names, medians, claims):
    """Mark the m* at the margin of every claim on a ratio of two methods' m*, in the row of the first."""
    label = "margin, by another method's m* to the error of this colour (◁ below, ▷ above)"
    # The row of a table of the runs to the smallest error, the smallest initialisation where it has several.
    rows = {table: name for name, (table, _) in EXACT.items()}
    for claim in claims.values():
        estimand = claim["estimand"]
        own, other = (rows.get(estimand[key], estimand[key]) for key in ("table", "over"))
        tolerance = estimand["tolerance"]
        middle = medians.get((other, tolerance), np.nan)
        if own in names and 0 < middle < np.inf:
            marker = "<" if claim["direction"] == "below" else ">"
            colour = COLOURS[list(ERRORS).index(tolerance)]
            style = {"color": colour, "markersize": 5, "markerfacecolor": "white", "linestyle": "none"}
            axes.plot(middle * claim["margin"], names.index(own) + 0.38, marker, label=label, **style)
            label = None


def _measurements_title(medians):
    """Return the title of the thresholds: who takes the fewest at the largest and at the smallest error."""
    found = []
    for tolerance in (LARGEST_ERROR, EXACT_ERROR):
        there = {name: m for (name, own), m in medians.items() if own == tolerance and 0 < m < np.inf}
        if there:
            least = min(there, key=there.get)
            found.append(f"to an error of {ERRORS[tolerance]} {SAMPLES[least]} takes the fewest, {there[least]:.2f}·dr")
    return "\n".join(found) or "no threshold lies on the grid"


@drawing
def race_thresholds(tables, claims):
    """Draw the m* of every method at four errors: the median, and the range of runs at the largest of them."""
    names = [name for name in SAMPLES if name in tables]
    figure, (axes,) = panels(width=7.4, height=0.3 * len(names) + 1.3)
    first = tables[names[0]].iloc[0]
    scale, medians = first["d"] * first["rank"], {}
    for ((tolerance, shown), marker), colour in zip(zip(ERRORS.items(), "os^D", strict=True), COLOURS, strict=False):
        for place, name in enumerate(names):
            frame = sampled(tables, name, tolerance)
            if frame is None:
                continue
            found = find_thresholds(frame, "rank", tolerance)
            median = medians[name, tolerance] = float(found.medians()[0]) / scale
            low, high = np.exp([found.logs.min(), found.logs.max()]) / scale
            if tolerance == LARGEST_ERROR:
                axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
            axes.plot(median if 0 < median < np.inf else np.nan, place, marker, color=colour, markersize=5)
        axes.plot([], [], marker, color=colour, markersize=5, label=f"error {shown}")
    for (label, function), style in zip(PREDICTED.items(), ("-", "--", ":"), strict=True):
        value = function(int(first["d"]), int(first["rank"])) / scale
        axes.axvline(value, color="black", linewidth=0.8, linestyle=style, label=label)
    describe(axes, "x", xlabel="m*/(dr), m* where the error falls through each level")
    _margin_marks(axes, names, medians, claims)
    axes.set_yticks(range(len(names)), [SAMPLES[name] for name in names], fontsize=9)
    axes.invert_yaxis()
    axes.set_title(_measurements_title(medians))
    note = (
        "medians over runs; bars: range of runs at an error of 0.1; a method whose median lies off its grid of m at a "
        "level has no mark there; six methods were run on to 10⁻⁶, up to four times as long"
    )
    return finish(figure, note, columns=2, caption=caption("κ = 1", sizes(tables[names[0]], "d", "rank")))


# What is drawn by rank, each with its label.
BY_RANK = {
    "thresholding": "thresholding, r known",
    "search": "rank search",
    "descent_1e-12": "descent, α = 10⁻¹²",
    "descent_1e-6": "descent, α = 10⁻⁶",
    "least_trace": "least trace",
    "damped_1e-6": "preconditioned, 10⁻⁶",
}


def _by_rank(axes, tables, error):
    """Draw the geometric mean of m*/(dr) of every method by rank, and return where each curve ends."""
    ends, ranks = [], set()
    for colour, (name, label) in zip(COLOURS, BY_RANK.items(), strict=False):
        means = {rank: by_rank.mean_ratio(*own) for rank, own in by_rank.thresholds(tables, name, error).items()}
        there = {rank: mean for rank, mean in means.items() if np.isfinite(mean)}
        if there:
            axes.plot(list(there), list(there.values()), "o-", color=colour, linewidth=1.5, markersize=4)
            ends.append((there[max(there)], label, colour))
        ranks |= set(means)
    describe(axes, "y", xticks=ranks, xlabel="rank r", title=f"to an error of {error:g}")
    return ends


def _searched(axes, tables):
    """Draw m* of the search over that of descent from the smallest initialisation, by rank, at three errors; return the
    largest mean at the smallest error.
    """
    ranks = list(by_rank.thresholds(tables, "search", by_rank.ERRORS[0]))
    for place, (error, marker) in enumerate(zip(by_rank.ERRORS, "os^", strict=True)):
        found = {rank: by_rank.ratio(tables, "search", "descent_1e-12", rank, error) for rank in ranks}
        there = {rank: one.numbers() for rank, one in found.items() if one.value is not None}
        means, low, high = np.array(list(there.values())).reshape(-1, 3).T
        x = np.array(list(there)) + 0.1 * (place - 1)
        style = {"color": COLOURS[place], "markersize": 5, "capsize": 2, "label": f"error {error:g}"}
        axes.errorbar(x, means, [means - low, high - means], fmt=marker, **style)
    describe(axes, xticks=ranks, xlabel="rank r", ylabel="m* of the search over descent's")
    return means.max()


@drawing
def race_rank_thresholds(tables, claims):
    """Draw the measurements of methods by rank at the largest and the smallest error, and those of a search over those
    of descent at all three.
    """
    figure, (left, right, wide) = two_and_one(height=3.4)
    right.sharey(left)
    _by_rank(left, tables, by_rank.ERRORS[0])
    ends = _by_rank(right, tables, by_rank.ERRORS[-1])
    left.set_ylabel("m*/(dr)")
    write_ends(right, ends)
    largest = _searched(wide, tables)
    margin_level(wide, claims["race-ranks-search"])
    wide.set_title(
        f"to an error of {by_rank.ERRORS[-1]:g} a search for the rank takes at most\n"
        f"{rounded(largest, 3, 'up')} times the measurements of descent from α = 10⁻¹²"
    )
    note = "above: geometric means over runs; one off its grid of m is left out; below: 95 % intervals"
    return finish(figure, note, columns=4, caption=caption("κ = 1", sizes(tables[by_rank.PREFIX + "search"], "d")))


@drawing
def race_tail(tables, claims):
    """Draw the errors of every method on matrices with eigenvalues 1/i, in the form that suits the method."""
    table = tables["race_tail"]
    names = [name for name in NAMES if name in set(table["method"])]
    figure, (axes,) = panels(width=6.4, height=0.4 * len(names) + 1.2)
    runs = [table.loc[table["method"] == name, "own_error"] for name in names]
    means = [geometric_mean(one) for one in runs]
    axes.hlines(range(len(names)), [one.min() for one in runs], [one.max() for one in runs], color=COLOURS[0])
    axes.plot(means, range(len(names)), "o", color=COLOURS[0], markersize=5)
    claim = claims["race-tail"]
    own, other = claim["estimand"]["pair"]
    edge, row = claim["margin"] * means[names.index(other)], names.index(own) + 0.25
    label = f"{margin_text(claim)}, of the mean of {SHORT.get(other, NAMES[other])}"
    axes.plot([edge], [row], "<", color="black", markersize=5.5, linestyle="none", label=label)
    axes.set_yticks(range(len(names)), [NAMES[name] for name in names], fontsize=9)
    axes.invert_yaxis()
    describe(axes, "x", xlabel="relative error")
    best = names[int(np.argmin(means))]
    axes.set_title(f"eigenvalues 1/i: {NAMES[best]}\nends nearest, at an error of {min(means):.2g}")
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def race_noise(tables, claims):
    """Draw by how much the error at the stop by hold-out, and at T, is above every run's smallest, by method."""
    table, claim = tables["race_noise"], claims["race-noise"]
    names = [name for name in NAMES if name in set(table["method"])]
    figure, (axes,) = panels(width=6.4, height=0.45 * len(names) + 1.2)
    for value, colour, marker, label, shift in (
        ("stop_over_best", COLOURS[0], "o", "stopped by held-out observations", -0.12),
        ("end_over_best", COLOURS[1], "s", "at T", 0.12),
    ):
        runs = [table.loc[table["method"] == name, value] for name in names]
        means = np.array([geometric_mean(one) for one in runs])
        ends = np.array([[one.min(), one.max()] for one in runs]).T
        places = np.arange(len(names)) + shift
        axes.hlines(places, *ends, color=colour, linewidth=1.2)
        axes.plot(means, places, marker, color=colour, markersize=5, label=label)
    axes.axvline(claim["margin"], linestyle="--", color="black", linewidth=0.8, label=margin_text(claim))
    axes.set_yticks(range(len(names)), _with_errors(table, names), fontsize=9)
    axes.invert_yaxis()
    describe(axes, "x", xlabel="relative error / smallest relative error of the run")
    first = table.iloc[0]
    worst = table.groupby("method")["stop_over_best"].apply(geometric_mean).max()
    axes.set_title(
        f"stopped by held-out observations every method ends,\non average, within {rounded(worst, 3, 'up')} times its best error"
    )
    noise = f"noise: {first['label_noise']:.0%} of the observations' root mean square"
    held = f"held out: {first['held_out'] / first['d'] / first['rank']:.2g}·dr more"
    return finish(figure, SPREAD, caption=caption(sizes(table, "kappa", "d", "rank", "m_over_dr"), noise, held))


def _with_errors(table, names):
    """Return what methods are called, each with the geometric mean of its runs' smallest errors."""
    best = table.groupby("method")["best_error"].apply(geometric_mean)
    return [f"{NAMES[name]}\n(smallest error {best[name]:.2g})" for name in names]
