"""The figures of positivity: what fits beside X*, from how many measurements on nothing does, the published table."""

import numpy as np
import pandas as pd

from algoreg.chapters.positivity.estimands import DIMENSIONS, uniqueness_thresholds
from algoreg.chapters.positivity.words import NAMES
from algoreg.claims.cells import chosen
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import psd_statistical_dimension, trace_statistical_dimension
from algoreg.reporting.charts.course import bars, points, spread_of
from algoreg.reporting.charts.law import grows, margin_level, margin_slope, with_exponent
from algoreg.reporting.charts.panels import describe, finish, panels, two_abreast
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, draws, rounded, sizes
from algoreg.reporting.figures import drawing

METHODS = {
    "far": "nearest to a far point",
    "least_frobenius": "least Frobenius norm",
    "least_trace": "least trace",
    "descent": "descent from α = 10⁻³",
}
MARKERS = ("o", "s", "^", "D")
LANDED = "splittings stop below 10⁻⁶, where they have found X*"


@drawing
def positivity(tables, claims):
    """Draw the distance to X* of four matrices that fit, over d, one panel for every kind of measurement."""
    table = tables["positivity"]
    kinds = [kind for kind in NAMES if kind in set(table["kind"])]
    figure, grid = two_abreast(len(kinds), height=3.6, sharey=True)
    for axes, kind in zip(grid, kinds, strict=True):
        own = table[table["kind"] == kind]
        means = {}
        for (method, name), colour, marker in zip(METHODS.items(), COLOURS, MARKERS, strict=False):
            means[method] = points(axes, own[own["method"] == method], "d", "distance", colour, name, marker)["mean"]
        last = means["far"].iloc[-1] if len(means["far"]) else np.nan
        title = (
            f"{NAMES[kind]}: at d = {own['d'].max():g} the fit nearest\nto a far point is {rounded(last)}·‖X*‖ from X*"
        )
        describe(axes, "y", xticks=own["d"].unique(), xlabel="dimension d", title=title)
        needed = ", ".join(
            f"{x:.3g}" for x in own.groupby("d")["psd_dimension"].first() / own.groupby("d")["m"].first()
        )
        axes.plot([], [], " ", label=f"positivity's dimension over m: {needed}")
    limit = claims["unique-with-one-trace"]["estimand"]["limit"]
    more = tables["unique_far"].query("kind == 'trace_row'")["distance"]
    label = f"below: counts as X* ({(more < limit).sum()} of {len(more)} further draws)"
    grid[kinds.index("trace_row")].axhline(limit, color="black", linewidth=0.9, linestyle="--", label=label)
    for axes in grid[::2]:
        axes.set_ylabel("distance to X*, over ‖X*‖")
    return finish(figure, f"{SPREAD}; {LANDED}", caption=sizes(table, "rank", "m_over_dr"))


@drawing
def unique_samples(tables, claims):
    """Draw from how many measurements on X* is the only one, over d, beside both statistical dimensions."""
    (claim,) = claims.values()
    figure, (axes,) = panels(1, width=5.6, height=4.2)
    every = {}
    for place, (table, kind) in enumerate(
        (("unique_samples_gaussian", "gaussian"), ("unique_samples", "trace_row"), ("unique_samples", "wishart"))
    ):
        found = uniqueness_thresholds(chosen(tables[table], {"kind": kind}))
        kept = spread_of(found.logs, found.sizes)
        every[kind] = kept["mean"]
        label = with_exponent(NAMES[kind], kept["mean"])
        bars(axes, kept.index, kept, COLOURS[place], label, MARKERS[place], markersize=5)
    grid = np.unique(np.geomspace(found.sizes[0], found.sizes[-1], 30).round().astype(int))
    axes.plot(
        grid, [psd_statistical_dimension(int(d), 1) for d in grid], "-", color="black", label="dimension: positivity"
    )
    axes.plot(
        grid,
        [trace_statistical_dimension(int(d), 1) for d in grid],
        "-.",
        color="black",
        label="dimension: least trace",
    )
    margin_slope(axes, every["wishart"], claim)
    table = tables["unique_samples"]
    describe(axes, "xy", found.sizes, xlabel="dimension d", ylabel="m* from which on X* is the only one")
    said = (grows(f"{NAMES[kind]}: m* grows", "d", every[kind]) for kind in ("gaussian", "wishart"))
    axes.set_title(",\n".join(said))
    undecided = np.mean(
        [(tables[name]["status"] == "budget").mean() for name in ("unique_samples", "unique_samples_gaussian")]
    )
    note = f"geometric means and range of draws; m* lies half way between decided runs, {100 * undecided:.0f} % are undecided"
    return finish(figure, note, columns=2, caption=sizes(table, "rank"))


