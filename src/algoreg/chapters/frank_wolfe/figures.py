"""The figures of Frank–Wolfe: its course, what a wrong trace costs, delays and batches,
quadratic networks, messages.
"""

import numpy as np

from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.course import course, dodged, points
from algoreg.reporting.charts.law import grows, law, margin_slope
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import GEOMETRIC_BAND, SPREAD, caption, rounded, sizes
from algoreg.reporting.figures import drawing

RULES = {"open-loop": "open loop, γ = 2/(k + 2)", "line-search": "exact line search"}
SHORT = {"open-loop": "open loop: the loss goes", "line-search": "exact line search:"}
MARKERS = ("o", "s", "^", "D", "v")


@drawing
def frank_wolfe_course(tables, claims):
    """Draw the training loss over the iterations, by step rule, with the exact trace and with nine tenths of it."""
    table = tables["frank_wolfe_course"]
    figure, (axes,) = panels(1, width=5.6, height=4.2)
    said = []
    for place, (rule, name) in enumerate(RULES.items()):
        for factor, style in ((1.0, "-"), (0.9, ":")):
            own = table[(table["rule"] == rule) & (table["trace_factor"] == factor)]
            label = f"{name}, θ = {factor:g}·tr X*"
            means = law(axes, own, "iteration", "loss", COLOURS[place], label, MARKERS[place], linestyle=style)
            if factor == 1:
                said.append(grows(SHORT[rule], "k", means))
            if rule == "open-loop" and factor == 1:
                for claim, line in zip(claims.values(), (":", "--"), strict=True):
                    margin_slope(axes, means, claim, line=line)
    describe(axes, "xy", xlabel="iteration k", ylabel="training loss, relative")
    axes.set_title(", ".join(said))
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def frank_wolfe_trace(tables, claims):
    """Draw the error at the end over the trace that Frank–Wolfe is given, beside descent's."""
    (claim,) = claims.values()
    table = tables["frank_wolfe_trace"]
    figure, (axes,) = panels(1, width=5.4, height=4.0)
    told, free = (table[table["method"] == method] for method in ("told θ", "descent"))
    label = "Frank–Wolfe of low rank, given θ"
    own = course(axes, told, "trace_factor", "test_error", COLOURS[0], label, marker="o")["mean"]
    kept = course(axes, free, "trace_factor", "test_error", COLOURS[1], "descent from α = 10⁻³, no prior knowledge")
    factor = claim["estimand"]["trace_factor"]
    level = kept["mean"].iloc[0] * 10 ** float(claim["margin"])
    axes.plot(
        factor,
        level,
        "_",
        color="black",
        markersize=16,
        label=f"margin at {factor:g}: descent's error × {10 ** float(claim['margin']):.2f}",
    )
    describe(axes, "y", xlabel="θ over the trace of X*", ylabel="relative error at the end")
    ratio = own.get(factor, np.nan) / kept["mean"].iloc[0]
    axes.set_title(f"given {factor:g} times the trace, Frank–Wolfe's error\nis {rounded(ratio)} times descent's")
    return finish(figure, GEOMETRIC_BAND, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def stochastic_frank_wolfe(tables, claims):
    """Draw the error at the last iteration over the delay and over the batch, and its course by batch."""
    table = tables["stochastic_frank_wolfe"]
    last = table[table["iteration"] == table["iteration"].max()]
    figure, (left, middle, right) = two_and_one()
    means = law(left, last[last["batch"] == 0], "lag", "test_error", COLOURS[0], "all measurements")
    margin_slope(left, means, claims["sfw-delay"])
    left.set_title(grows("all measurements: the error grows", "(1 + τ)", means))
    for lag, colour, marker in zip(sorted(table["lag"].unique()), COLOURS, MARKERS, strict=False):
        own = last[(last["lag"] == lag) & (last["batch"] > 0)]
        means = law(middle, own, "batch", "test_error", colour, f"τ = {lag - 1:g}", marker)
        if lag == 1:
            margin_slope(middle, means, claims["sfw-batch-floor"])
            middle.set_title(grows("τ = 0: the error goes", "b", means))
    ends = {}
    for batch, colour, marker in zip(sorted(table["batch"].unique()), COLOURS, MARKERS, strict=False):
        own = table[(table["batch"] == batch) & (table["lag"] == 1)]
        label = f"b = {batch:g}" if batch else "all measurements"
        ends[label] = points(right, own, "iteration", "test_error", colour, label, marker)["mean"].iloc[-1]
    at_end = f"relative error at k = {table['iteration'].max():g}"
    describe(left, "xy", last["lag"].unique(), xlabel="1 + τ", ylabel=at_end)
    describe(middle, "xy", last.loc[last["batch"] > 0, "batch"].unique(), xlabel="batch b", ylabel=at_end)
    (first, *_, largest), k = ends, f"{table['iteration'].max():g}"
    title = f"τ = 0, k = {k}: {first} end at {rounded(ends[first])}, {largest} at {rounded(ends[largest])}"
    describe(right, "xy", xlabel="iteration k", ylabel="relative error", title=title)
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


NETWORKS = {"frank-wolfe": "Frank–Wolfe", "algorithm-1": "Algorithm 1 of LMZ18", "descent": "plain descent"}


@drawing
def frank_wolfe_networks(tables, claims):
    """Draw the error at the end over the examples, by the trace that Frank–Wolfe and Algorithm 1 are given, and
    descent's.
    """
    (claim,) = claims.values()
    table, own = tables["frank_wolfe_networks"], claim["estimand"]
    table = table.assign(m_over_dr=table["m"] / table["d"] / table["rank"])
    figure, grid = panels(2, height=4.0, sharey=True)
    found = {name: _mean_threshold(table, name, own["tolerance"]) for name in NETWORKS}
    unit = table["d"].iloc[0] * table["rank"].iloc[0]
    for axes, method in zip(grid, ("frank-wolfe", "algorithm-1"), strict=True):
        for place, (name, factor) in enumerate([(method, 1.0), (method, 0.8), (method, 1.25), ("descent", 1.0)]):
            part = table[(table["method"] == name) & np.isclose(table["trace_factor"], factor)]
            given = "no prior knowledge" if name == "descent" else f"given {factor:g}·tr X*"
            label, look = f"{NETWORKS[name]}, {given}", (COLOURS[place], "osD^"[place])
            if np.isfinite(part["test_error"]).any():
                points(
                    axes, dodged(part, "m_over_dr", place, 4, 1.015), "m_over_dr", "test_error", look[0], label, look[1]
                )
            else:
                axes.plot([], [], "x", color=look[0], label=f"{label}: all runs diverged")
        axes.axhline(own["tolerance"], color="0.5", linewidth=0.9, label=f"recovered: below {own['tolerance']:g}")
        describe(axes, "xy", xlabel="examples m/(dr)")
    beside, plain, other = (
        rounded(found[one] / found[two])
        for one, two in (("frank-wolfe", "algorithm-1"), ("frank-wolfe", "descent"), ("algorithm-1", "descent"))
    )
    grid[0].set_title(f"Frank–Wolfe takes {beside} times Algorithm 1's\nexamples, {plain} times those of plain descent")
    grid[1].set_title(f"Algorithm 1 of LMZ18 takes\n{other} times the examples of plain descent")
    level = claim["margin"] * found["algorithm-1"] / unit
    label = f"margin: {claim['margin']:g} of Algorithm 1's mean m*"
    grid[0].axvline(level, color="black", linestyle="--", linewidth=0.9, label=label)
    grid[0].set_ylabel("relative error at the end")
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank"))


def _mean_threshold(table, method, tolerance):
    """Return the geometric mean of the m* of a method that is given the trace."""
    part = table[(table["method"] == method) & np.isclose(table["trace_factor"], 1.0)]
    return float(np.exp(find_thresholds(part, "d", tolerance).logs.mean()))


@drawing
def frank_wolfe_messages(tables, claims):
    """Draw the bytes per iteration over d by protocol, and the iterations for every step of a slow worker."""
    (claim,) = claims.values()
    table, slow = tables["frank_wolfe_messages"], tables["frank_wolfe_straggler"]
    figure, (left, right) = panels(2, height=3.9)
    places = {protocol: place for place, protocol in enumerate(("asynchronous", "synchronous"))}
    grown, waits = [], []
    for protocol, place in places.items():
        own = table[table["protocol"] == protocol]
        means = law(left, own, "d", "bytes", COLOURS[place], f"{protocol} master", MARKERS[place])
        if protocol == "asynchronous":
            margin_slope(left, means, claim)
        grown.append(grows(f"{protocol}: bytes grow", "d", means))
        late = slow[slow["protocol"] == protocol]
        label, marker = f"{protocol} master", MARKERS[place]
        kept = points(right, late, "d", "per_slow_step", COLOURS[place], label, marker, linestyle="none")["mean"]
        waits.append(f"{protocol}: {rounded(kept.iloc[-1])}")
    describe(left, "xy", table["d"].unique(), xlabel="dimension d", ylabel="bytes per iteration, both ways")
    left.set_title(",\n".join(grown))
    describe(right, "y", slow["d"].unique(), xlabel="dimension d", ylabel="iterations per step of the slow worker")
    right.set_title(f"iterations per slow step at d = {slow['d'].max():g}:\n{', '.join(waits)}")
    workers = (
        f"left: {table['workers'].iloc[0]:g} workers; right: {slow['workers'].iloc[0]:g}, one waits before each step"
    )
    said = caption(workers, f"{table['ensemble'].nunique()} ensembles")
    return finish(figure, "bytes: the records' lengths; right: of the clock, shown and not verified", caption=said)
