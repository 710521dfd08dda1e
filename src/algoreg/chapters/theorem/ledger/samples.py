"""The ledger's evidence on sample complexity."""

from operator import itemgetter

import numpy as np

from algoreg.chapters.theorem.readings import SWEEPS, TOLERANCE, readings
from algoreg.claims.censoring import ABOVE, BELOW, INSIDE
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom, trace_statistical_dimension
from algoreg.reporting.report import markdown, passage
from algoreg.reporting.wording import outwards

SPECTRA = ("flat", "columns")
# At which the median threshold is held against the dimensions that theory names.
TOLERANCES = (0.3, TOLERANCE, 0.01)


@passage(*SWEEPS.values())
def samples_thresholds(*frames):
    """Return the thresholds of every size beside the dimensions that theory names, all in units of dr, as Markdown."""
    rows = []
    for along, frame in zip(SWEEPS, frames, strict=True):
        found = {spectrum: find_thresholds(part, along, TOLERANCE) for spectrum, part in frame.groupby("spectrum")}
        for (d, rank), place in _places(frame, along):
            rows.append(
                [
                    d,
                    rank,
                    *(_spread(found[spectrum], place, d * rank) for spectrum in SPECTRA),
                    f"{degrees_of_freedom(d, rank) / (d * rank):.2f}",
                    f"{trace_statistical_dimension(d, rank) / (d * rank):.2f}",
                ]
            )
    header = [
        "d",
        "r",
        "m*/dr, equal eigenvalues: median (smallest … largest)",
        "m*/dr, X* as the paper draws it",
        "degrees of freedom / dr",
        "statistical dimension of least trace / dr",
    ]
    return markdown(header, rows)


@passage("samples_d")
def samples_log_exponents(frame):
    """Return the exponents 1 + 1/log d that d·log d has at the sweep's dimensions, the smallest and the largest."""
    exponents = 1 + 1 / np.log(frame["d"])
    return f"{exponents.min():.2f} to {exponents.max():.2f}"


@passage(*SWEEPS.values())
def samples_between(*frames):
    """Return at which tolerances the median threshold lies between the two dimensions of theory, in sentences."""
    sentences = []
    for tolerance in TOLERANCES:
        between, above, whole = _sides_of_dimensions(frames, tolerance)
        beyond = f", and above both in {above}" if above else ""
        sentences.append(
            f"At the tolerance {tolerance:g} the median m\\* is between the degrees of freedom and the statistical dimension in "
            f"{between} of {whole} cases{beyond}."
        )
    first, *others = ({*zip(frame["d"], frame["rank"], strict=True)} for frame in frames)
    twice = sorted(first.intersection(*others))
    shared = f"; {' and '.join(f'd = {d:g}, r = {rank:g}' for d, rank in twice)} counts in each sweep" if twice else ""
    return f"{' '.join(sentences)} A case is one size with one spectrum{shared}."


def _sides_of_dimensions(frames, tolerance):
    """Return at how many sizes the median threshold lies between the dimensions,
    at how many above the larger, of how many.
    """
    between = above = whole = 0
    for along, frame in zip(SWEEPS, frames, strict=True):
        for _, part in frame.groupby("spectrum"):
            found = find_thresholds(part, along, tolerance)
            for (d, rank), place in _places(frame, along):
                middle = found.medians()[place]
                least = trace_statistical_dimension(d, rank)
                whole += 1
                between += degrees_of_freedom(d, rank) < middle < least
                above += middle >= least
    return between, above, whole


def _order(found, place):
    """Return the places of one size's thresholds from the smallest to the largest."""
    logs, sides = found.logs[place].ravel(), found.sides[place].ravel()
    return np.argsort(np.where(sides == INSIDE, logs, np.where(sides == ABOVE, np.inf, -np.inf)), kind="stable")


def _places(frame, along):
    """Return ((d, rank), place) of every size of a sweep, in the order of its thresholds."""
    sizes = frame[["d", "rank"]].drop_duplicates().sort_values(along)
    return [((int(d), int(rank)), place) for place, (d, rank) in enumerate(sizes.to_numpy())]


