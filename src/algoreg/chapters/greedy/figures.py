"""The figures about greedy low-rank learning: where methods end by α,
and where products of diagonal factors do, by depth.
"""

from algoreg.claims.cells import geometric_mean
from algoreg.reporting.charts.course import paths
from algoreg.reporting.charts.law import exponent, grows, law, margin_slope, through, with_exponent
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, number, sizes
from algoreg.reporting.figures import drawing

GREEDY, TRACE = COLOURS[:2]
POINTS = {
    "distance_to_greedy": ("to the end of greedy low-rank learning", GREEDY),
    "distance_to_min_trace": ("to the least trace", TRACE),
}


def _where(claim, table):
    """Return which of a column's values a claim's exponent is of, as a function of an index."""
    return lambda index: [
        any(abs(point / own - 1) < 1e-8 for own in claim["estimand"]["where"][table]) for point in index
    ]


def _descent(axes, table, claim):
    """Draw both distances of descent's end over α, every run and the mean, and the margin of the one that falls."""
    chosen, means = _where(claim, "alpha"), {}
    for name, (label, colour) in POINTS.items():
        kept = table.groupby("alpha")[name].apply(geometric_mean)
        inner = means[name] = kept[chosen(kept.index)]
        paths(axes, table, "alpha", name, colour, f"{with_exponent(label, inner)} in α")
        if name == "distance_to_greedy":
            margin_slope(axes, inner[::-1], claim, color="black")
    said = "descent's distance to greedy learning's end goes"
    title = f"{grows(said, 'α', means['distance_to_greedy'])},\n{grows('to the least trace', 'α', means['distance_to_min_trace'])}"
    ylabel = "distance/‖X*‖ (Frobenius)"
    describe(axes, "xy", xlabel="initialisation scale α, U₀ = αI", ylabel=ylabel, title=title)


def _mirror(axes, table, claim):
    """Draw both distances of mirror descent's end over ln(1/s₀), with the law 1/ln(1/s₀)."""
    for name, (label, colour) in POINTS.items():
        means = law(axes, table, "log_smallness", name, colour, label, linestyle="none")
        if name == "distance_to_min_trace":
            expected = number(claim["estimand"]["expected"])
            label = f"margin: exponent {expected} ± {claim['margin']:g}; drawn: {expected}"
            through(axes, means, lambda x: 1 / x, label, line=":")
            title = grows("mirror descent's distance to the least trace goes", "[ln(1/s₀)]", means)
    ticks = [float(f"{tick:.3g}") for tick in table["log_smallness"].unique()]
    describe(axes, "xy", ticks, xlabel="ln(1/s₀), X₀ = s₀·I = α²·I", ylabel="distance/‖X*‖ (Frobenius)", title=title)


def _by_draw(axes, table, claim):
    """Draw the exponent of every run's distance to greedy low-rank learning's end over the gap of −M(0)."""
    own, below = table[_where(claim, "alpha")(table["alpha"])], 0
    for place, (_, run) in enumerate(own.groupby(["target", "ensemble"])):
        run = run.sort_values("alpha")
        slope = exponent(run.set_index("alpha")["distance_to_greedy"])
        below += slope < 2 * run["gap"].iloc[0]
        axes.plot(run["gap"].iloc[0], slope, "o", color=GREEDY, markersize=4, label=None if place else "a run")
    ends = [0, own["gap"].max()]
    axes.plot(ends, [0, 2 * ends[1]], ":", color="black", linewidth=0.9, label="twice the gap")
    axes.axhline(
        claim["margin"], color="black", linestyle="--", linewidth=0.9, label=f"margin of the mean: {claim['margin']:g}"
    )
    texts = {"xlabel": "gap of −M(0): 1 − λ₂/λ₁", "ylabel": "exponent in α of the distance"}
    describe(
        axes, title=f"each draw has its own exponent:\nbelow twice the gap in {below} of {place + 1} runs", **texts
    )


@drawing
def greedy_ends(tables, claims):
    """Draw the distances of descent's and of mirror descent's ends to greedy low-rank learning's
    and to the least trace.
    """
    figure, (left, middle, right) = two_and_one()
    table = tables["greedy_ends"]
    own = table[table["method"] == "descent"]
    mirror = tables["greedy_mirror"]
    _descent(left, own, claims["greedy-below"])
    _by_draw(middle, own, claims["greedy-below"])
    _mirror(right, mirror[mirror["method"] == "mirror"], claims["mirror-least-trace"])
    said = caption(sizes(own, "d", "rank", "m_over_dr"), f"mirror descent: {sizes(mirror)}")
    return finish(figure, f"above left: thin lines are runs, thick ones geometric means; below: {SPREAD}", caption=said)


@drawing
def greedy_commuting(tables, claims):
    """Draw the distance to the least trace, and to X*, over the initialisation, by depth."""
    figure, (axes,) = panels(1, width=5.6)
    table, claim = tables["greedy_commuting"], claims["commuting-depth"]
    chosen, said = _where(claim, "start"), []
    for depth, colour in zip(sorted(table["depth"].unique()), COLOURS, strict=False):
        own = table[table["depth"] == depth]
        label = f"depth {depth}, to the least trace"
        means = law(axes, own, "start", "distance_to_min_trace", colour, label, fitted=chosen)
        inner = means[chosen(means.index)]
        said.append(grows(f"depth {depth}", "s₀", inner))
        if depth == claim["estimand"]["where"]["depth"]:
            margin_slope(axes, inner[::-1], claim, f"depth {depth}: exponent", color="black")
    deepest = table[table["depth"] == table["depth"].max()]
    law(axes, deepest, "start", "distance_to_target", "black", f"depth {depth}, to X*", "s", chosen, linestyle="--")
    title = f"the distance to the least trace goes at\n{', '.join(said)}"
    describe(
        axes,
        "xy",
        table["start"].unique(),
        xlabel="initialisation s₀, X₀ = s₀·I",
        ylabel="distance/‖X*‖ (Frobenius)",
        title=title,
    )
    return finish(figure, SPREAD, caption=caption("Diagonal measurements", sizes(table, "d", "m")))
