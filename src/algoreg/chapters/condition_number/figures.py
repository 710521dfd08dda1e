"""The figure of the condition number: m* and the iterations over κ by method."""

import numpy as np

from algoreg.chapters.condition_number.estimands import Conditions
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import interval_of
from algoreg.reporting.charts.law import law
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import caption, draws, raised
from algoreg.reporting.figures import drawing

TOLERANCE = 0.1
MARKERS = "osD"
METHODS = {
    "small": "descent from α = 10⁻⁶",
    "spectral": "descent from the spectral initialisation, width r",
    "scaled": "preconditioned, spectral initialisation, width r",
}


@drawing
def condition(tables, claims):
    """Draw the threshold m*/(dr) and the iterations over κ by method, with the κ² that theory asks for."""
    frame = tables["condition"]
    figure, (left, right) = panels(2)
    unit, slopes = (frame["d"] * frame["rank"]).iloc[0], []
    for name, colour, marker in zip(METHODS, COLOURS, MARKERS, strict=False):
        own = frame[frame["method"] == name]
        curves, rng = Conditions(own, "kappa", "smallest_error", TOLERANCE), np.random.default_rng(0)
        places, x = curves.thresholds(curves.values), np.array(curves.points)
        ends = [
            interval_of(lambda part, i=i, curves=curves: curves.thresholds(part)[i], curves.values, rng)
            for i in range(len(x))
        ]
        low, high = np.exp([[end.low, end.high] for end in ends]).T / unit
        heights = np.exp(places) / unit
        slopes.append(float(slope_weights(x) @ places))
        label = f"{METHODS[name]}: m* as {raised('κ', f'{slopes[-1]:.2f}')}"
        bars = [np.maximum(heights - low, 0), np.maximum(high - heights, 0)]
        left.errorbar(x, heights, bars, fmt=marker, color=colour, markersize=4.5, capsize=2, linewidth=1, label=label)
        law(
            right, own[own["m_over_dr"] == own["m_over_dr"].max()], "kappa", "iterations", colour, METHODS[name], marker
        )
        if name == "small":
            left.plot(x, heights[0] * x**2, "--", color="black", linewidth=1, label="theory's bound, m ∝ κ²")
    left.set_ylim(0.8, 4)
    title = f"m* grows at most as {raised('κ', f'{max(slopes):.2f}')}, not as {raised('κ', '2')}"
    kappas = sorted(frame["kappa"].unique())
    describe(left, "xy", kappas, xlabel="condition number κ", ylabel="threshold m*/(dr)", title=title)
    title = f"iterations at m = {frame['m_over_dr'].max():g}·dr"
    describe(right, "xy", kappas, xlabel="condition number κ", ylabel="iterations", title=title)
    row = frame.iloc[0]
    said = caption(f"d = {row['d']}, r = {row['rank']}, {draws(frame)}; error 0.1 in units of √r·λ_r")
    return finish(figure, "left: bars: 95 % intervals of resampled runs", caption=said)
