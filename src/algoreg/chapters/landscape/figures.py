"""The figures of the landscapes: which starts end at X*, by width and size,
which widths and signs are enough, what large starts do.
"""

import numpy as np
import pandas as pd

from algoreg.chapters.landscape.estimands import needed_widths, start_thresholds
from algoreg.claims.cells import cells, geometric_mean
from algoreg.claims.intervals import exact_shares
from algoreg.reporting.charts.course import bars, course, points
from algoreg.reporting.charts.law import grows, law, margin_level, margin_slope
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import caption, draws, number, rounded, signed, sizes
from algoreg.reporting.figures import drawing

SPREAD = "bars: smallest to largest share of an ensemble, 95 % intervals where each has one run"


def _shares(axes, frame, x, value, colour, label, marker="o", **style):
    """Draw the share of runs for which ``value`` is 1 along ``x``, and how far it goes; see ``SPREAD``."""
    by_ensemble = frame.groupby([x, "ensemble"])[value].mean().unstack()
    means, (low, high) = by_ensemble.mean(axis=1), (by_ensemble.min(axis=1), by_ensemble.max(axis=1))
    if frame["target"].nunique() == 1:
        low, high = exact_shares(means, by_ensemble.shape[1])
    kept = {"mean": means, "low": low, "high": high}
    bars(axes, by_ensemble.index, kept, colour, label, marker, **style)


def _spare(axes, table, claim):
    """Draw the share of starts at the least loss over the width, and what stops the others."""
    _shares(axes, table, "positive", "optimal", TEST, "L-BFGS from N(0, 1/units) entries")
    lost = table[(table["positive"] == 1) & (table["optimal"] == 0)]
    if len(lost):
        strict = (lost["curvature"] > 0).sum()
        text = f"{strict} of the {len(lost)} others are\nstrict local minima"
        axes.annotate(text, (1.08, float(table.loc[table["positive"] == 1, "optimal"].mean())), fontsize=7, va="top")
    margin_level(axes, claim, "two units,")
    shares = table.groupby("positive")["optimal"].mean()
    said = ", ".join(f"{share:.0%} with {units:g}" for units, share in shares.iloc[:2].items())
    axes.set_xticks(sorted(table["positive"].unique()))
    axes.set(
        xlabel="units", ylabel="share of runs at loss 0", title=f"ends at loss 0, by units: {said}", ylim=(0, 1.05)
    )


def _small(axes, table, claim):
    """Draw the share of starts that descent takes to X* over their size, by width and m."""
    lines = [
        (width, ratio) for ratio in sorted(table["m_over_d"].unique()) for width in sorted(table["width"].unique())
    ]
    for (width, ratio), colour, marker in zip(lines, COLOURS, "osD^v<", strict=False):
        part = table[(table["width"] == width) & (table["m_over_d"] == ratio)]
        label = f"{width} unit{'s' if width > 1 else ''}, m = {ratio}d"
        _shares(axes, part, "alpha", "recovered", colour, label, marker)
    own = claim["estimand"]
    where = (
        table["width"].eq(1)
        & table["m_over_d"].eq(own["where"]["m_over_d"])
        & np.isclose(table["alpha"], own["second"])
    )
    title = f"units: {', '.join(f'{width:g}' for width in sorted(table['width'].unique()))}"
    if where.any():
        level = table.loc[where, "recovered"].mean() + claim["margin"]
        label = f"margin: {claim['margin']:g} above the share of size {own['second']:g}, at {number(own['first'])}"
        axes.axhline(level, color="black", linestyle="--", linewidth=0.9, label=label)
        same = table["width"].eq(1) & table["m_over_d"].eq(own["where"]["m_over_d"])
        shares = table[same].groupby("alpha")["recovered"].mean()
        ends = [min(shares.index, key=lambda alpha: abs(np.log(alpha / own[name]))) for name in ("first", "second")]
        title = ", ".join(f"{shares[alpha]:.0%} from size {number(alpha)}" for alpha in ends)
        title = f"1 unit, m = {own['where']['m_over_d']}d: {title}"
    ylabel = "share of runs at X* when the time is over"
    describe(axes, "x", xlabel="initialisation scale α", ylabel=ylabel, title=title, ylim=(0, 1.05))


