"""The figure of incremental learning: eigenvalues one by one, distances to the fits, and how they fall with the start."""

import numpy as np

from algoreg.tell.charts.law import law, margin_slope
from algoreg.tell.charts.panels import describe, finish, panels, two_and_one
from algoreg.tell.charts.style import COLOURS
from algoreg.tell.charts.text import SPREAD, number, sizes
from algoreg.tell.figures import drawing


def _course(values, distances, table):
    """Draw eigenvalues and distances of the course over the iterations, with the fits' last eigenvalues as levels."""
    for s, own in table[(table["target"] == 0) & (table["ensemble"] == 0)].groupby("s"):
        colour = COLOURS[s - 1]
        values.plot(own["iteration"], own["eigenvalue"], color=colour, label=f"eigenvalue {s} of X")
        values.axhline(own["fitted"].iloc[0], color=colour, linewidth=0.8, linestyle=":")
        distances.plot(own["iteration"], own["distance"], color=colour, label=f"distance to the best fit of rank {s}")
    values.plot([], [], ":", color="black", linewidth=0.8, label="eigenvalue s of the best fit of rank s")
    describe(values, xlabel="iteration", ylabel="eigenvalue", title="one eigenvalue after the other")
    title = f"passing the fits: one run, α = {number(table['alpha'].iloc[0])}"
    describe(distances, "y", xlabel="iteration", ylabel="‖X − X_s‖/‖X_s‖ (Frobenius)", title=title)


def _nearest(axes, table, claims):
    """Draw the smallest distances to fits and truncations of lower rank over α, at full width."""
    own = table[(table["width"] == "d") & (table["s"] < table["rank"])]
    for s, part in own.groupby("s"):
        means = law(axes, part, "alpha", "nearest_to_fit", COLOURS[s - 1], f"best fit of rank {s}", "o")
        style = {"linestyle": "--", "markerfacecolor": "white"}
        label = f"X* truncated to rank {s}"
        law(axes, part, "alpha", "nearest_to_truncation", COLOURS[s - 1], label, "s", **style)
        if s == 1:
            margin_slope(axes, means.sort_index(ascending=False), claims["jin23-best-rank-fits"])
    describe(axes, "xy", xlabel="scale α of the start", ylabel="smallest distance along the run")
    axes.set_title(sizes(table, "d", "rank", "m_over_dr"))


@drawing
def incremental(tables, claims):
    """Draw the course of one run, where the tier has it, and the smallest distances over α."""
    course = tables.get("incremental_course")
    figure, grid = panels() if course is None else two_and_one()
    if course is not None:
        _course(*grid[:2], course)
    _nearest(np.ravel(grid)[-1], tables["incremental"], claims)
    return finish(figure, SPREAD + "; width d")
