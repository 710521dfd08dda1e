"""The ledger's evidence on incremental learning: how near descent comes to fits and truncations."""

from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.settings.chapters import load_chapters


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


BY_SPECTRUM = ("incremental_far", "incremental", "incremental_near")


@passage(*BY_SPECTRUM)
def powers_by_spectrum(*frames):
    """Return the exponents of the smallest distances to the fits at full width by the ratio of eigenvalues, as
    Markdown.
    """
    entries, rows = load_chapters(["incremental"])[0].entries["experiments"], []
    for name, frame in zip(BY_SPECTRUM, frames, strict=True):
        first, second = entries[name]["options"]["eigenvalues"][:2]
        own = frame[frame["width"] == "d"]
        powers = [number(exponent_of(own[own["s"] == s], "alpha", "nearest_to_fit")) for s in (1, 2)]
        rows.append([number(second / first), f"{own['d'].iloc[0]}", *powers])
    return markdown(["λ_{k+1}/λ_k", "d", "power of α, s = 1", "power of α, s = 2"], rows)