@drawing
def landscape_starts(tables, claims):
    """Draw both ways past local minima: one more unit, and a small initialisation."""
    figure, (left, right) = panels(2, height=3.8)
    _spare(left, tables["spare_unit"], claims["spare-unit"])
    _small(right, tables["start_sizes"], claims["small-start-phase-retrieval"])
    left, right = sizes(tables["spare_unit"], "d", "m"), sizes(tables["start_sizes"], "d", "rank")
    said = caption("Labels of one unit, rank-one measurements", f"left: {left}", f"right: {right}")
    return finish(figure, f"points: mean over runs; {SPREAD}", caption=said)


def _widths(axes, table, more, claims):
    """Draw the share of starts at the optimum over the width, also of more draws at √(2m),
    the ranks of the optima and √(2m).
    """
    _shares(axes, table, "positive", "optimal", TEST, "share of runs at the optimum")
    _, optimal = cells(table, ["positive"], "optimal")
    widths = np.array(sorted(table["positive"].unique()))
    needed = widths[np.minimum(needed_widths(optimal), len(widths) - 1)]
    ranks = table.groupby("ensemble")["optimum_rank"].first().to_numpy()
    axes.axvspan(ranks.min() - 0.15, ranks.max() + 0.15, color="0.88", zorder=0, label="ranks of the optima")
    axes.plot(needed, np.full(len(needed), 0.5), "|", color=TRAIN, markersize=12, label="width needed, each ensemble")
    root = np.sqrt(2 * table["m"].iloc[0])
    axes.axvline(root, color="black", linewidth=0.9, label="√(2m)")
    share = claims["dulee-width-needed"]["margin"]
    axes.axvline(
        share * root, color="black", linewidth=0.9, linestyle=":", label=f"margin: needed above {share:g}·√(2m)"
    )
    _shares(axes, more, "positive", "optimal", THIRD, "one run of each of more ensembles", "D", linestyle="none")
    margin_level(axes, claims["dulee-width"], "from √(2m) on,")
    title = (
        f"labels χ²: the width needed is\n{rounded(np.mean(needed / ranks), 3)} times the optimum's rank, on average"
    )
    axes.set(xlabel="units, all of sign +", ylabel="share of runs", title=title, ylim=(-0.05, 1.05))


def _signs(axes, table, claim):
    """Draw the share of starts at the least squares over the units of sign −."""
    _shares(axes, table, "negative", "optimal", TEST, f"{table['positive'].iloc[0]} units of sign + beside them")
    margin_level(axes, claim)
    shares = table.groupby("negative")["optimal"].mean()
    first, last = shares.index[[0, -1]]
    ends = f"{last:g} units of sign −, {shares[first]:.0%} with {number(first) if first else 'none'}"
    title = f"random labels: {shares[last]:.0%} of runs reach the least squares\nwith {ends}"
    axes.set(xlabel="units of sign −", ylabel="share of runs at the least squares", title=title, ylim=(-0.05, 1.05))


def _balls(axes, table, claim):
    """Draw both Rademacher complexities over d."""
    means = law(axes, table, "d", "spectral", TEST, "networks, ‖W‖_F ≤ 1: spectral norm", linestyle="none")
    every = law(axes, table, "d", "frobenius", THIRD, "all X, ‖X‖_F ≤ 1: Frobenius norm", "s", linestyle="none")
    margin_slope(axes, means, claim)
    title = f"{grows('what networks fit of random signs goes', 'd', means)}, {grows('all X:', 'd', every)}"
    describe(axes, "xy", table["d"].unique(), xlabel="dimension d", ylabel="norm of (1/m) Σ εᵢxᵢxᵢᵀ", title=title)


