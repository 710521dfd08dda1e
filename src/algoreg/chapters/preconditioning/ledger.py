"""The ledger's evidence on preconditioning: iterations by κ and method, and the measurements that each takes."""

import numpy as np

from algoreg.chapters.preconditioning.estimands import thresholds_of
from algoreg.chapters.preconditioning.methods import METHODS
from algoreg.chapters.preconditioning.words import NAMES, prior_knowledge, stopped
from algoreg.claims.cells import geometric_mean
from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.law import exponent
from algoreg.reporting.charts.text import signed
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.reporting.wording import outwards

TOLERANCE = 0.01
# Of two factors.
ALTERNATING_TOLERANCE = 0.05
# Of the start's errors: what is beside plain descent of the same width.
DAMPED = ("damped_1_2r", "damped_0.01_2r")


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
def conditioning_iterations(frame):
    """Return the iterations of every method to the smallest tolerance at every κ, as Markdown."""
    frame = frame[np.isclose(frame["tolerance"], frame["tolerance"].min())]
    kappas = sorted(frame["kappa"].unique())
    rows = [
        [
            NAMES[name],
            prior_knowledge(METHODS[name]),
            *(_mean(own.loc[own["kappa"] == kappa, "passes"]) for kappa in kappas),
        ]
        for name, own in _named(frame)
    ]
    return markdown(["method", "prior knowledge", *(f"κ = {kappa:g}" for kappa in kappas)], rows)


@passage("conditioning_samples")
def conditioning_thresholds(frame):
    """Return m*/dr of every method with its range, and its iterations at the largest m, as Markdown."""
    rows, scale = [], frame["d"].iloc[0] * frame["rank"].iloc[0]
    for name, own in _named(frame):
        found = thresholds_of(frame, name, TOLERANCE)
        ratios = np.exp(found.logs) / scale
        most = own[np.isclose(own["tolerance"], TOLERANCE) & (own["m"] == own["m"].max())]
        ends = f"{number(ratios.min())} to {number(ratios.max())}"
        mean = geometric(ratios)
        rows.append([NAMES[name], prior_knowledge(METHODS[name]), mean, ends, _mean(most["passes"])])
    return markdown(["method", "prior knowledge", "m*/dr", "range of runs", "iterations at the largest m"], rows)


@passage("conditioning_starts")
def conditioning_floors(frame):
    """Return the smallest error of every method by α,
    a geometric mean over runs or a bound where runs left, as Markdown.
    """
    alphas, stop = sorted(frame["alpha"].unique(), reverse=True), frame["tolerance"].min()
    rows = []
    for name, own in _named(frame):
        means, left = own.groupby("alpha")["smallest_error"].apply(geometric_mean), stopped(own)
        # Runs that left count with the tolerance or less: where they did, the mean is a bound.
        cells = [
            f"< {outwards(max(means[alpha], stop), 'up'):.1e}" if alpha in left else f"{means[alpha]:.1e}"
            for alpha in alphas
        ]
        rows.append([NAMES[name], *cells])
    return markdown(["method", *(f"α = {alpha:g}" for alpha in alphas)], rows)


def _by_start(frame):
    """Return the smallest error of every method of a table over α, falling,
    a geometric mean over runs each; NaN where runs left.
    """
    means = {}
    for name, own in _named(frame):
        found = own.groupby("alpha")["smallest_error"].apply(geometric_mean)
        means[name] = found.mask(found.index.isin(stopped(own))).sort_index(ascending=False)
    return means


@passage("conditioning_starts")
def conditioning_beside_plain(frame):
    """Return the smallest errors with constant damping over plain descent's of that width by α,
    T and exponents, as Markdown.
    """
    means, times = _by_start(frame), frame.groupby("method")["budget"].first()
    plain, rows = means["descent_2r"], []
    for name in ("descent_2r", *DAMPED):
        ratios = ["–" if np.isnan(ratio) else number(ratio) for ratio in means[name] / plain]
        known = means[name].dropna()
        slope = exponent(known)
        rows.append([NAMES[name], f"{times[name]:g}", *ratios, signed(slope)])
    return markdown(["method", "T", *(f"α = {alpha:g}" for alpha in plain.index), "exponent in α"], rows)


@passage("conditioning_starts", "conditioning_starts_long")
def conditioning_longer(*frames):
    """Return how the smallest errors with constant damping go on to fall after T, in words."""
    short, long = map(_by_start, frames)
    times = [frame.groupby("method")["budget"].first() for frame in frames]
    said = []
    for name in DAMPED:
        slopes = np.log(long[name] / short[name][long[name].index]) / np.log(times[1][name] / times[0][name])
        last = exponent(long[name])
        ends = ", ".join(f"{error:.1e}" for error in long[name])
        said.append(
            f"With {NAMES[name]}, the errors after {times[1][name]:g} iterations are {ends} from "
            f"α = {', '.join(f'{alpha:g}' for alpha in long[name].index)}. From T on they fall as t to the powers "
            f"{', '.join(signed(slope) for slope in slopes)}, and their exponent in α is {signed(last)}."
        )
    return " ".join(said)


@passage("alternating_samples")
def alternating_thresholds(frame):
    """Return m*/(2dr) of the three methods on two factors by the columns, a geometric mean over runs, as Markdown."""
    scale, rows = 2 * frame["d"].iloc[0] * frame["rank"].iloc[0], []
    for method, own in frame.groupby("method"):
        found = find_thresholds(own, "k", ALTERNATING_TOLERANCE)
        means = np.exp(found.logs.mean(axis=(1, 2))) / scale
        rows.append([method, *(number(float(mean)) for mean in means)])
    return markdown(["method", *(f"k = {k:g}" for k in sorted(frame["k"].unique()))], rows)
