"""The ledger's macros on greedy low-rank learning: where methods end, by start, and where deep diagonal factors do."""

import numpy as np

from algoreg.claims.cells import geometric_mean
from algoreg.claims.exponents import slope_weights
from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.charts.text import number as power
from algoreg.reporting.charts.text import signed
from algoreg.reporting.report import geometric, markdown, number, passage

# Distances below this are called there.
THERE = 0.05


def _ends(frame):
    """Return a row per method and α of the table's runs: geometric means of both distances,
    and who is there or nearer.
    """
    rows = []
    for (method, alpha), own in frame[frame["method"] != "greedy"].groupby(["method", "alpha"]):
        greedy, trace = own["distance_to_greedy"], own["distance_to_min_trace"]
        means = [geometric(greedy), geometric(trace)]
        counts = [f"{(greedy < THERE).sum()}/{len(own)}", f"{(greedy < trace).sum()}/{len(own)}"]
        rows.append([method, power(alpha), *means, *counts, str((own["status"] != "converged").sum())])
    return rows


@passage("greedy_ends", "greedy_mirror")
def greedy_of_ends(*frames):
    """Return where descent and mirror descent end, by α, as Markdown."""
    header = ["method", "α", "to greedy learning's end", "to the least trace"]
    header += [f"within {THERE:g} of the former", "nearer to it", "runs that do not fit yet"]
    return markdown(header, [row for frame in frames for row in _ends(frame)])


@passage("greedy_four_by_four")
def greedy_of_four(frame):
    """Return how far descent ends from the fit of rank one and from that of least trace, by R and α, as Markdown."""
    rows = []
    for (ratio, alpha), own in sorted(frame.groupby(["ratio", "alpha"]), key=lambda one: (one[0][0], -one[0][1])):
        distances = [geometric(own[f"distance_to_{fit}"]) for fit in ("rank_one", "least_trace")]
        rows.append([f"{ratio:g}", power(alpha), *distances])
    return markdown(["R", "α", "to the fit of rank one", "to the least trace"], rows)


@passage("greedy_ends", "greedy_mirror")
def greedy_of_columns(*frames):
    """Return how many columns greedy low-rank learning takes, how often it ends at X*,
    and how far from the least trace.
    """
    said = []
    for frame, name in zip(frames, ("descent", "mirror descent"), strict=True):
        own = frame[frame["method"] == "greedy"]
        one, there = (own["columns"] == 1).sum(), (own["distance_to_target"] < 1e-4).sum()
        said.append(
            f"On the draws of {name} it takes one column in {one} of {len(own)}, at most {int(own['columns'].max())}, and ends at "
            f"X\\* in {there}. The least trace is {geometric(own['distance_to_min_trace'])} away from its end (geometric mean)."
        )
    return " ".join(said)


@passage("greedy_commuting")
def greedy_of_commuting(frame):
    """Return the distance to the least trace by depth and start, as Markdown."""
    starts = sorted(frame["start"].unique(), reverse=True)
    rows = []
    for depth, own in frame.groupby("depth"):
        means = own.groupby("start")["distance_to_min_trace"].apply(geometric_mean)
        open_runs = (own["status"] != "converged").sum()
        rows.append([str(depth), *(number(means[start]) for start in starts), f"{open_runs}/{len(own)}"])
    return markdown(["depth", *(f"s₀ = {power(start)}" for start in starts), "runs that do not fit yet"], rows)


@passage("greedy_commuting")
def commuting_least_is_target(frame):
    """Return in how many draws the least trace is X*, as a clause:
    those whose distances to both agree at every depth and start.
    """
    apart = (frame["distance_to_min_trace"] - frame["distance_to_target"]).abs()
    draws = apart.groupby([frame["target"], frame["ensemble"]]).max()
    return f"the least trace is X\\* in {(draws < 1e-4).sum()} of {len(draws)} draws alone"


@passage("greedy_ends")
def greedy_headline(frame):
    """Return both distances of descent's end from the smallest α, as sentences."""
    own = frame[frame["method"] == "descent"]
    own = own[own["alpha"] == own["alpha"].min()]
    distances = own[["distance_to_greedy", "distance_to_min_trace"]]
    greedy, trace = map(geometric_mean, (distances[name] for name in distances))
    neither = (distances >= THERE).all(axis=1).sum()
    return (
        f"and rank 1 greedy learning ends at X\\*. Descent from α = {power(own['alpha'].iloc[0])} ends {number(greedy)} away from there, and "
        f"{number(trace)} away from the least nuclear norm (geometric means, over ‖X\\*‖); {(own['distance_to_greedy'] < THERE).sum()} of "
        f"{len(own)} runs end within {THERE:g} of X\\*, and {neither} near neither."
    )


@passage("greedy_ends")
def greedy_power_of_all(frame):
    """Return the exponents in α of descent's mean distances to greedy learning's end over all α of the table,
    as a sentence.
    """
    own = frame[frame["method"] == "descent"]
    means = own.groupby("alpha")["distance_to_greedy"].mean()
    plain = slope_weights(means.index) @ np.log(means)
    return (
        f"Over all α of the table the power is {number(plain)} in the plain mean, which the runs that end far from it decide; in the "
        f"geometric mean, from {power(own['alpha'].max())} on, the power is {number(exponent_of(own, 'alpha', 'distance_to_greedy'))}."
    )


@passage("greedy_commuting")
def commuting_power_of_all(frame):
    """Return the exponent in s₀ of three factors' distance to the least trace over all s₀ of the table,
    as a sentence.
    """
    own = frame[frame["depth"] == 3]
    largest = power(own["start"].max())
    return f"Over all s₀ of the table, from {largest} on, it is {number(exponent_of(own, 'start', 'distance_to_min_trace'))}."


@passage("greedy_mirror")
def mirror_power(frame):
    """Return the exponent of mirror descent's distance to the least trace in ln(1/s₀), as text."""
    own = frame[frame["method"] == "mirror"]
    return signed(exponent_of(own, "log_smallness", "distance_to_min_trace"))