@drawing
def landscape_widths(tables, claims):
    """Draw which widths and which signs are enough, and what a ball of networks can fit."""
    figure, (first, second, third) = two_and_one()
    _widths(first, tables["widths"], tables["root_widths"], claims)
    _signs(second, tables["signed_units"], claims["sjl-signed"])
    _balls(third, tables["balls"], claims["dulee-complexity"])
    balls = tables["balls"]
    ratio = round(float((balls["m"] / balls["d"]).iloc[0]))
    said = caption(
        f"Above left: {sizes(tables['widths'], 'd', 'm')}",
        f"above right: {sizes(tables['signed_units'], 'd', 'm')}",
        f"below: m = {ratio}d, {balls['ensemble'].nunique()} ensembles",
    )
    note = f"above: L-BFGS, mean over runs; {SPREAD}; below: smallest to largest ensemble"
    return finish(figure, note, caption=said)


NETWORKS = {"signed": ("units of both signs", TEST), "plus": ("units of sign + alone", TRAIN)}


def _decay(axes, table, claim):
    """Draw the test error over m/d by network, without and with weight decay,
    and the margin below what decay is to gain on.
    """
    own = claim["estimand"]
    for network, (name, colour) in NETWORKS.items():
        for decay, line, marker in zip(own["pair"], "-:", "os", strict=True):
            part = table[(table["network"] == network) & np.isclose(table["decay"], decay)]
            label = f"{name}, λ = {number(decay)}"
            points(axes, part, "m_over_d", "test_error", colour, label, marker, linestyle=line)
    judged = table[(table["network"] == "signed") & np.isclose(table["m_over_d"], own["where"]["m_over_d"])]
    ends = [
        float(np.log10(judged.loc[np.isclose(judged["decay"], decay), "test_error"]).mean()) for decay in own["pair"]
    ]
    label = f"margin: {claim['margin']:g} decade below λ = {number(own['pair'][0])}"
    axes.plot(
        own["where"]["m_over_d"], 10 ** (ends[0] - claim["margin"]), "_", color="black", markersize=16, label=label
    )
    title = f"both signs, m = {own['where']['m_over_d']:g}d:\nwith decay the test error is {rounded(10 ** (ends[1] - ends[0]))} times that without"
    ratios = table["m_over_d"].unique()
    describe(
        axes, "y", ratios, xlabel="measurements per dimension, m/d", ylabel="test error where L-BFGS ends", title=title
    )


def _examples(axes, tables, claim):
    """Draw the share of large starts that end at X* over m/n_c, by rank and kind of measurement."""
    colours = iter(COLOURS)
    for table, name in ((tables["large_starts"], "xxᵀ"), (tables["large_starts_gaussian"], "Gaussian A")):
        for (rank, part), marker in zip(table.groupby("rank"), "osD^", strict=False):
            _shares(axes, part, "m_over_nc", "recovered", next(colours), f"{name}, r = {rank:g}", marker)
    axes.axvline(1, color="0.5", linewidth=0.9, label="n_c = d(r + 1) − r(r + 1)/2")
    label = f"margin: {claim['margin']:g}, for the mean threshold"
    axes.axvline(claim["margin"], color="black", linewidth=0.9, linestyle="--", label=label)
    found = start_thresholds(tables["large_starts"], claim["estimand"]["tolerance"])
    most = float(np.exp(found.logs.mean(axis=(1, 2)).max()))
    title = f"xxᵀ: the threshold is {rounded(most, 3, 'up')}·n_c or less, on average"
    describe(
        axes, xlabel="m/n_c", ylabel="share of large initialisations that end at X*", title=title, ylim=(-0.05, 1.05)
    )


def _lazy(axes, table, claim):
    """Draw the test error over the scale of the start, by m/D,
    beside the law of least squares and the margins about it.
    """
    at = claim["estimand"]["where"]["alpha"]
    for (ratio, part), colour, marker in zip(table.groupby("m_over_dimension"), COLOURS, "osD", strict=False):
        course(axes, part, "alpha", "test_error", colour, f"m = {number(ratio)}·D", marker=marker)
        level = float(np.sqrt(1 - part["m"].iloc[0] / (part["d"].iloc[0] * (part["d"].iloc[0] + 1) / 2)))
        axes.axhline(level, color=colour, linestyle="--", linewidth=0.9, label=f"√(1 − m/D) = {level:.2f}")
        edges = [level * claim["margin"], level / claim["margin"]]
        name = f"margin: a factor of {claim['margin']:g} at α = {number(at)}"
        axes.plot([at, at], edges, "_", color="black", markersize=9, label=name if marker == "o" else None)
    far = table[np.isclose(table["alpha"], at)]
    ratio = geometric_mean(far["test_error"] / far["least_squares"])
    title = f"α = {number(at)}: the test error is {signed(ratio)} times least squares'"
    describe(axes, "xy", xlabel="initialisation scale α (U₀ = αI, output centred)", ylabel="test error", title=title)


