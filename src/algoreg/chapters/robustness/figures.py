"""The figures of noise, outliers and flatness: errors where one stops,
by the share of labels far off, and of convex programmes.
"""

import numpy as np

from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.course import bars, summary
from algoreg.reporting.charts.law import law, margin_level
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, margin_text, number, rounded, signed, sizes
from algoreg.reporting.figures import drawing

WIDTHS = ("r", "2r", "d")
ENDS = {"best_error": ("best of the run", "o"), "end_error": ("end of the run", "^")}
PROGRAMMES = {
    "flattest": ("flattest: W = (1/m) Σ Aᵢ²", COLOURS[0], "o"),
    "trace": ("least trace: W = I", COLOURS[1], "s"),
    "random": ("random W", COLOURS[2], "^"),
}
LOSSES = {"squared": ("squared loss", COLOURS[1], "s"), "absolute": ("absolute loss", COLOURS[0], "o")}


def _errors(axes, table, claim):
    """Draw best and last errors over the noise, by width."""
    best, (wide, narrow), noise = {}, claim["estimand"]["pair"], claim["estimand"]["where"]["noise"]
    for width, colour in zip(WIDTHS, COLOURS, strict=False):
        own = table[table["width"] == width]
        for column, (label, marker) in ENDS.items():
            style = {"linestyle": "--", "markerfacecolor": "white"} if column == "end_error" else {}
            means = law(axes, own, "noise", column, colour, f"width {width}, {label}", marker, **style)
            best |= {width: means.get(noise, np.nan)} if column == "best_error" else {}
    describe(axes, "xy", table["noise"].unique(), xlabel="noise σ over the observations' size", ylabel="relative error")
    ratio = signed(best[wide] / best[narrow])
    axes.set_title(f"noise {noise:g}: the best error of width {wide}\nis {ratio} times that of width {narrow}")


def _stops(axes, table, claims):
    """Draw the errors at the hold-out's stop and at the end over the best of the same run."""
    judged, worst = claims["ding22-holdout"]["estimand"]["where"]["width"], {}
    for width, colour in zip(WIDTHS, COLOURS, strict=False):
        own = table[table["width"] == width]
        for column, label, style in (
            ("stopped_over_best", "hold-out's stop", {}),
            ("end_over_best", "end", {"linestyle": "--", "markerfacecolor": "white"}),
        ):
            kept = summary(own, "noise", column)
            bars(axes, kept.index, kept, colour, f"width {width}, {label}", **style)
            if width in judged:
                worst[label] = np.fmax.reduce([worst.get(label, np.nan), *kept["mean"]])
    margin_level(axes, claims["ding22-holdout"])
    describe(
        axes,
        "xy",
        table["noise"].unique(),
        xlabel="noise σ over the observations' size",
        ylabel="error over the best one",
    )
    said = ", ".join(f"{label} {rounded(value, 3, 'up')}" for label, value in worst.items())
    axes.set_title(f"error over the best one, on average at most:\n{said}")


@drawing
def early_stopping(tables, claims):
    """Draw errors over the noise, and what stopping by a hold-out loses."""
    table = tables["early_stopping"]
    figure, (left, right) = panels(2)
    _errors(left, table, claims["ding22-width-free"])
    _stops(right, table, claims)
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def outliers(tables, claims):
    """Draw the errors at the end of both losses over the share of outliers, and the claim's margin."""
    table, claim = tables["outliers"], claims["ma22-outliers"]
    figure, (axes,) = panels(width=5.4)
    share, ends = claim["estimand"]["where"]["share"], {}
    for loss, (label, colour, marker) in LOSSES.items():
        kept = summary(table[table["loss"] == loss], "share", "end_error")
        bars(axes, kept.index, kept, colour, label, marker)
        ends[loss] = kept["mean"].get(share, np.nan)
        if loss == "squared" and np.isclose(kept.index, share).any():
            height = claim["margin"] * kept["mean"].to_numpy()[np.isclose(kept.index, share)][0]
            near = [share - 0.03, share + 0.03]
            text = f"{margin_text(claim)} times the squared loss, at a share of {number(share)}"
            axes.plot(near, [height] * 2, "k--", linewidth=0.9, label=text)
    ratio = rounded(ends["absolute"] / ends["squared"])
    title = f"{share:.0%} outliers: the absolute loss ends\nat {ratio} of the squared loss's error"
    shares = table["share"].unique()
    describe(axes, "y", shares, xlabel="share of outliers", ylabel="relative error at the end", title=title)
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def flat_minima(tables, claims):
    """Draw the share of draws in which each programme finds X* over m,
    and its mean m* with the claim's margin around the trace's.
    """
    table, claim = tables["flat_minima"], claims["flattest-as-least-trace"]
    tolerance, (_, beside) = claim["estimand"]["tolerance"], claim["estimand"]["pair"]
    scale = table["d"].iloc[0] * table["rank"].iloc[0]
    figure, (axes,) = panels(width=5.8)
    means = {}
    for name, (label, colour, marker) in PROGRAMMES.items():
        own = table[table["programme"] == name]
        share = (own["test_error"] < tolerance).groupby(own["m"]).mean()
        means[name] = float(np.exp(find_thresholds(own, "rank", tolerance).logs.mean())) / scale
        axes.plot(share.index / scale, share, marker=marker, color=colour, label=f"{label}: m* = {means[name]:.2f}dr")
        axes.axvline(means[name], color=colour, linewidth=0.8, linestyle=":")
    margin = claim["margin"]
    low, high = means[beside] / margin, means[beside] * margin
    text = f"{margin_text(claim, 'a factor')} of the trace's m*"
    axes.axvspan(low, high, color="0.6", alpha=0.18, linewidth=0, label=text)
    ylabel = f"share of draws with error below {tolerance:g}"
    describe(axes, "x", xlabel="measurements m/(dr)", ylabel=ylabel)
    apart = max(means["flattest"] / means[beside], means[beside] / means["flattest"])
    axes.set_title(f"the flattest fit needs what least trace needs, within a factor of {rounded(apart, 3, 'up')}")
    return finish(figure, "dotted: geometric mean of m*", caption=sizes(table, "d", "rank"))
