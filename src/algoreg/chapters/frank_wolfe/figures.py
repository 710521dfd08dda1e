"""The figures of Frank–Wolfe: its course, what a wrong trace costs, delays and batches,
quadratic networks, messages.
"""

import numpy as np

from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.course import course, points
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


@drawing
def frank_wolfe_networks(tables, claims):
    """Draw the error at the end over the examples, by the trace that Frank–Wolfe and Algorithm 1 are given, and
    descent's.
    """
    (claim,) = claims.values()
    table, own = tables["frank_wolfe_networks"], claim["estimand"]
    table = table.assign(m_over_dr=table["m"] / table["d"] / table["rank"])
    figure, (axes,) = panels(1, width=5.6, height=4.2)
    names = {"frank-wolfe": "Frank–Wolfe, open loop", "algorithm-1": "Algorithm 1 of LMZ18", "descent": "plain descent"}
    found = {}
    for (method, name), colour in zip(names.items(), COLOURS, strict=False):
        for factor, style in ((1.0, "-"), (0.8, ":"), (1.25, "--"))[: 1 if method == "descent" else None]:
            part = table[(table["method"] == method) & np.isclose(table["trace_factor"], factor)]
            marker = dict(zip(names, MARKERS, strict=False))[method]
            label = f"{name}, no prior knowledge" if method == "descent" else f"{name}, given {factor:g}·tr X*"
            if np.isfinite(part["test_error"]).any():
                points(axes, part, "m_over_dr", "test_error", colour, label, marker, linestyle=style)
            else:
                axes.plot([], [], "x", color=colour, label=f"{label}: all runs diverged")
            if factor == 1:
                found[method] = float(np.exp(find_thresholds(part, "d", own["tolerance"]).logs.mean()))
    axes.axhline(own["tolerance"], color="0.5", linewidth=0.9, label=f"recovered: below {own['tolerance']:g}")
    unit = table["d"].iloc[0] * table["rank"].iloc[0]
    level = claim["margin"] * found["algorithm-1"] / unit
    label = f"margin: {claim['margin']:g} of Algorithm 1's mean m*"
    axes.axvline(level, color="black", linestyle="--", linewidth=0.9, label=label)
    describe(axes, "xy", xlabel="examples m/(dr)", ylabel="relative error at the end")
    ratios = [rounded(found["frank-wolfe"] / found[other]) for other in ("algorithm-1", "descent")]
    axes.set_title(
        f"Frank–Wolfe takes {ratios[0]} times Algorithm 1's examples,\n{ratios[1]} times those of plain descent"
    )
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank"))


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
        kept = points(right, late, "d", "per_slow_step", COLOURS[place], f"{protocol} master", MARKERS[place])["mean"]
        waits.append(f"{protocol}: {rounded(kept.iloc[-1])}")
    describe(left, "xy", table["d"].unique(), xlabel="dimension d", ylabel="bytes per iteration, both ways")
    left.set_title(",\n".join(grown))
    describe(right, "y", slow["d"].unique(), xlabel="dimension d", ylabel="iterations per step of the slow worker")
    right.set_title(f"iterations per slow step at d = {slow['d'].max():g}:\n{', '.join(waits)}")
    meter = "the kernel's counters of every connection" if (table["from_kernel"] == 1).all() else "the records' lengths"
    workers = (
        f"left: {table['workers'].iloc[0]:g} workers; right: {slow['workers'].iloc[0]:g}, one waits before each step"
    )
    said = caption(workers, f"{table['ensemble'].nunique()} ensembles")
    return finish(figure, f"bytes: {meter}; right: of the clock, shown and not verified", caption=said)
