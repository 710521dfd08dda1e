"""The figures of the first phase: angles over the scale of the start, and the error that is left."""

from algoreg.tell.charts.course import points
from algoreg.tell.charts.law import law, margin_level, margin_slope, through
from algoreg.tell.charts.panels import describe, finish, panels
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, sizes
from algoreg.tell.figures import drawing

WIDTHS = {"r": (COLOURS[0], "o"), "2r": (COLOURS[1], "s"), "d": (COLOURS[2], "D")}
ALPHA = "scale α of the start"


@drawing
def spectral_phase(tables, claims):
    """Draw the angles to the labels' eigenvectors and to those of X*, and their ratio, over α."""
    table = tables["phase_few"]
    figure, (left, right) = panels(2)
    for width, (colour, marker) in WIDTHS.items():
        own = table[table["width"] == width]
        if own.empty:
            continue
        points(left, own, "alpha", "angle_to_labels", colour, f"width {width}, to the labels' eigenvectors", marker)
        style = {"linestyle": "--", "markerfacecolor": "white"}
        points(left, own, "alpha", "angle_to_target", colour, f"width {width}, to those of X*", marker, **style)
        points(right, own, "alpha", "preference", colour, f"width {width}", marker)
    margin_level(right, claims["ss21-spectral-phase"])
    right.axhline(1, color="black", linewidth=0.8, label="no preference")
    describe(left, "xy", xlabel=ALPHA, ylabel="sine of the largest angle when X first shows")
    describe(right, "xy", xlabel=ALPHA, ylabel="angle to the labels' eigenvectors over that to X*'s")
    left.set_title("smaller starts find the labels' eigenvectors, not X*'s")
    right.set_title(sizes(table, "d", "rank", "m_over_dr"))
    return finish(figure, SPREAD)


def _errors(axes, table, claims, margin):
    """Draw the smallest errors over α, the slope that the gap predicts at full width, and a claim's margin."""
    for width, (colour, marker) in WIDTHS.items():
        own = table[table["width"] == width]
        if own.empty:
            continue
        means = law(axes, own, "alpha", "smallest_error", colour, f"width {width}", marker)
        if width == "d":
            power = float(own["predicted"].mean())
            through(axes, means.sort_index(ascending=False), lambda x, p=power: x**p, f"gap: exponent {power:.2f}")
            margin_slope(axes, means.sort_index(ascending=False), claims[margin])
    describe(axes, "xy", xlabel=ALPHA, ylabel="smallest relative error along the run")
    axes.set_title(sizes(table, "d", "rank", "m_over_dr"))


@drawing
def spectral_phase_errors(tables, claims):
    """Draw the smallest errors over α, with many and with few measurements."""
    shown = [name for name in ("phase_many", "phase_few") if name in tables]
    figure, grid = panels(len(shown), sharey=True)
    margins = {"phase_many": "ss21-error-in-alpha", "phase_few": "ss21-error-in-alpha-few"}
    for axes, name in zip(grid, shown, strict=True):
        _errors(axes, tables[name], claims, margins[name])
    note = "; gap: 2(1 − λ_(r+1)/λ̄) of (1/m) Σ yᵢAᵢ; runs stop below 10⁻¹²"
    return finish(figure, SPREAD + note)
