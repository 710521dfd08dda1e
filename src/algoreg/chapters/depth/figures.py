"""The figures about depth: thresholds by depth and start, eigenvalues one by one, and the start that this takes."""

import numpy as np
import pandas as pd

from algoreg.chapters.depth.words import LABELS, LEARNED, TOLERANCE
from algoreg.claims.cells import NoValue, geometric_mean
from algoreg.claims.censoring import INSIDE
from algoreg.claims.thresholds import compared, find_thresholds
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.reporting.charts.course import points
from algoreg.reporting.charts.law import grows, law, margin_level, margin_mark, margin_slope
from algoreg.reporting.charts.panels import describe, finish, panels, two_abreast
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, draws, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

CLOSE = "[1/(ρ − 1)]"


def thresholds_by_start(table):
    """Return a row per run and start at the end of T: ``start`` s₀ = α², ``ratio`` m*/(dr),
    and whether it is ``inside`` the grid.
    """
    last, rows = table[table["time"] == table["time"].max()], []
    for alpha, part in last.groupby("alpha"):
        found = find_thresholds(part, "rank", TOLERANCE)
        first = part.iloc[0]
        ratios = np.exp(found.logs[0]) / (first["d"] * first["rank"])
        rows += [
            {"start": alpha**2, "target": target, "ensemble": ensemble, "ratio": ratios[target, ensemble]}
            | {"inside": found.sides[0, target, ensemble] == INSIDE}
            for target, ensemble in np.ndindex(ratios.shape)
        ]
    return type(table)(rows)


def _shares(axes, tables, alpha):
    """Draw the share of runs that recover over m at one start, by depth."""
    for place, (name, label) in enumerate(LABELS.items()):
        if name not in tables:
            continue
        own = tables[name]
        own = own[np.isclose(own["alpha"], alpha) & (own["time"] == own["time"].max())]
        share = (own["test_error"] < TOLERANCE).groupby(own["m"]).mean()
        scale = own["d"].iloc[0] * own["rank"].iloc[0]
        style = "--" if name == "depth_2_power" else "-"
        axes.plot(share.index / scale, share, style, marker="o", markersize=3, color=COLOURS[place], label=label)
    describe(axes, "x", xlabel="measurements m/(dr)", ylabel=f"share of runs with error below {TOLERANCE:g}")


def _margins(axes, claims, three):
    """Draw how many measurements two factors may, and must, take by those that three take from the claims' start."""
    for name in ("depth-is-a-smaller-start", "depth-samples"):
        claim = claims[name]
        start, own = (claim["estimand"][where]["alpha"] ** 2 for where in ("over_where", "where"))
        mean = geometric_mean(three[np.isclose(three["start"] / start, 1)]["ratio"])
        label = f"UUᵀ, {margin_text(claim)} times three factors'"
        margin_mark(axes, own, mean * claim["margin"], claim["direction"], label)


def _by_start(axes, tables, claims):
    """Draw the threshold m*/(dr) over the start, by depth."""
    for place, (name, label) in enumerate(LABELS.items()):
        if name in tables:
            found = thresholds_by_start(tables[name])
            off = int((~found["inside"]).sum())
            said = f"{label}\n({off} of {len(found)} runs off the grid, at its end)" if off else label
            marker = "s" if name == "depth_2_power" else "o"
            points(axes, found, "start", "ratio", COLOURS[place], said, marker)
    d, rank = (int(tables["depth_2"][name].iloc[0]) for name in ("d", "rank"))
    least = degrees_of_freedom(d, rank) / (d * rank)
    axes.axhline(least, color="black", linewidth=0.8, linestyle=":", label="degrees of freedom")
    _margins(axes, claims, thresholds_by_start(tables["depth_3"]))
    level = f"m*/(dr), m* where the error falls through {TOLERANCE:g}"
    describe(axes, "xy", xlabel="initialisation s₀, X₀ = s₀·I", ylabel=level)


def _ratio(tables, claim):
    """Return a claim's estimate, two factors' m* over three factors', NaN where one has none, and both starts s₀."""
    own = {key: value for key, value in claim["estimand"].items() if key != "name"}
    starts = [own[where]["alpha"] ** 2 for where in ("where", "over_where")]
    sides = ((tables[own["table"]], own["where"]), (tables[own["over"]], own["over_where"]))
    # The smallest tier has neither all starts nor the time.
    there = all(np.all([np.isclose(side[key], at) for key, at in rows.items()], axis=0).any() for side, rows in sides)
    try:
        return float(np.exp(compared(tables, **own).mean())) if there else np.nan, *starts
    except NoValue:
        return np.nan, *starts


@drawing
def depth_thresholds(tables, claims):
    """Draw the share of runs that recover over m at the claims' initialisation, and m* over the
    initialisation, by depth.
    """
    figure, (left, right) = panels(2)
    alpha = claims["depth-samples"]["estimand"]["where"]["alpha"]
    _shares(left, tables, alpha)
    _by_start(right, tables, claims)
    for axes, name in ((left, "depth-samples"), (right, "depth-is-a-smaller-start")):
        times, own, other = _ratio(tables, claims[name])
        found = f"takes {rounded(times, 3)} times" if np.isfinite(times) else "has no runs beside"
        axes.set_title(f"UUᵀ from s₀ = {number(own)} {found}\nwhat three factors take from {number(other)}")
    said = caption(f"left: s₀ = {number(alpha**2)}", sizes(tables["depth_2"], "d", "rank"))
    return finish(figure, SPREAD, caption=said)


