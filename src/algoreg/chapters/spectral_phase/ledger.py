"""The ledger's evidence on the first phase: angles and exponents by width."""

from algoreg.analysis.means import geometric_mean
from algoreg.judge.snapshots import frame_of
from algoreg.tell.charts.law import exponent
from algoreg.tell.report import markdown, number, passage


@passage("phase_few")
def phase_angles(reference):
    """Return the mean sines of both angles by width and α, as Markdown."""
    frame = frame_of(reference["tables"]["phase_few"])
    rows = []
    for (width, alpha), own in frame.groupby(["width", "alpha"]):
        means = [number(own[column].mean()) for column in ("angle_to_labels", "angle_to_target", "preference")]
        rows.append([width, f"{alpha:g}", *means])
    return markdown(["width", "α", "to the labels' eigenvectors", "to those of X*", "ratio"], rows)


@passage("phase_few", "phase_many")
def phase_exponents(reference):
    """Return the exponents of the error in α by m and width, and those that the gap predicts, as Markdown."""
    rows = []
    for table in ("phase_many", "phase_few"):
        frame = frame_of(reference["tables"][table])
        first = frame.iloc[0]
        for width, own in frame.groupby("width"):
            means = own.groupby("alpha")["smallest_error"].apply(geometric_mean)
            found = exponent(means.index, means)
            ratio = number(first["m"] / first["d"] / first["rank"])
            rows.append([ratio, f"{first['rank']:g}", width, number(found), number(own["predicted"].mean())])
    return markdown(["m/(dr)", "r", "width", "exponent of the error in α", "2(1 − λ_{r+1}/λ̄)"], rows)
