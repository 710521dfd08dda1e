"""The figures about depth: thresholds by depth and start, eigenvalues one by one, and the start that this takes."""

import numpy as np

from algoreg.analysis.censoring import INSIDE
from algoreg.analysis.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.tell.charts.course import points
from algoreg.tell.charts.law import law, margin_level, margin_slope
from algoreg.tell.charts.panels import describe, finish, panels
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, draws, number, sizes
from algoreg.tell.figures import drawing

DEPTHS = {"depth_2": 2, "depth_2_power": 2, "depth_3": 3, "depth_4": 4}
LABELS = {"depth_2": "UUᵀ", "depth_2_power": "U², U symmetric", "depth_3": "three factors", "depth_4": "four factors"}
TOLERANCE = 0.1


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


@drawing
def depth_thresholds(tables, claims):
    """Draw the share of runs that recover over m at the claims' start, and m* over the start, by depth."""
    figure, (left, right) = panels(2, width=4.9)
    claim = claims["depth-samples"]
    alpha, first = claim["estimand"]["over_where"]["alpha"], tables["depth_2"]
    _shares(left, tables, alpha)
    left.set_title(f"from X₀ = {number(alpha**2)}·I more factors take fewer measurements")
    for place, (name, label) in enumerate(LABELS.items()):
        if name in tables:
            found = thresholds_by_start(tables[name])
            off = int((~found["inside"]).sum())
            said = f"{label}\n({off} of {len(found)} runs off the grid, at its end)" if off else label
            marker = "s" if name == "depth_2_power" else "o"
            points(right, found, "start", "ratio", COLOURS[place], said, marker)
    least = degrees_of_freedom(*(int(first[name].iloc[0]) for name in ("d", "rank")))
    least /= first["d"].iloc[0] * first["rank"].iloc[0]
    right.axhline(least, color="black", linewidth=0.8, linestyle=":", label="degrees of freedom")
    cube = thresholds_by_start(tables["depth_3"])
    cube = cube[np.isclose(cube["start"], alpha**2)]["ratio"]
    level = np.exp(np.log(cube).mean()) * claims["depth-is-a-smaller-start"]["margin"]
    text = f"margin at X₀ = {number(alpha**6)}·I: below {claims['depth-is-a-smaller-start']['margin']:g} times three factors'"
    right.plot(alpha**6, level, "v", color="black", markersize=5, label=text)
    right.plot(
        alpha**2,
        np.exp(np.log(cube).mean()) * claim["margin"],
        "^",
        color="black",
        markersize=5,
        label=f"margin at X₀ = {number(alpha**2)}·I: above {claim['margin']:g} times three factors'",
    )
    describe(
        right, "xy", xlabel="start s₀, X₀ = s₀·I", ylabel=f"m*/(dr), m* where the error falls through {TOLERANCE:g}"
    )
    right.set_title("two factors from the cube of a start need about what three need")
    figure.suptitle(sizes(first, "d", "rank"), fontsize=9)
    return finish(figure, SPREAD)


@drawing
def depth_stages(tables, claims):
    """Draw eigenvalues by η·t for every depth, the smallest distances to X*'s truncations, and the effective ranks."""
    table, grown = tables["depth_stages"], tables.get("depth_course")
    depths = [] if grown is None else sorted(grown["depth"].unique())
    figure, grid = panels(len(depths) + 2, width=3.6, height=3.6)
    for axes, depth in zip(grid, depths, strict=False):
        for s, own in grown[grown["depth"] == depth].groupby("s"):
            axes.plot(own["time"], own["eigenvalue"], color=COLOURS[s - 1], label=f"eigenvalue {s} of X")
            axes.axhline(own["planted"].iloc[0], color=COLOURS[s - 1], linewidth=0.8, linestyle=":")
        axes.plot([], [], ":", color="black", linewidth=0.8, label="of X*")
        last = grown[(grown["depth"] == depth) & (grown["eigenvalue"] < 0.99 * grown["planted"])]["time"].max()
        describe(axes, xlabel="η·t", ylabel="eigenvalue", title=f"depth {depth}: one run", xlim=(0, 1.15 * last))
    for axes, value, title, name in (
        (grid[-2], "nearest", "how near X comes to X*_s", "stages-at-practical-start"),
        (grid[-1], "rank_excess", "effective rank over that of X*_s", "depth-effective-rank"),
    ):
        for s, own in table.groupby("s"):
            points(
                axes, own, "depth", value, COLOURS[s - 1], f"s = {s}", geometric=value == "nearest", linestyle="none"
            )
        margin_level(axes, claims[name], "at depth 3")
        describe(axes, "y" if value == "nearest" else "", xlabel="depth N", xticks=table["depth"].unique(), title=title)
        axes.set_xlim(table["depth"].min() - 0.5, table["depth"].max() + 0.5)
    grid[-2].set_ylabel("smallest ‖X − X*_s‖/‖X*_s‖ (Frobenius)")
    grid[-1].set_ylabel("ratio, when eigenvalue s is learned")
    start = number(float(table["alpha"].iloc[0]) ** 2)
    title = f"from X₀ = {start}·I three factors learn the eigenvalues one by one, two do so only in part"
    figure.suptitle(f"{title}\n{sizes(table, 'd', 'm_over_dr')}", fontsize=9)
    return finish(
        figure, "X*_s: X* with its s largest eigenvalues; learned: above 0.9 of X*'s; bars: smallest to largest run"
    )


@drawing
def depth_start(tables, claims):
    """Draw the largest start from which two eigenvalues are learned one by one, over how close they are."""
    figure, (left, right) = panels(2, width=4.7)
    deep, shallow = tables["depth_start"], tables.get("depth_start_2")
    named = [(f"{depth} factors", own) for depth, own in deep.groupby("depth")]
    named += [] if shallow is None else [("2 factors", shallow)]
    margins = {3: "depth-start-threshold", 4: "depth-start-threshold-4"}
    for (label, own), colour in zip(named, COLOURS, strict=False):
        means = law(left, own, "closeness", "smallness", colour, label)
        law(right, own, "closeness", "log_smallness", colour, label)
        name = margins.get(int(own["depth"].iloc[0]))
        if name:
            margin_slope(left, means, claims[name], label, color=colour)
    if shallow is not None:
        means = shallow.groupby("closeness")["log_smallness"].mean()
        margin_slope(right, means, claims["depth-2-start-threshold"], "2 factors")
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