def _next(own):
    """Return at which share of X*'s the second eigenvalue is when the first is learned; NaN where it never is."""
    first, second = (own[own["s"] == s].sort_values("time") for s in (1, 2))
    when = first.loc[first["eigenvalue"] >= LEARNED * first["planted"], "time"].min()
    at = second[second["time"] == when]
    return float((at["eigenvalue"] / at["planted"]).iloc[0]) if len(at) else np.nan


def _growth(axes, grown, depth):
    """Draw the eigenvalues of one run of a depth by η·t, until the last is learned."""
    own = grown[grown["depth"] == depth]
    for s, part in own.groupby("s"):
        axes.plot(part["time"], part["eigenvalue"], color=COLOURS[s - 1], label=f"eigenvalue {s} of X")
        axes.axhline(part["planted"].iloc[0], color=COLOURS[s - 1], linewidth=0.8, linestyle=":")
    axes.plot([], [], ":", color="black", linewidth=0.8, label="of X*")
    end = 1.15 * own[own["eigenvalue"] < 0.99 * own["planted"]]["time"].max()
    share = rounded(100 * _next(own))
    title = f"depth {depth}, one run: eigenvalue 2 is at {share}%\nof X*'s when eigenvalue 1 is at {LEARNED:.0%}"
    describe(axes, xlabel="η·t", ylabel="eigenvalue", title=title, xlim=(0, end))


def _by_depth(axes, table, value, claim, log, said, **texts):
    """Draw a value of every s over the depth, with the margin that three factors are held to; say the largest means."""
    means = []
    for s, own in table.groupby("s"):
        style = {"geometric": bool(log), "linestyle": "none"}
        means.append(points(axes, own, "depth", value, COLOURS[s - 1], f"s = {s}", **style)["mean"])
    margin_level(axes, claim, "at depth 3")
    largest = pd.DataFrame(means).max()
    depths = ", ".join(f"{rounded(largest[depth], 3, 'up')} at depth {depth}" for depth in sorted(largest.index))
    axes.set_title(f"{said}\n{depths}")
    describe(axes, log, table["depth"].unique(), xlabel="depth N", **texts)
    axes.set_xlim(table["depth"].min() - 0.5, table["depth"].max() + 0.5)


@drawing
def depth_stages(tables, claims):
    """Draw eigenvalues by η·t for every depth, the smallest distances to X*'s truncations, and the effective ranks."""
    table, grown = tables["depth_stages"], tables.get("depth_course")
    depths = [] if grown is None else sorted(grown["depth"].unique())
    figure, grid = two_abreast(len(depths) + 2, height=3.4)
    for axes, depth in zip(grid, depths, strict=False):
        _growth(axes, grown, depth)
    near, rank = grid[-2:]
    said, ylabel = "X passes X*_s on average at most this far away:", "smallest ‖X − X*_s‖/‖X*_s‖ (Frobenius)"
    _by_depth(near, table, "nearest", claims["stages-at-practical-start"], "y", said, ylabel=ylabel)
    said, ylabel = "largest mean ratio of effective ranks:", "effective rank over X*_s's,\nwhen eigenvalue s is learned"
    _by_depth(rank, table, "rank_excess", claims["depth-effective-rank"], "", said, ylabel=ylabel)
    start = number(float(table["alpha"].iloc[0]) ** 2)
    note = f"X*_s: X* with its s largest eigenvalues; learned: above {LEARNED:g} of X*'s; bars: smallest to largest run"
    return finish(figure, note, caption=caption(f"X₀ = {start}·I", sizes(table, "d", "m_over_dr")))


@drawing
def depth_start(tables, claims):
    """Draw the largest initialisation from which two eigenvalues are learned one by one, over how close they are."""
    figure, (left, right) = panels(2)
    deep, shallow = tables["depth_start"], tables.get("depth_start_2")
    named = [(f"{depth} factors", own) for depth, own in deep.groupby("depth")]
    named += [] if shallow is None else [("2 factors", shallow)]
    margins, titles = {3: "depth-start-threshold", 4: "depth-start-threshold-4"}, []
    for (label, own), colour in zip(named, COLOURS, strict=False):
        means = law(left, own, "closeness", "smallness", colour, label)
        logs = law(right, own, "closeness", "log_smallness", colour, label)
        name = margins.get(int(own["depth"].iloc[0]))
        if name:
            margin_slope(left, means, claims[name], f"{label}, exponent", color=colour)
            titles.append(grows(f"{label}: 1/s₀ goes", CLOSE, means))
    ticks = deep["closeness"].unique()
    # Of the fewest factors, which come last.
    title = grows(f"{label}: ln(1/s₀) goes", CLOSE, logs)
    xlabel = f"closeness of the eigenvalues, {CLOSE[1:-1]}"
    describe(left, "xy", ticks, xlabel=xlabel, ylabel="1/s₀ of the largest initialisation", title="\n".join(titles))
    describe(right, "xy", ticks, xlabel=xlabel, ylabel="ln(1/s₀) of the largest initialisation", title=title)
    said = f"X* has the eigenvalues ρ and 1; d = {number(float(deep['d'].iloc[0]))}, {draws(deep)}"
    note = f"one by one: eigenvalue 2 of X is below 0.1 when eigenvalue 1 comes to 0.9ρ\n{SPREAD}"
    return finish(figure, note, caption=said)
