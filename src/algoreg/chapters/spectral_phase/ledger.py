"""The ledger's evidence on the first phase: angles and exponents by width."""

import numpy as np

from algoreg.claims.cells import cells
from algoreg.claims.exponents import slopes_of_runs
from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.report import geometric, markdown, number, passage


@passage("phase_few")
def phase_angles(frame):
    """Return the geometric means of the sines of both angles, and of their ratio, by width and α, as Markdown."""
    rows = []
    for (width, alpha), own in frame.groupby(["width", "alpha"]):
        means = [geometric(own[column]) for column in ("angle_to_labels", "angle_to_target", "preference")]
        rows.append([width, f"{alpha:g}", *means])
    return markdown(["width", "α", "to the eigenvectors of (1/m) Σ yᵢAᵢ", "to those of X*", "ratio"], rows)


@passage("phase_many", "phase_few")
def phase_exponents(*frames):
    """Return the exponents of the error in α by m and width, and those that the gap predicts, as Markdown."""
    rows = []
    for frame in frames:
        first = frame.iloc[0]
        for width, own in frame.groupby("width"):
            found = exponent_of(own, "alpha", "smallest_error")
            ratio = number(first["m"] / first["d"] / first["rank"])
            rows.append([ratio, f"{first['rank']:g}", width, number(found), number(own["predicted"].mean())])
    return markdown(["m/(dr)", "r", "width", "exponent of the error in α", "2(1 − λ_{r+1}/λ̄)"], rows)


def _exponents(own, table):
    """Return the exponents of the error in α of single draws and those that the gap predicts, targets × ensembles."""
    return slopes_of_runs(own, "alpha", "smallest_error", table), cells(own, ["alpha"], "predicted")[1][0]


@passage("phase_few")
def phase_constant(frame):
    """Return how far the exponents are from 1, and how they spread with and without the gap's prediction, in words."""
    found, expected = _exponents(frame[frame["width"] == "d"], "phase_few")
    over = found / expected
    spreads = [number(float(values.std(ddof=1) / values.mean())) for values in (found, over)]
    return (
        f"The mean exponent is {number(abs(float(found.mean()) - 1))} off from the constant 1, too. What tells is the spread of "
        f"the draws: {spreads[0]} of the mean, and {spreads[1]} once each exponent is divided by its draw's prediction."
    )


@passage("phase_many", "phase_few")
def phase_correlations(many, few):
    """Return how the exponents of single draws at full width correlate with those that the gap predicts, in words."""
    said = []
    for table, frame in {"phase_many": many, "phase_few": few}.items():
        own = frame[frame["width"] == "d"]
        found, expected = _exponents(own, table)
        first, related = own.iloc[0], np.corrcoef(found.ravel(), expected.ravel())[0, 1]
        ratio = number(first["m"] / first["d"] / first["rank"])
        said.append(f"{number(float(related))} over {found.size} draws at m = {ratio}dr")
    return f"At full width exponent and prediction have the correlation {' and '.join(said)}."