def _spread(found, place, unit):
    """Return median and range of the thresholds of one size, those off the grid as the bounds that they are."""
    logs, sides = found.logs[place].ravel(), found.sides[place].ravel()
    order, median = _order(found, place), found.medians()[place]
    signs = {INSIDE: "", BELOW: "< ", ABOVE: "> "}
    low, middle, high = (
        f"{signs[sides[i]]}{np.exp(logs[i]) / unit:.2f}" for i in order[[0, (len(order) - 1) // 2, -1]]
    )
    return f"{f'{median / unit:.2f}' if 0 < median < np.inf else middle} ({low} … {high})"


READ = (
    *(f"samples_{kind}{along}" for kind in ("", "settings_", "precision_") for along in ("r", "d")),
    *("samples_square", "samples_projected"),
)


@passage(*READ)
def samples_sensitivity(*frames):
    """Return the exponents of the threshold at other tolerances, starts, times, steps and in float64, as Markdown."""
    tables = dict(zip(READ, frames, strict=True))
    found = [one for along in SWEEPS for one in readings(tables, along)]
    rows = []
    for name in dict.fromkeys(one.name for one in found):
        cells = []
        for along in SWEEPS:
            for spectrum in SPECTRA:
                here = [one for one in found if (one.name, one.along, one.spectrum) == (name, along, spectrum)]
                cells += [_exponent(*here), _factor(*here, found)] if here else ["", ""]
        rows.append([name, *cells])
    kinds = ("equal eigenvalues", "X* as the paper draws it")
    header = [
        "how m* is read",
        *(text for along in ("r", "d") for kind in kinds for text in (f"exponent in {along}, {kind}", "factor in m*")),
    ]
    return markdown(header, rows)


def _exponent(one):
    """Return an exponent and its interval, and how many thresholds lie off the grid."""
    off = int((one.thresholds.sides != INSIDE).sum())
    lost = f"{off} of {one.thresholds.sides.size} off the grid"
    if one.exponent.value is None:
        return f"– ({lost})"
    interval = f"{one.exponent.value:.2f} [{one.exponent.low:.2f}, {one.exponent.high:.2f}]"
    return f"{interval} ({lost})" if off else interval


def _factor(one, found):
    """Return by which factor the thresholds differ from those of the same draws as judged (geometric mean)."""
    kind = {"judged": "judged", "settings": "settings", "precision": "settings"}.get(one.kind)
    plain = [
        other
        for other in found
        if (other.kind, other.along, other.spectrum, other.name)
        == (kind, one.along, one.spectrum, {"judged": f"judged: error {TOLERANCE:g}"}.get(kind, "fewer draws"))
    ]
    if not plain or plain[0] is one:
        return ""
    off = set(one.thresholds.sides.ravel()) - {INSIDE}
    if len(off) > 1 or (plain[0].thresholds.sides != INSIDE).any():
        return "–"
    # Thresholds off the grid count as the bounds that they are, and make the mean one.
    factor = float(np.exp(np.mean(one.thresholds.logs - plain[0].thresholds.logs)))
    bound, towards = {ABOVE: ("at least ", "down"), BELOW: ("at most ", "up")}.get(next(iter(off), INSIDE), ("", None))
    return f"{bound}× {outwards(factor, towards, 4) if towards else factor:.3f}"


# Experiments of Gaussian measurements whose claims are judged.
GAUSSIAN_EXPERIMENTS = (
    *("min_trace", "samples_r", "samples_d", "window", "error_at_time", "iterations_in_r", "iterations_in_alpha"),
    *("iterations_in_kappa", "minibatch", "starts", "x_space", "x_space_factored"),
)


@passage(*GAUSSIAN_EXPERIMENTS)
def shared_ensembles(*frames):
    """Return which experiments share ensembles, by d, as Markdown."""
    sharing = {}
    for name, frame in sorted(zip(GAUSSIAN_EXPERIMENTS, frames, strict=True), key=itemgetter(0)):
        for d in frame["d"].unique():
            sharing.setdefault(d, []).append(f"`{name}`")
    return "\n".join(f"- d = {d}: {', '.join(names)}." for d, names in sorted(sharing.items()) if len(names) > 1)
