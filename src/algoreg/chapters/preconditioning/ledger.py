"""The ledger's evidence on preconditioning: iterations by κ and method, and the measurements that each takes."""

import numpy as np

from algoreg.analysis.exponents import slope_weights
from algoreg.analysis.means import geometric_mean
from algoreg.analysis.thresholds import find_thresholds
from algoreg.chapters.preconditioning.estimands import thresholds_of
from algoreg.chapters.preconditioning.methods import METHODS
from algoreg.chapters.preconditioning.words import NAMES, told
from algoreg.judge.snapshots import frame_of
from algoreg.tell.report import geometric, markdown, number, passage

TOLERANCE = 0.01
# Of two factors.
ALTERNATING_TOLERANCE = 0.05


def _named(frame):
    """Yield the methods of a table with their rows, in the order of :data:`NAMES`."""
    for name in NAMES:
        own = frame[frame["method"] == name]
        if len(own):
            yield name, own


def _mean(passes):
    """Return a geometric mean of iterations, or how many runs got there."""
    if passes.notna().all():
        return f"{geometric_mean(passes):.0f}"
    return f"not by T ({passes.notna().sum()}/{len(passes)})"


@passage("conditioning")
def conditioning_iterations(reference):
    """Return the iterations of every method to the smallest tolerance at every κ, as Markdown."""
    frame = frame_of(reference["tables"]["conditioning"])
    frame = frame[np.isclose(frame["tolerance"], frame["tolerance"].min())]
    kappas = sorted(frame["kappa"].unique())
    rows = [
        [NAMES[name], told(METHODS[name]), *(_mean(own.loc[own["kappa"] == kappa, "passes"]) for kappa in kappas)]
        for name, own in _named(frame)
    ]
    return markdown(["method", "told", *(f"κ = {kappa:g}" for kappa in kappas)], rows)


@passage("conditioning_samples")
def conditioning_thresholds(reference):
    """Return m*/dr of every method with its range, and its iterations at the largest m, as Markdown."""
    frame = frame_of(reference["tables"]["conditioning_samples"])
    rows, scale = [], frame["d"].iloc[0] * frame["rank"].iloc[0]
    for name, own in _named(frame):
        found = thresholds_of(frame, name, TOLERANCE)
        ratios = np.exp(found.logs) / scale
        most = own[np.isclose(own["tolerance"], TOLERANCE) & (own["m"] == own["m"].max())]
        ends = f"{number(ratios.min())} to {number(ratios.max())}"
        mean = geometric(ratios)
        rows.append([NAMES[name], told(METHODS[name]), mean, ends, _mean(most["passes"])])
    return markdown(["method", "told", "m*/dr", "range of runs", "iterations at the largest m"], rows)


@passage("conditioning_starts")
def conditioning_floors(reference):
    """Return the smallest error of every method by α, a geometric mean over runs, as Markdown."""
    frame = frame_of(reference["tables"]["conditioning_starts"])
    alphas = sorted(frame["alpha"].unique(), reverse=True)
    rows = []
    for name, own in _named(frame):
        means = own.groupby("alpha")["smallest_error"].apply(geometric_mean)
        rows.append([NAMES[name], *(f"{means[alpha]:.1e}" for alpha in alphas)])
    return markdown(["method", *(f"α = {alpha:g}" for alpha in alphas)], rows)


@passage("conditioning_starts")
def conditioning_beside_plain(reference):
    """Return the smallest error with λ = σ_r over plain descent's of its width, by α, and both exponents, in words."""
    frame = frame_of(reference["tables"]["conditioning_starts"])
    means = {name: own.groupby("alpha")["smallest_error"].apply(geometric_mean) for name, own in _named(frame)}
    damped, plain = means["damped_1_2r"], means["descent_2r"]
    slopes = [slope_weights(own.index) @ np.log(own) for own in (damped, plain)]
    ratios = (damped / plain).sort_index(ascending=False)
    said = ", ".join(number(ratio) for ratio in ratios)
    return (
        f"The exponent is {slopes[0]:.2f}, that of plain descent of this width {slopes[1]:.2f}. "
        f"From α = {ratios.index[0]:g} to {ratios.index[-1]:g} the error is {said} times that of plain descent."
    )


@passage("alternating_samples")
def alternating_thresholds(reference):
    """Return m*/(2dr) of alternating steps and of descent by the columns, a geometric mean over runs, as Markdown."""
    frame = frame_of(reference["tables"]["alternating_samples"])
    scale, rows = 2 * frame["d"].iloc[0] * frame["rank"].iloc[0], []
    for method, own in frame.groupby("method"):
        found = find_thresholds(own, "k", ALTERNATING_TOLERANCE)
        means = np.exp(found.logs.mean(axis=(1, 2))) / scale
        rows.append([method, *(number(float(mean)) for mean in means)])
    return markdown(["method", *(f"k = {k:g}" for k in sorted(frame["k"].unique()))], rows)