@drawing
def landscape_large_starts(tables, claims):
    """Draw what large initialisations need: decay where signs differ, about n_c examples, and on a centred output D."""
    figure, (left, middle, right) = two_and_one()
    _decay(left, tables["decayed_networks"], claims["weight-decay"])
    _examples(middle, tables, claims["smvz-threshold"])
    _lazy(right, tables["lazy_limit"], claims["lazy-limit"])
    places = {"Above left": "decayed_networks", "above right": "large_starts", "below": "lazy_limit"}
    said = caption(*(f"{place}: {sizes(tables[name], 'd')}" for place, name in places.items()))
    note = f"above left and below: geometric mean, smallest to largest run; above right: mean over runs; {SPREAD}"
    return finish(figure, note, caption=said)


PAIRS = {"edge": "pair of the bound", "near": "moved by 0.02", "far": "moved by 0.3", "equal": "equal sizes"}
ENDS = (("held", "ends at the spurious minimum", COLOURS[1]), ("recovered", "ends at X*", COLOURS[0]))


def _edge_pairs(axes, table):
    """Draw the smallest L/μ over the bound by pair for each r and r*."""
    groups = list(table.groupby(["width", "rank"]))
    for place, ((pair, words), marker) in enumerate(zip(PAIRS.items(), "osD^", strict=True)):
        own = [group[group["pair"] == pair].assign(x=k + 0.12 * (place - 1.5)) for k, (_, group) in enumerate(groups)]
        points(axes, pd.concat(own), "x", "over", COLOURS[place], words, marker, linestyle="none")
    axes.axhline(1, color="black", linestyle="--", linewidth=0.9, label="Zhang's bound, 1 + 2√(r/r*)")
    axes.set_xticks(range(len(groups)), [f"r = {width}\nr* = {rank}" for (width, rank), _ in groups])
    least = table.loc[table["pair"].isin(["near", "far"]), "over"].min()
    title = f"spurious minima begin at the bound:\nnear it the smallest L/μ is {least:.4f} times it"
    describe(axes, "", ylabel="smallest L/μ of a spurious minimum\nover the bound", title=title)


def _edge_ends(axes, table, claim):
    """Draw the share of runs that stay and that end at X* by L/μ and columns."""
    cases = dict(list(table.groupby(["over", "extra"])))
    for shift, (value, words, colour) in zip((-0.17, 0.17), ENDS, strict=True):
        means = [part[value].mean() for part in cases.values()]
        axes.bar(np.arange(len(cases)) + shift, means, 0.32, color=colour, label=words)
    margin_level(axes, claim, "share")
    names = [f"{over:g}, r{f' + {extra}' if extra else ''}" for over, extra in cases]
    axes.set_xticks(range(len(cases)), names)
    over, extra = max(cases)
    stay, gone = cases[over, 0]["held"].mean(), cases[over, extra]["recovered"].mean()
    title = f"{100 * (over - 1):.0f} % above it {100 * stay:.0f} % stay with r columns,\n{100 * gone:.0f} % reach X* with r + {extra}"
    axes.set_ylim(0, 1.05)
    describe(axes, "", xlabel="L/μ over the bound, and columns", ylabel="share of runs", title=title)


@drawing
def landscape_edge(tables, claims):
    """Draw the smallest L/μ of a spurious minimum over Zhang's bound, and where descent ends from beside it."""
    figure, (left, right) = panels(2, height=3.8)
    pairs, ends = tables["edge_pairs"], tables["edge_descents"]
    _edge_pairs(left, pairs)
    _edge_ends(right, ends, claims["zhang-one-column"])
    said = caption("Quadratic objectives, d = r + r* + 1", f"left: {draws(pairs)}", f"right: {draws(ends)}")
    return finish(figure, "left: points: geometric mean; bars: smallest to largest pair", caption=said)
