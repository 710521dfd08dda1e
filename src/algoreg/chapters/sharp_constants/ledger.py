"""The ledger's evidence on sharp constants: errors, overlaps and first m beside predictions, shares of recovery."""

import functools

from algoreg.numerics.theory import trace_statistical_dimension
from algoreg.reporting.report import bound_of, markdown, number, passage

FOUND = 0.1


@passage("sharp_noise", "sharp_overlap", "sharp_least_trace")
def sharp_headline(reference):
    """Return the headline's numbers: how far means are from their predictions, in words."""
    sizes = reference["tables"]["sharp_least_trace"]["d"]
    percent = functools.partial(bound_of, reference, towards="up", digits=2, scale=100)
    noise = max((percent(f"sharp-noise-{name}") for name in ("least-squares", "penalised")), key=float)
    return (
        f"At rank 2, m = 6dr and noise up to x = σ√(d/(2m)) = 0.3 mean squared errors are within {noise} % of the prediction; "
        f"squared overlaps with X\\*'s eigenvector at rank 1 and m ≥ d are within {bound_of(reference, 'sharp-overlap', 'up')}, and the "
        f"mean of the first m at which the least trace finds X\\* (rank 2, d = {sizes.min()} to {sizes.max()}) is within "
        f"{percent('sharp-least-trace')} %."
    )


@passage("sharp_noise")
def sharp_errors(frame):
    """Return squared errors by method and noise beside their predictions, as Markdown."""
    rows = []
    for (d, method, noise), own in frame.groupby(["d", "method", "noise"]):
        values = (number(own[name].mean()) for name in ("error", "predicted", "over", "over_noise"))
        rows.append([d, method.replace("_", " "), f"{noise:g}", *values])
    header = ["d", "method", "x", "squared error", "predicted", "over the prediction", "over that of noise alone"]
    return markdown(header, rows)


@passage("sharp_overlap")
def sharp_overlaps(frame):
    """Return squared overlaps by m/d, as Markdown."""
    rows = [
        [
            d,
            f"{ratio:g}",
            number(own["overlap"].mean()),
            number(2 * own["overlap"].sem()),
            number(own["predicted"].iloc[0]),
        ]
        for (d, ratio), own in frame.groupby(["d", "m_over_d"])
    ]
    return markdown(["d", "m/d", "squared overlap", "two standard errors", "predicted"], rows)


@passage("sharp_least_trace")
def sharp_first_counts(frame):
    """Return the mean first m by d and rank, as Markdown."""
    rows = []
    for (d, rank), own in frame.groupby(["d", "rank"]):
        mean, error = own["first_m"].mean(), 2 * own["first_m"].sem()
        rows.append(
            [d, rank, number(mean), number(error), number(own["predicted"].iloc[0]), number(own["over"].mean())]
        )
    return markdown(["d", "r", "mean first m", "two standard errors", "predicted", "ratio"], rows)


@passage("sharp_descent")
def sharp_shares(frame):
    """Return the share of draws that descent recovers by m/d, as Markdown."""
    rows = [
        [d, f"{ratio:g}", f"{(own['test_error'] < FOUND).mean():.0%}", len(own)]
        for (d, ratio), own in frame.groupby(["d", "m_over_dr"])
    ]
    return markdown(["d", "m/d", "share with error below 0.1", "draws"], rows)


@passage("sharp_descent")
def sharp_dimension(frame):
    """Return the statistical dimension of the least trace at the descents' d, in words."""
    return ", ".join(f"{trace_statistical_dimension(d, 1) / d:.2f}d at d = {d}" for d in sorted(frame["d"].unique()))
