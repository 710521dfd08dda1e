"""The figure of this chapter."""

from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import BAND, sizes
from algoreg.reporting.figures import drawing


@drawing
def mychapter(tables, claims):
    """Draw the test error against iterations, for each start."""
    table = tables["mychapter"]
    figure, (axes,) = panels(width=5.4)
    for colour, (alpha, frame) in zip(COLOURS, table.groupby("alpha"), strict=False):
        course(axes, frame, "iteration", "test_error", colour, f"α = {alpha:g}")
    ylabel = "relative test error"
    describe(axes, "xy", table["iteration"].unique(), xlabel="iteration", ylabel=ylabel, title=sizes(table, "d", "m"))
    return finish(figure, BAND)
