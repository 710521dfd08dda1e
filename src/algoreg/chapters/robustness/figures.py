"""The figures of noise and outliers: errors where one stops, and errors by the share of labels that are far off."""

import numpy as np

from algoreg.tell.charts.course import bars, summary
from algoreg.tell.charts.law import law, margin_level
from algoreg.tell.charts.panels import describe, finish, panels
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, margin_text, number, sizes
from algoreg.tell.figures import drawing

WIDTHS = ("r", "2r", "d")
ENDS = {"best_error": ("best of the run", "o"), "end_error": ("end of the run", "^")}
LOSSES = {"squared": ("squared loss", COLOURS[1], "s"), "absolute": ("absolute loss", COLOURS[0], "o")}


def _errors(axes, table):
    """Draw best and last errors over the noise, by width."""
    for width, colour in zip(WIDTHS, COLOURS, strict=False):
        own = table[table["width"] == width]
        for column, (label, marker) in ENDS.items():
            style = {"linestyle": "--", "markerfacecolor": "white"} if column == "end_error" else {}
            law(axes, own, "noise", column, colour, f"width {width}, {label}", marker, **style)
    describe(axes, "xy", table["noise"].unique(), xlabel="noise σ over the labels' size", ylabel="relative error")
    axes.set_title("stopped at its best, a wide factor loses nothing")


def _stops(axes, table, claims):
    """Draw the errors at the hold-out's stop and at the end over the best of the same run."""
    for width, colour in zip(WIDTHS, COLOURS, strict=False):
        own = table[table["width"] == width]
        for column, label, style in (
            ("stopped_over_best", "hold-out's stop", {}),
            ("end_over_best", "end", {"linestyle": "--", "markerfacecolor": "white"}),
        ):
            kept = summary(own, "noise", column)
            bars(axes, kept.index, kept, colour, f"width {width}, {label}", **style)
    margin_level(axes, claims["ding22-holdout"])
    describe(
        axes, "xy", table["noise"].unique(), xlabel="noise σ over the labels' size", ylabel="error over the best one"
    )
    axes.set_title(sizes(table, "d", "rank", "m_over_dr"))


@drawing
def early_stopping(tables, claims):
    """Draw errors over the noise, and what stopping by a hold-out loses."""
    table = tables["early_stopping"]
    figure, (left, right) = panels(2)
    _errors(left, table)
    _stops(right, table, claims)
    return finish(figure, SPREAD)


@drawing
def outliers(tables, claims):
    """Draw the errors at the end of both losses over the share of outliers, and the claim's margin."""
    table, claim = tables["outliers"], claims["ma22-outliers"]
    figure, (axes,) = panels(width=5.4)
    for loss, (label, colour, marker) in LOSSES.items():
        kept = summary(table[table["loss"] == loss], "share", "end_error")
        bars(axes, kept.index, kept, colour, label, marker)
        share = claim["estimand"]["where"]["share"]
        if loss == "squared" and np.isclose(kept.index, share).any():
            height = claim["margin"] * kept["mean"].to_numpy()[np.isclose(kept.index, share)][0]
            near = [share - 0.03, share + 0.03]
            text = f"{margin_text(claim)} times the squared loss, at a share of {number(share)}"
            axes.plot(near, [height] * 2, "k--", linewidth=0.9, label=text)
    title = sizes(table, "d", "rank", "m_over_dr")
    describe(axes, "y", xlabel="share of outliers", ylabel="relative error at the end", title=title)
    return finish(figure, SPREAD)
