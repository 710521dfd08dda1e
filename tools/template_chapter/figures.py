"""The figure of this chapter."""

from algoreg.claims.cells import geometric_mean
from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import BAND, rounded, sizes
from algoreg.reporting.figures import drawing


@drawing
def mychapter(tables, claims):
    """Draw the test error against iterations, for each start."""
    table = tables["mychapter"]
    figure, (axes,) = panels(width=5.4)
    for colour, (alpha, frame) in zip(COLOURS, table.groupby("alpha"), strict=False):
        course(axes, frame, "iteration", "test_error", colour, f"α = {alpha:g}")
    end = table[table["iteration"] == table["iteration"].max()]
    small, large = (
        geometric_mean(end.loc[end["alpha"] == pick, "test_error"]) for pick in (end["alpha"].min(), end["alpha"].max())
    )
    # A title is what a panel shows, with the number.
    title = f"the largest start's error is {rounded(large / small)} times the smallest's"
    describe(axes, "xy", table["iteration"].unique(), xlabel="iteration", ylabel="relative test error", title=title)
    return finish(figure, BAND, caption=sizes(table, "d", "m"))