@drawing
def least_trace_samples(tables, claims):
    """Draw the m* of the least trace over its statistical dimension, by d and r."""
    (claim,) = claims.values()
    table, tolerance = tables["least_trace_samples"], claim["estimand"]["tolerance"]
    figure, (axes,) = panels(1, width=5.2, height=4.0)
    ranks, worst = sorted(table["rank"].unique()), 1.0
    for rank, colour, marker in zip(ranks, COLOURS, MARKERS, strict=False):
        found = find_thresholds(table[table["rank"] == rank], "d", tolerance)
        predicted = np.array([DIMENSIONS["least trace"](int(d), int(rank)) for d in found.sizes])
        kept = spread_of(found.logs, found.sizes, predicted)
        worst = max(worst, kept["mean"].max(), 1 / kept["mean"].min())
        shift = 1 + 0.012 * (ranks.index(rank) - (len(ranks) - 1) / 2)
        bars(axes, kept.index * shift, kept, colour, f"r = {rank}", marker, markersize=5)
    margin = float(claim["margin"])
    axes.axhspan(1 / margin, margin, color="grey", alpha=0.15, label=f"margin: a factor of {margin:g}")
    axes.axhline(1, color="black", linewidth=0.9, label="statistical dimension")
    describe(axes, "", found.sizes, xlabel="dimension d", ylabel="m* of the least trace over its dimension")
    axes.set_title(f"least trace: m* lies within a factor of {worst:.2f}\nof the statistical dimension")
    said = caption(f"m* where the error falls through {tolerance:g}", draws(table))
    return finish(figure, "geometric means and range of draws; points are moved apart", columns=2, caption=said)


def _farthest(means, claim):
    """Return in words how far fits lie from X*: those farthest on average, by n,
    are all near X* or one of them is not.
    """
    if means.max() < claim["margin"]:
        return f"fits lie {rounded(means.max())}·‖X*‖ from X* or less, on average"
    return f"at n = {means.idxmax():g} another fit lies {rounded(means.max())}·‖X*‖ from X*, on average"


@drawing
def geyer_pauli(tables, claims):
    """Draw the distances of what fits the Pauli effects and as many Gaussian measurements,
    beside the published table.
    """
    (claim,) = claims.values()
    table = tables["geyer_pauli"]
    names = {method: name for method, name in METHODS.items() if method in set(table["method"])}
    figure, grid = panels(2, height=3.9, sharey=True)
    published = pd.concat(
        [tables[name] for name in tables if name.startswith("published/geyer_table_1")], ignore_index=True
    )
    for axes, kind in zip(grid, ("pauli_effects", "hermitian"), strict=True):
        own = table[table["kind"] == kind].assign(n=lambda frame: frame["d"] // 2)
        means = {}
        for (method, name), colour, marker in zip(names.items(), COLOURS, MARKERS, strict=False):
            part, style = own[own["method"] == method], {"linestyle": "none"}
            means[method] = points(axes, part, "n", "distance", colour, name, marker, **style)["mean"]
            rows = published[(published["method"] == method) & published["d"].isin(own["n"])]
            if kind == "pauli_effects" and len(rows):
                label = f"{name}, published"
                axes.plot(rows["d"], rows["value"], "x", color=colour, markersize=6, label=label)
        title = f"{NAMES[kind]}:\n{_farthest(pd.DataFrame(means).max(axis=1), claim)}"
        describe(axes, "y", xticks=own["n"].unique(), xlabel="size n of the state", title=title)
        margin_level(axes, claim)
    for axes in grid[::2]:
        axes.set_ylabel("distance to X*, over ‖X*‖")
    return finish(figure, f"{SPREAD}; {LANDED}", caption=caption("A pure state", sizes(table, "m")))
