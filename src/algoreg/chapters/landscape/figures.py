"""The figures of the landscapes: which starts end at X*, by width and size, and which widths and signs are enough."""

import numpy as np

from algoreg.analysis.cells import cells
from algoreg.chapters.landscape.estimands import needed_widths
from algoreg.tell.charts.course import bars
from algoreg.tell.charts.law import law, margin_level, margin_slope
from algoreg.tell.charts.panels import describe, finish, panels
from algoreg.tell.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.tell.charts.text import number, sizes
from algoreg.tell.figures import drawing

SPREAD = "bars: smallest to largest share of an ensemble"


def _shares(axes, frame, x, value, colour, label, marker="o", **style):
    """Draw the share of runs for which ``value`` is 1 along ``x``, with the range over ensembles as bars."""
    by_ensemble = frame.groupby([x, "ensemble"])[value].mean().unstack()
    kept = {"mean": by_ensemble.mean(axis=1), "low": by_ensemble.min(axis=1), "high": by_ensemble.max(axis=1)}
    bars(axes, by_ensemble.index, kept, colour, label, marker, **style)


def _spare(axes, table, claim):
    """Draw the share of starts at the least loss over the width, and what stops the others."""
    _shares(axes, table, "positive", "optimal", TEST, "L-BFGS from random starts of size 1")
    lost = table[(table["positive"] == 1) & (table["optimal"] == 0)]
    if len(lost):
        strict = (lost["curvature"] > 0).sum()
        text = f"{strict} of the {len(lost)} others are\nstrict local minima"
        axes.annotate(text, (1.08, float(table.loc[table["positive"] == 1, "optimal"].mean())), fontsize=7, va="top")
    margin_level(axes, claim, "two units,")
    axes.set_xticks(sorted(table["positive"].unique()))
    axes.set(
        xlabel="units",
        ylabel="share of starts at loss 0",
        title=f"add a unit: {sizes(table, 'd', 'm')}",
        ylim=(0, 1.05),
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
    if where.any():
        level = table.loc[where, "recovered"].mean() + claim["margin"]
        label = f"margin: {claim['margin']:g} above the share of size {own['second']:g}, at {number(own['first'])}"
        axes.axhline(level, color="black", linestyle="--", linewidth=0.9, label=label)
    title = f"or start small: {sizes(table, 'd', 'rank')}"
    describe(
        axes, "x", xlabel="size α of the start", ylabel="share of starts that end at X*", title=title, ylim=(0, 1.05)
    )


@drawing
def landscape_starts(tables, claims):
    """Draw both ways past local minima: one more unit, and a small start."""
    figure, (left, right) = panels(2, width=4.9, height=3.8)
    _spare(left, tables["spare_unit"], claims["spare-unit"])
    _small(right, tables["start_sizes"], claims["small-start-phase-retrieval"])
    return finish(figure, f"labels of one unit, rank-one measurements; points: mean over runs; {SPREAD}")


def _widths(axes, table, claims):
    """Draw the share of starts at the optimum over the width, the ranks of the optima and √(2m)."""
    _shares(axes, table, "positive", "optimal", TEST, "share of starts at the optimum")
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
    margin_level(axes, claims["dulee-width"], "from √(2m) on,")
    texts = {
        "xlabel": "units, all of sign +",
        "ylabel": "share of starts",
        "title": "labels χ²: the optimum's rank is enough",
    }
    axes.set(**texts, ylim=(-0.05, 1.05))


def _signs(axes, table, claim):
    """Draw the share of starts at the least squares over the units of sign −."""
    _shares(axes, table, "negative", "optimal", TEST, f"{table['positive'].iloc[0]} units of sign + beside them")
    margin_level(axes, claim)
    axes.set(
        xlabel="units of sign −", ylabel="share of starts at the least squares", title="random labels need both signs"
    )
    axes.set_ylim(-0.05, 1.05)


def _balls(axes, table, claim):
    """Draw both Rademacher complexities over d."""
    means = law(axes, table, "d", "spectral", TEST, "networks, ‖W‖_F ≤ 1: spectral norm", linestyle="none")
    law(axes, table, "d", "frobenius", THIRD, "all X, ‖X‖_F ≤ 1: Frobenius norm", "s", linestyle="none")
    margin_slope(axes, means, claim)
    ratio = round(float((table["m"] / table["d"]).iloc[0]))
    title = f"what can be fitted of random signs, m = {ratio}d"
    describe(axes, "xy", table["d"].unique(), xlabel="d", ylabel="norm of (1/m) Σ εᵢxᵢxᵢᵀ", title=title)


@drawing
def landscape_widths(tables, claims):
    """Draw which widths and which signs are enough, and what a ball of networks can fit."""
    figure, (first, second, third) = panels(3, width=4.3, height=3.8)
    _widths(first, tables["widths"], claims)
    _signs(second, tables["signed_units"], claims["sjl-signed"])
    _balls(third, tables["balls"], claims["dulee-complexity"])
    figure.suptitle(
        f"left: {sizes(tables['widths'], 'd', 'm')}; middle: {sizes(tables['signed_units'], 'd', 'm')}", fontsize=9
    )
    return finish(figure, f"left and middle: L-BFGS, mean over runs; {SPREAD}; right: smallest to largest ensemble")
