"""The figure of incremental learning: eigenvalues one by one, distances to the fits,
and how they fall with the start.
"""

import numpy as np

from algoreg.reporting.charts.law import grows, law, margin_slope
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, number, rounded, sizes
from algoreg.reporting.figures import drawing

# An eigenvalue is there from this share of the fit's on.
THERE = 0.9


def _course(values, distances, table):
    """Draw eigenvalues and distances of the course over the iterations, with the fits' last eigenvalues as levels."""
    reached, nearest = [], []
    for s, own in table[(table["target"] == 0) & (table["ensemble"] == 0)].groupby("s"):
        colour = COLOURS[s - 1]
        values.plot(own["iteration"], own["eigenvalue"], color=colour, label=f"eigenvalue {s} of X")
        values.axhline(own["fitted"].iloc[0], color=colour, linewidth=0.8, linestyle=":")
        distances.plot(own["iteration"], own["distance"], color=colour, label=f"distance to the best fit of rank {s}")
        there = own.loc[own["eigenvalue"] >= THERE * own["fitted"], "iteration"]
        reached.append(f"{there.min():g}" if len(there) else "–")
        nearest.append(rounded(own["distance"].min()))
    values.plot([], [], ":", color="black", linewidth=0.8, label="eigenvalue s of the best fit of rank s")
    title = f"one run: eigenvalues reach {THERE:.0%} of the fits'\nat iterations {', '.join(reached)}"
    describe(values, xlabel="iteration", ylabel="eigenvalue", title=title)
    ranks = ", ".join(f"{s}" for s in sorted(table["s"].unique()))
    title = f"the same run comes to the fits of rank {ranks}\nwithin {', '.join(nearest)}"
    describe(distances, "y", xlabel="iteration", ylabel="‖X − X_s‖/‖X_s‖ (Frobenius)", title=title)


def _nearest(axes, table, claims):
    """Draw the smallest distances to fits and truncations of lower rank over α, at full width."""
    own, said = table[(table["width"] == "d") & (table["s"] < table["rank"])], []
    for s, part in own.groupby("s"):
        means = law(axes, part, "alpha", "nearest_to_fit", COLOURS[s - 1], f"best fit of rank {s}", "o")
        said.append(grows(f"{'least distance to the fit of ' if s == 1 else ''}rank {s}:", "α", means))
        style = {"linestyle": "--", "markerfacecolor": "white"}
        label = f"X* truncated to rank {s}"
        law(axes, part, "alpha", "nearest_to_truncation", COLOURS[s - 1], label, "s", **style)
        if s == 1:
            margin_slope(axes, means.sort_index(ascending=False), claims["jin23-best-rank-fits"])
    ylabel = "smallest ‖X − X_s‖/‖X_s‖ (Frobenius)"
    describe(axes, "xy", xlabel="initialisation scale α", ylabel=ylabel, title=", ".join(said))


@drawing
def incremental(tables, claims):
    """Draw the course of one run, where the tier has it, and the smallest distances over α."""
    course = tables.get("incremental_course")
    figure, grid = panels() if course is None else two_and_one()
    if course is not None:
        _course(*grid[:2], course)
    _nearest(np.ravel(grid)[-1], tables["incremental"], claims)
    run = "" if course is None else f"above: one run from α = {number(course['alpha'].iloc[0])}"
    said = caption("Width d", run, sizes(tables["incremental"], "d", "rank", "m_over_dr"))
    return finish(figure, f"{SPREAD}; X_s: best fit of rank s", caption=said)
