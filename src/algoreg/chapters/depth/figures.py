"""The figures about depth: thresholds by depth and start, eigenvalues one by one, and the start that this takes."""

import numpy as np

from algoreg.analysis.censoring import INSIDE
from algoreg.analysis.means import geometric_mean
from algoreg.analysis.thresholds import find_thresholds
from algoreg.chapters.depth.words import LABELS, TOLERANCE
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.tell.charts.course import points
from algoreg.tell.charts.law import law, margin_level, margin_slope
from algoreg.tell.charts.panels import describe, finish, panels, two_abreast
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, draws, margin_text, number, sizes
from algoreg.tell.figures import drawing


def thresholds_by_start(table):
    """Return a row per run and start at the end of T: ``start`` s₀ = α², ``ratio`` m*/(dr), and whether it is ``inside`` the grid."""
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
    for name, marker in (("depth-is-a-smaller-start", "v"), ("depth-samples", "^")):
        claim = claims[name]
        start, own = (claim["estimand"][where]["alpha"] ** 2 for where in ("over_where", "where"))
        mean = geometric_mean(three[np.isclose(three["start"] / start, 1)]["ratio"])
        label = f"UUᵀ, {margin_text(claim)} times three factors'"
        axes.plot(own, mean * claim["margin"], marker, color="black", markersize=5, label=label)


def _by_start(axes, tables, claims):
    """Draw m*/(dr) over the start, by depth."""
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
    describe(axes, "xy", xlabel="start s₀, X₀ = s₀·I", ylabel=level)


@drawing
def depth_thresholds(tables, claims):
    """Draw the share of runs that recover over m at the claims' start, and m* over the start, by depth."""
    figure, (left, right) = panels(2)
    alpha = claims["depth-samples"]["estimand"]["where"]["alpha"]
    _shares(left, tables, alpha)
    left.set_title(f"from X₀ = {number(alpha**2)}·I three factors\ntake fewer measurements than two")
    _by_start(right, tables, claims)
    right.set_title("two factors from the cube of a start\ntake about what three take")
    figure.suptitle(sizes(tables["depth_2"], "d", "rank"), fontsize=9)
    return finish(figure, SPREAD)


def _growth(axes, grown, depth):
    """Draw the eigenvalues of one run of a depth by η·t, until the last is learned."""
    own = grown[grown["depth"] == depth]
    for s, part in own.groupby("s"):
        axes.plot(part["time"], part["eigenvalue"], color=COLOURS[s - 1], label=f"eigenvalue {s} of X")
        axes.axhline(part["planted"].iloc[0], color=COLOURS[s - 1], linewidth=0.8, linestyle=":")
    axes.plot([], [], ":", color="black", linewidth=0.8, label="of X*")
    end = 1.15 * own[own["eigenvalue"] < 0.99 * own["planted"]]["time"].max()
    describe(axes, xlabel="η·t", ylabel="eigenvalue", title=f"depth {depth}: one run", xlim=(0, end))


def _by_depth(axes, table, value, claim, log, **texts):
    """Draw a value of every s over the depth, with the margin that three factors are held to."""
    for s, own in table.groupby("s"):
        style = {"geometric": bool(log), "linestyle": "none"}
        points(axes, own, "depth", value, COLOURS[s - 1], f"s = {s}", **style)
    margin_level(axes, claim, "at depth 3")
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
    texts = {"title": "how near X comes to X*_s", "ylabel": "smallest ‖X − X*_s‖/‖X*_s‖ (Frobenius)"}
    _by_depth(near, table, "nearest", claims["stages-at-practical-start"], "y", **texts)
    texts = {"title": "effective rank over that of X*_s", "ylabel": "ratio, when eigenvalue s is learned"}
    _by_depth(rank, table, "rank_excess", claims["depth-effective-rank"], "", **texts)
    start = number(float(table["alpha"].iloc[0]) ** 2)
    title = f"from X₀ = {start}·I three factors learn the eigenvalues one by one, two do so only in part"
    figure.suptitle(f"{title}\n{sizes(table, 'd', 'm_over_dr')}", fontsize=9)
    note = "X*_s: X* with its s largest eigenvalues; learned: above 0.9 of X*'s; bars: smallest to largest run"
    return finish(figure, note)


@drawing
def depth_start(tables, claims):
    """Draw the largest start from which two eigenvalues are learned one by one, over how close they are."""
    figure, (left, right) = panels(2)
    deep, shallow = tables["depth_start"], tables.get("depth_start_2")
    named = [(f"{depth} factors", own) for depth, own in deep.groupby("depth")]
    named += [] if shallow is None else [("2 factors", shallow)]
    margins = {3: "depth-start-threshold", 4: "depth-start-threshold-4"}
    for (label, own), colour in zip(named, COLOURS, strict=False):
        means = law(left, own, "closeness", "smallness", colour, label)
        logs = law(right, own, "closeness", "log_smallness", colour, label)
        name = margins.get(int(own["depth"].iloc[0]))
        if name:
            margin_slope(left, means, claims[name], label, color=colour)
    if shallow is not None:
        margin_slope(right, logs, claims["depth-2-start-threshold"], "2 factors")
    ticks = deep["closeness"].unique()
    describe(
        left,
        "xy",
        ticks,
        xlabel="1/(ρ − 1)",
        ylabel="1/s₀ of the largest start",
        title="a power of 1/(ρ − 1) for three and four factors",
    )
    describe(right, "xy", ticks, xlabel="1/(ρ − 1)", ylabel="ln(1/s₀)", title="and exponential in it for two")
    figure.suptitle(
        f"X* has the eigenvalues ρ and 1; d = {number(float(deep['d'].iloc[0]))}, {draws(deep)}", fontsize=9
    )
    return finish(figure, f"one by one: eigenvalue 2 of X is below 0.1 when eigenvalue 1 comes to 0.9ρ\n{SPREAD}")
