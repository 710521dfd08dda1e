"""The figures about greedy low-rank learning: where methods end by α, and where products of diagonal factors do, by depth."""

from algoreg.analysis.means import geometric_mean
from algoreg.tell.charts.course import paths
from algoreg.tell.charts.law import exponent, law, margin_slope, through
from algoreg.tell.charts.panels import describe, finish, panels, two_and_one
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, sizes
from algoreg.tell.figures import drawing

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
    chosen = _where(claim, "alpha")
    for name, (label, colour) in POINTS.items():
        kept = table.groupby("alpha")[name].apply(geometric_mean)
        inner = kept[chosen(kept.index)]
        said = f"{label}: exponent {exponent(inner.index, inner):.2f} in α"
        paths(axes, table, "alpha", name, colour, said)
        if name == "distance_to_greedy":
            margin_slope(axes, inner[::-1], claim, color="black")
            slope = exponent(inner.index, inner)
    title = f"descent leaves the least trace; to greedy learning's end\nit falls as α to the power {slope:.2f}"
    describe(axes, "xy", xlabel="α, U₀ = αI", ylabel="distance/‖X*‖ (Frobenius)", title=title)


def _mirror(axes, table, claim):
    """Draw both distances of mirror descent's end over ln(1/s₀), with the law 1/ln(1/s₀)."""
    for name, (label, colour) in POINTS.items():
        means = law(axes, table, "log_smallness", name, colour, label, linestyle="none")
        if name == "distance_to_min_trace":
            label = f"margin: exponent {claim['estimand']['expected']:g} ± {claim['margin']:g}, exactly it drawn"
            through(axes, means, lambda x: 1 / x, label, line=":")
            slope = exponent(means.index, means)
    title = f"mirror descent's end nears the least trace:\nas ln(1/s₀) to the power {slope:.2f}"
    ticks = [float(f"{tick:.3g}") for tick in table["log_smallness"].unique()]
    describe(axes, "xy", ticks, xlabel="ln(1/s₀), X₀ = s₀·I = α²·I", ylabel="distance/‖X*‖ (Frobenius)", title=title)


def _by_draw(axes, table, claim):
    """Draw the exponent of every run's distance to greedy low-rank learning's end over the gap of −M(0)."""
    own, below = table[_where(claim, "alpha")(table["alpha"])], 0
    for place, (_, run) in enumerate(own.groupby(["target", "ensemble"])):
        run = run.sort_values("alpha")
        slope = exponent(run["alpha"], run["distance_to_greedy"])
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
    """Draw the distances of descent's and of mirror descent's ends to greedy low-rank learning's and to the least trace."""
    figure, (left, middle, right) = two_and_one()
    table = tables["greedy_ends"]
    own = table[table["method"] == "descent"]
    mirror = tables["greedy_mirror"]
    _descent(left, own, claims["greedy-below"])
    _by_draw(middle, own, claims["greedy-below"])
    _mirror(right, mirror[mirror["method"] == "mirror"], claims["mirror-least-trace"])
    figure.suptitle(f"{sizes(own, 'd', 'rank', 'm_over_dr')} (mirror: {sizes(mirror)})", fontsize=9)
    return finish(figure, f"above left: thin lines are runs, thick ones geometric means; below: {SPREAD}")


@drawing
def greedy_commuting(tables, claims):
    """Draw the distance to the least trace, and to X*, over the start, by depth."""
    figure, (axes,) = panels(1, width=5.6)
    table, claim = tables["greedy_commuting"], claims["commuting-depth"]
    chosen = _where(claim, "start")
    for depth, colour in zip(sorted(table["depth"].unique()), COLOURS, strict=False):
        own = table[table["depth"] == depth]
        label = f"depth {depth}, to the least trace"
        means = law(axes, own, "start", "distance_to_min_trace", colour, label, fitted=chosen)
        if depth == claim["estimand"]["where"]["depth"]:
            inner = means[chosen(means.index)]
            margin_slope(axes, inner[::-1], claim, f"depth {depth}: exponent", color="black")
            slope = exponent(inner.index, inner)
    deepest = table[table["depth"] == table["depth"].max()]
    law(axes, deepest, "start", "distance_to_target", "black", f"depth {depth}, to X*", "s", chosen, linestyle="--")
    title = f"three factors end at the least trace too, faster than two: as s₀ to the power {slope:.2f}"
    describe(axes, "xy", table["start"].unique(), xlabel="start s₀, X₀ = s₀·I", ylabel="distance/‖X*‖", title=title)
    figure.suptitle(f"diagonal measurements: {sizes(table, 'd', 'm')}", fontsize=9)
    return finish(figure, SPREAD)
