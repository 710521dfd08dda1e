"""The ledger's evidence on incremental learning: how near descent comes to fits and truncations."""

from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.report import geometric, markdown, number, passage


@passage("incremental")
def incremental_distances(frame):
    """Return the smallest distances at the smallest α and their exponents, by width and s, as Markdown."""
    rows = []
    for (width, s), own in frame.groupby(["width", "s"]):
        least = own[own["alpha"] == own["alpha"].min()]
        cells = [geometric(least[name]) for name in ("nearest_to_fit", "nearest_to_truncation")]
        powers = [number(exponent_of(own, "alpha", name)) for name in ("nearest_to_fit", "nearest_to_truncation")]
        rows.append([width, str(s), cells[0], powers[0], cells[1], powers[1], number(own["apart"].mean())])
    header = ["width", "s", "to the fit", "power of α", "to the truncation", "power of α", "fit to truncation"]
    return markdown(header, rows)
