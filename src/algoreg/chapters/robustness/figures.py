"""The figures of noise, outliers and flatness: errors where one stops,
by the share of labels far off, and of convex programmes.
"""

import numpy as np

from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.course import bars, dodged, points, summary
from algoreg.reporting.charts.law import grows, law, margin_level, through
from algoreg.reporting.charts.panels import describe, finish, name_ends, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

# The widths of the factor, with their marks.
WIDTHS = {"r": "o", "2r": "s", "d": "^"}
NOISE = "noise σ over the observations' size"
NOTE = f"width: columns of the factor U; {SPREAD}"
PROGRAMMES = {
    "flattest": ("flattest: W = (1/m) Σ Aᵢ²", COLOURS[0], "o"),
    "trace": ("least trace: W = I", COLOURS[1], "s"),
    "random": ("random W", COLOURS[2], "^"),
}
LOSSES = {"squared": ("squared loss", COLOURS[1], "s"), "absolute": ("absolute loss", COLOURS[0], "o")}


@drawing
def early_stopping(tables, claims):
    """Draw what stopping by held-out observations costs over the best error of the run, beside running to the end."""
    table, claim = tables["early_stopping"], claims["ding22-holdout"]
    figure, grid = panels(2, height=3.6, sharey=True)
    for axes, (column, said) in zip(
        grid,
        {"stopped_over_best": "stopped by held-out observations", "end_over_best": "run to the end"}.items(),
        strict=True,
    ):
        worst = 0.0
        for (width, marker), colour in zip(WIDTHS.items(), COLOURS, strict=False):
            rows = dodged(table[table["width"] == width], "noise", list(WIDTHS).index(width), len(WIDTHS), 1.05)
            kept = points(axes, rows, "noise", column, colour, f"width {width}", marker)
            worst = max([worst, *kept["mean"]])
        margin_level(axes, claim)
        times = rounded(worst, 3, "up")
        title = f"{said} the error is on average\nat most {times} times the run's best, at any width"
        describe(axes, "xy", table["noise"].unique(), xlabel=NOISE, title=title)
    grid[0].set_ylabel("error over the run's best")
    for axes in grid:
        name_ends(axes, {f"width {width}": f"width {width}" for width in WIDTHS})
    return finish(figure, NOTE, caption=sizes(table, "d", "rank", "m_over_dr"))


def _in_proportion(axes, table, claim):
    """Draw the best errors over the noise by width, and the slopes at the margin of the exponent."""
    (judged,), expected = claim["estimand"]["where"]["width"], claim["estimand"]["expected"]
    for (width, marker), colour in zip(WIDTHS.items(), COLOURS, strict=False):
        rows = dodged(table[table["width"] == width], "noise", list(WIDTHS).index(width), len(WIDTHS), 1.05)
        means = law(axes, rows, "noise", "best_error", colour, f"width {width}", marker)
        if width == judged:
            text = f"margin: exponent of width {width} within {claim['margin']:g} of {expected:g}"
            for power, label in ((expected - claim["margin"], text), (expected + claim["margin"], None)):
                through(axes, means, lambda x, power=power: x**power, label, ":", linewidth=1.1)
            title = grows(f"the best error of width {width} grows\nwith the noise", "σ", means)
    describe(axes, "xy", table["noise"].unique(), xlabel=NOISE, ylabel="best relative error of the run", title=title)


def _over_narrow(axes, table, claim):
    """Draw the best errors of wide factors over the narrowest one's on the same draws, and the factor's margin."""
    (wide, narrow), margin, noise = claim["estimand"]["pair"], claim["margin"], claim["estimand"]["where"]["noise"]
    draw = ["noise", "target", "ensemble"]
    best = table.set_index(["width", *draw])["best_error"]
    for place, (width, marker) in enumerate(list(WIDTHS.items())[1:], 1):
        ratios = (best[width] / best[narrow]).rename("ratio").reset_index()
        rows = dodged(ratios, "noise", place, len(WIDTHS), 1.05)
        kept = points(axes, rows, "noise", "ratio", COLOURS[place], f"width {width}", marker)
        if width == wide:
            most = float(np.exp(np.abs(np.log(kept["mean"])).max()))
    for level, label in ((margin, f"margin: within a factor {margin:g} at a noise of {noise:g}"), (1 / margin, None)):
        axes.axhline(level, color="black", linewidth=0.9, linestyle="--", label=label)
    title = f"full width and width {narrow} differ by\na factor of at most {rounded(most, 3, 'up')} on average"
    ylabel = f"best error over width {narrow}'s"
    describe(axes, "xy", table["noise"].unique(), xlabel=NOISE, ylabel=ylabel, title=title)


@drawing
def best_errors(tables, claims):
    """Draw the best error along a run over the noise and over that of the narrowest factor, by width."""
    table = tables["early_stopping"]
    figure, (left, right) = panels(2, height=3.6)
    _in_proportion(left, table, claims["noise-rate"])
    _over_narrow(right, table, claims["ding22-width-free"])
    return finish(figure, NOTE, caption=sizes(table, "d", "rank", "m_over_dr"))


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
