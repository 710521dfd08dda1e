"""The ledger's macros on depth: thresholds by depth and start, the stages of descent, and the start that they take."""

import numpy as np

from algoreg.chapters.depth.words import LABELS, TOLERANCE
from algoreg.claims.cells import geometric_mean
from algoreg.claims.exponents import slope_weights
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.reporting.charts.text import number as power
from algoreg.reporting.report import markdown, number, passage

# The powers of an initialisation that are compared.
NAMES = {2: "square", 3: "cube", 4: "fourth power"}


def _means(frame):
    """Return the geometric mean of m*/(dr) over runs at every (α, T)."""
    first, found = frame.iloc[0], {}
    for names, part in frame.groupby(["alpha", "time"]):
        logs = find_thresholds(part, "rank", TOLERANCE).logs
        found[names] = float(np.exp(logs.mean())) / (first["d"] * first["rank"])
    return found


@passage(*LABELS)
def depth_of_thresholds(*frames):
    """Return m*/(dr) by factorisation and start, at T and at T/2, as Markdown."""
    rows = []
    for label, means in zip(LABELS.values(), map(_means, frames), strict=True):
        for alpha in sorted({alpha for alpha, _ in means}, reverse=True):
            *half, last = (value for (size, _), value in sorted(means.items()) if size == alpha)
            rows.append([label, power(alpha**2), number(last), number(half[0]) if half else "–"])
    return markdown(["factors", "s₀", "m*/(dr)", "at half of T"], rows)


@passage("depth_2", "depth_3")
def depth_powers(two, three):
    """Return how many times as many measurements two factors need as three, from powers of larger starts, in words."""
    two, three = _means(two), _means(three)
    longest = {alpha: max(time for other, time in two if other == alpha) for alpha, _ in two}
    said = []
    for alpha, time in three:
        powers = {round(np.log(own) / np.log(alpha), 2): two[own, longest[own]] / three[alpha, time] for own in longest}
        ratios = [f"{number(powers[degree])} ({name})" for degree, name in NAMES.items() if degree in powers]
        if ratios and time == max(each for other, each in three if other == alpha):
            said.append(
                f"from the square or cube of {power(alpha**2)}, the initialisation of three factors, two factors need {', '.join(ratios)} times as many measurements"
            )
    return "; ".join(said)


@passage("depth_2")
def depth_degrees_of_freedom(frame):
    """Return the degrees of freedom of X* divided by dr, as text."""
    first = frame.iloc[0]
    return number(degrees_of_freedom(int(first["d"]), int(first["rank"])) / (first["d"] * first["rank"]))


@passage("depth_stages")
def depth_of_stages(frame):
    """Return how near X comes to X*'s truncations, when, and with which effective rank, by depth and s, as Markdown."""
    rows = []
    for (depth, s), own in frame.groupby(["depth", "s"]):
        nearest = geometric_mean(own["nearest"])
        cells = [nearest, own["passed"].mean(), own["reached"].mean(), own["rank_excess"].mean()]
        rows.append([str(depth), str(s), *map(number, cells)])
    header = ["depth", "s", "smallest distance to X*_s", "at η·t", "eigenvalue s learned at", "effective rank / X*_s's"]
    return markdown(header, rows)


@passage("depth_start_2", "depth_start")
def depth_of_starts(*frames):
    """Return the largest start from which eigenvalues are learned one by one, by depth and gap, as Markdown."""
    levels, rows = sorted(frames[0]["closeness"].unique()), []
    for depth, own in (group for frame in frames for group in frame.groupby("depth")):
        starts = np.exp(-own.groupby("closeness")["log_smallness"].mean())
        rows.append([str(depth), *(number(starts[level]) for level in levels)])
    return markdown(["depth", *(f"ρ − 1 = {1 / level:g}" for level in levels)], rows)


@passage("depth_start_2", "depth_start")
def depth_of_increments(*frames):
    """Return what each halving of ρ − 1 adds to ln(1/s₀), by depth, compared with a power law in ρ − 1, in words."""
    said = []
    for depth, own in (group for frame in frames for group in frame.groupby("depth")):
        added = np.diff(own.groupby("closeness")["log_smallness"].mean())
        said.append(f"{' and '.join(map(number, added))} with {depth} factors")
    levels = np.sort(frames[0]["closeness"].unique())
    largest = slope_weights(levels) @ np.log(np.log(levels))
    return (
        f"s₀ = (ρ − 1)^p has {number(largest)} at these ρ, whatever p, and less with a smaller factor before it. But "
        "each halving of ρ − 1 would then add as much to ln(1/s₀) as the one before. It adds "
        f"{', '.join(said)}. Exponential growth would double what is added."
    )


@passage("depth_2", "depth_3")
def depth_headline(two, three):
    """Return m*/(dr) of two and three factors at one start, and of two from its cube, as a sentence."""
    at, other = ({alpha: value for (alpha, _), value in sorted(_means(frame).items())} for frame in (two, three))
    same, cube = (min(at, key=lambda alpha, goal=goal: abs(np.log(alpha / goal))) for goal in (1e-2, 1e-6))
    return (
        f"from X₀ = {power(same**2)}·I recovery takes {number(at[same])}·dr measurements with two factors and "
        f"{number(other[same])}·dr with three; with two from {power(cube**2)}·I it takes {number(at[cube])}·dr"
    )
