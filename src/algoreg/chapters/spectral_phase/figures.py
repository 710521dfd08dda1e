"""The figures of the first phase: angles over the scale of the start, the error that is left,
and its exponent run by run.
"""

import numpy as np
import pandas as pd

from algoreg.reporting.charts.course import points
from algoreg.reporting.charts.law import exponent, grows, law, margin_level, margin_slope, through
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, margin_text, number, raised, rounded, signed, sizes
from algoreg.reporting.figures import drawing

TABLES = ("phase_many", "phase_few")
WIDTHS = {"r": (COLOURS[0], "o"), "2r": (COLOURS[1], "s"), "d": (COLOURS[2], "D")}
ALPHA = "initialisation scale α"


@drawing
def spectral_phase(tables, claims):
    """Draw the angles to the eigenvectors of (1/m) Σ yᵢAᵢ and to those of X*, and their ratio, over α."""
    table = tables["phase_few"]
    figure, (left, right) = panels(2)
    preferences = []
    for width, (colour, marker) in WIDTHS.items():
        own = table[table["width"] == width]
        if own.empty:
            continue
        label, style = f"width {width}, to the eigenvectors of Y", {"linestyle": "--", "markerfacecolor": "white"}
        labels = points(left, own, "alpha", "angle_to_labels", colour, label, marker)["mean"]
        label = f"width {width}, to those of X*"
        target = points(left, own, "alpha", "angle_to_target", colour, label, marker, **style)["mean"]
        preferences.append(points(right, own, "alpha", "preference", colour, f"width {width}", marker)["mean"].iloc[0])
    margin_level(right, claims["ss21-spectral-phase"])
    right.axhline(1, color="black", linewidth=0.8, label="no preference")
    describe(left, "xy", xlabel=ALPHA, ylabel="sine of the largest angle when X first shows")
    describe(right, "xy", xlabel=ALPHA, ylabel="angle to Y's over that to X*'s eigenvectors")
    start = f"from α = {number(table['alpha'].min())}"
    # Of the greatest width, which comes last.
    left.set_title(
        f"{start}: sine {rounded(labels.iloc[0])} to the\neigenvectors of Y, {rounded(target.iloc[0])} to those of X*"
    )
    right.set_title(
        f"{start}, every width: the angle to Y's is\n{rounded(max(preferences), towards='up')} times that to X*'s or less, on average"
    )
    return finish(figure, f"{SPREAD}; Y = (1/m) Σ yᵢAᵢ", caption=sizes(table, "d", "rank", "m_over_dr"))


def _errors(axes, table, claims, margin):
    """Draw the smallest errors over α, the slope that the gap predicts at full width, and a claim's margin."""
    said, ratio = [], rounded((table["m"] / table["d"] / table["rank"]).iloc[0])
    for width, (colour, marker) in WIDTHS.items():
        own = table[table["width"] == width]
        if own.empty:
            continue
        means = law(axes, own, "alpha", "smallest_error", colour, f"width {width}", marker)
        if width == "d":
            power = float(own["predicted"].mean())
            said = [
                grows(f"m = {ratio}·dr, width d: the error goes", "α", means),
                f"by the gap as {raised('α', signed(power))}",
            ]
            label = f"gap: exponent {signed(power)}"
            through(axes, means.sort_index(ascending=False), lambda x, p=power: x**p, label)
            margin_slope(axes, means.sort_index(ascending=False), claims[margin])
    describe(axes, "xy", xlabel=ALPHA, ylabel="smallest relative error along the run")
    axes.set_title(",\n".join(said))


@drawing
def spectral_phase_errors(tables, claims):
    """Draw the smallest errors over α, with many and with few measurements."""
    shown = [name for name in TABLES if name in tables]
    figure, grid = panels(len(shown), sharey=True)
    margins = {"phase_many": "ss21-error-in-alpha", "phase_few": "ss21-error-in-alpha-few"}
    for axes, name in zip(grid, shown, strict=True):
        _errors(axes, tables[name], claims, margins[name])
    note = "; gap: 2(1 − λ_(r+1)/λ̄) of (1/m) Σ yᵢAᵢ; runs stop below 10⁻¹²"
    said = caption(*(sizes(tables[name], "d", "rank", "m_over_dr") for name in shown))
    return finish(figure, SPREAD + note, caption=said)


@drawing
def spectral_phase_gap(tables, claims):
    """Draw the exponent of every run at full width over the one that its spectral gap predicts."""
    figure, (axes,) = panels(1)
    shown = [name for name in TABLES if name in tables]
    for name, marker, colour in zip(shown, "sD", COLOURS, strict=False):
        own = tables[name][tables[name]["width"] == "d"]
        runs = own[own["smallest_error"] > 0].groupby(["target", "ensemble"])
        expected = runs["predicted"].first()
        found = [exponent(run.set_index("alpha")["smallest_error"]) for _, run in runs]
        found = pd.Series(found, expected.index, dtype=float)
        related = signed(expected.corr(found))
        axes.plot(
            expected, found, marker, color=colour, label=f"{sizes(own, 'm_over_dr', 'rank')}: correlation {related}"
        )
    ends = np.array(axes.get_xlim())
    axes.plot(ends, ends, color="black", linewidth=0.8, label="as predicted")
    margin = claims["error-follows-the-gap"]["margin"]
    for side, text in ((1 - margin, f"margin of the mean: {margin:.0%} off"), (1 + margin, None)):
        axes.plot(ends, side * ends, "--", color="0.4", linewidth=0.9, label=text)
    describe(
        axes, xlabel="exponent that the gap predicts, 2(1 − λ_(r+1)/λ̄)", ylabel="exponent in α of the smallest error"
    )
    axes.set_title(
        "few measurements, width d: a run's exponent and the one that\n"
        f"its gap predicts correlate by {related} ({margin_text(claims['gap-tells-draws-apart'])})"
    )
    return finish(
        figure, "a point: one run (target × ensemble)", caption=caption(*(sizes(tables[name], "d") for name in shown))
    )
