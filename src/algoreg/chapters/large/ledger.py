"""The ledger's evidence on large dimensions: thresholds beside the leak's, what is stored, and what runs cost."""

import numpy as np

from algoreg.chapters.large.by_method import METHODS, sweep
from algoreg.chapters.large.estimands import Curves
from algoreg.chapters.large.leak import log_leak, predicted
from algoreg.claims.cells import geometric_mean
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import interval_of
from algoreg.reporting.charts.text import power_of_ten
from algoreg.reporting.report import markdown, number, passage, with_interval

TOLERANCE = 0.1


def _thresholds(frame):
    """Yield the d, the rank, c* with its interval, and the leak's prediction, of one α."""
    curves, rng = Curves(frame, TOLERANCE), np.random.default_rng(0)
    places = np.exp(curves.thresholds(curves.values))
    ratios = [d / rank for d, rank in curves.sizes]
    expected = predicted(places[0], ratios[0], ratios, curves.alpha)
    for i, (d, rank) in enumerate(curves.sizes):
        found = interval_of(lambda part, i=i: np.exp(curves.thresholds(part)[i]), curves.values, rng)
        yield d, rank, found, expected[i]


@passage("large_d", "large_r")
def large_thresholds_found(*frames):
    """Return the thresholds of every size and start beside the leak's, as Markdown."""
    rows = [
        [d, rank, power_of_ten(alpha), with_interval(found), number(expected)]
        for frame in frames
        for alpha, part in frame.groupby("alpha", sort=True)
        for d, rank, found, expected in _thresholds(part)
    ]
    header = ["d", "r", "α", "m\\*/(dr) with its 95 % interval", "the leak, fitted at the first row of each α"]
    return markdown(header, rows)


@passage("large_d", "large_r", tiers=("full",))
def large_thresholds_of_full(*frames):
    """Return :func:`large_thresholds_found` of tier full, which has the largest d and r."""
    return large_thresholds_found(*frames)


def _thresholds_of(frame, alpha):
    """Return m*/(dr) from one α by (d, rank)."""
    curves = Curves(frame[np.isclose(frame["alpha"], alpha, rtol=1e-9, atol=0)], TOLERANCE)
    return {(int(d), int(rank)): place for (d, rank), place in _places(curves)}


def _places(curves):
    """Return the pairs of a size and its m*/(dr)."""
    return zip(curves.sizes, np.exp(curves.thresholds(curves.values)), strict=True)


@passage("large_d", "large_r", tiers=("full",))
def large_collapse(sizes, ranks):
    """Return m*/(dr) at sizes of equal d/r, of r = 1 beside larger ranks, in words."""
    (alpha,) = ranks["alpha"].unique()
    ones, others = _thresholds_of(sizes, alpha), _thresholds_of(ranks, alpha)
    pairs = [
        f"{number(ones[one])} at d = {one[0]}, r = 1 and {number(others[other])} at d = {other[0]}, r = {other[1]}"
        for one in ones
        for other in others
        if other[1] > 1 and one[0] * other[1] == other[0]
    ]
    return "; ".join(pairs)


@passage("large_d", tiers=("full",))
def large_local_exponents(frame):
    """Return the exponents of m* in d between neighbouring sizes from the largest α, in words."""
    places = _thresholds_of(frame, frame["alpha"].max())
    d, counts = np.array([(size, size * place) for (size, _), place in places.items()]).T
    slopes = np.diff(np.log(counts)) / np.diff(np.log(d))
    return ", ".join(f"{slope:.2f}" for slope in slopes)


@passage("large_d")
def large_leaks(frame):
    """Return how large the leak is at the threshold of the smallest d, by start, in words."""
    found = {}
    for alpha, part in frame.groupby("alpha", sort=True):
        curves = Curves(part, TOLERANCE)
        (d, rank), place = curves.sizes[0], curves.thresholds(curves.values)[0]
        found[alpha] = np.exp(log_leak(np.exp(place), d / rank, alpha))
    return ", ".join(f"{number(value)} at α = {power_of_ten(alpha)}" for alpha, value in reversed(found.items()))


@passage("large_basis")
def large_basis_sizes(frame):
    """Return the directions and bytes stored by d at the last time beside those of stored measurements, as Markdown."""
    last = frame[frame["time"] == frame["time"].max()]
    rows = []
    for d, own in last.groupby("d"):
        stored = own["m"].iloc[0] * d * (d + 1) / 2 * 8 / 1e6
        rows.append([d, number(own["directions"].mean()), number(own["megabytes"].mean()), number(stored)])
    return markdown(["d", "directions", "MB stored", "MB of stored measurements"], rows)


@passage("large_iterations")
def large_iterations_found(frame):
    """Return the iterations by rank with a fixed step and with the theorem's, as Markdown."""
    rows = []
    for rank, own in frame.groupby("rank"):
        steps = [own[own["step_power"] == power] for power in (0, 1)]
        rows.append([rank, *(number(geometric_mean(step["iterations"])) for step in steps)])
    return markdown(["r", "iterations, η = 0.25", "iterations, η = 0.25/√r"], rows)


@passage("large_d", "large_r")
def large_exponents(*frames):
    """Return the exponents of m* in d, by start, and in r, in words."""
    frame, ranks = frames
    said = []
    for alpha, part in frame.groupby("alpha", sort=True):
        curves = Curves(part, TOLERANCE)
        d, rank = np.array(curves.sizes, float).T
        slope = slope_weights(d) @ (curves.thresholds(curves.values) + np.log(d * rank))
        said.append(f"{slope:.2f} from α = {power_of_ten(alpha)}")
    curves = Curves(ranks, TOLERANCE)
    d, rank = np.array(curves.sizes, float).T
    slope = slope_weights(rank) @ (curves.thresholds(curves.values) + np.log(d * rank))
    return f"exponents in d of {', '.join(said)}, and {slope:.2f} in r"


@passage(*METHODS)
def large_by_method(*frames):
    """Return how the measurements that every method takes grow with d and r, as Markdown."""
    rng, rows = np.random.default_rng(0), []
    for name, frame in zip(METHODS.values(), frames, strict=True):
        cells = []
        for along, sign in (("d", "d"), ("rank", "r")):
            sizes, found, exponent = sweep(frame, along, TOLERANCE, rng)
            shown = ", ".join(f"{number(place)} ({sign} = {size})" for size, place in zip(sizes, found, strict=True))
            cells += [shown, with_interval(exponent)]
        rows.append([name, *cells])
    d = frames[0].loc[frames[0]["rank"] > 1, "d"].iloc[0]
    return markdown(
        ["method", "m\\*/(dr) at r = 1", "exponent of m\\* in d", f"m\\*/(dr) at d = {d}", "exponent of m\\* in r"],
        rows,
    )


@passage("large_basis")
def large_basis_ends(frame):
    """Return how many directions are stored at the last time at the smallest and at the largest d, in words."""
    last = frame[frame["time"] == frame["time"].max()].groupby("d")["directions"].mean()
    return " and ".join(f"{number(last.loc[d])} at d = {d}" for d in (last.index[0], last.index[-1]))
