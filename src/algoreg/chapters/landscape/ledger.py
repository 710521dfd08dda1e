"""The ledger's evidence on landscapes: shares of starts by width, sign and size, and the widths that are needed."""

import numpy as np

from algoreg.analysis.cells import cells
from algoreg.chapters.landscape.estimands import needed_widths
from algoreg.judge.snapshots import frame_of
from algoreg.tell.report import markdown, passage


@passage("spare_unit")
def spare_units(reference):
    """Return the share of starts at loss 0 by width, and what the others of one unit are, as Markdown."""
    frame = frame_of(reference["tables"]["spare_unit"])
    rows = [
        [f"{width:g}", f"{part['optimal'].mean():.1%}", f"{len(part)}"] for width, part in frame.groupby("positive")
    ]
    lost = frame[(frame["positive"] == 1) & (frame["optimal"] == 0)]
    strict = int((lost["curvature"] > 0).sum())
    table = markdown(["units", "starts at loss 0", "runs"], rows)
    least = f"; the smallest eigenvalue of their Hessians is {lost['curvature'].min():.2g} or more" if len(lost) else ""
    return f"{table}\n\nOf the {len(lost)} other ends of one unit {strict} are strict local minima{least}."


@passage("start_sizes")
def small_starts(reference):
    """Return the share of starts that descent takes to X* by m, width and size, as Markdown."""
    frame = frame_of(reference["tables"]["start_sizes"])
    alphas = sorted(frame["alpha"].unique(), reverse=True)
    rows = []
    for (ratio, width), part in frame.groupby(["m_over_d", "width"]):
        shares = part.groupby("alpha")["recovered"].mean()
        lost = int((part["status"] == "diverged").sum())
        rows.append([f"{ratio:g}", f"{width:g}", *(f"{shares[alpha]:.0%}" for alpha in alphas), f"{lost}"])
    return markdown(["m/d", "units", *(f"size {alpha:g}" for alpha in alphas), "diverged"], rows)


@passage("widths")
def widths_needed(reference):
    """Return the rank of the optimum and the width needed in every ensemble, as Markdown."""
    frame = frame_of(reference["tables"]["widths"])
    _, optimal = cells(frame, ["positive"], "optimal")
    widths = [*sorted(frame["positive"].unique()), np.inf]
    needed = [f"{widths[place]:g}" for place in needed_widths(optimal)]
    ranks = [f"{rank:g}" for rank in frame.groupby("ensemble")["optimum_rank"].first()]
    root = np.sqrt(2 * frame["m"].iloc[0])
    header = [f"√(2m) = {root:.1f}, ensemble", *(str(number) for number in range(len(ranks)))]
    return markdown(header, [["rank of the optimum", *ranks], ["width needed", *needed]])
