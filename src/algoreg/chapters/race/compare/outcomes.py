"""Who wins: ratios of passes and of thresholds between two methods, with intervals of crossed runs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from algoreg.claims.cells import cells
from algoreg.claims.censoring import INSIDE
from algoreg.claims.intervals import crossed_interval, exp_of
from algoreg.claims.thresholds import find_thresholds

TOLERANCES = (1e-2, 1e-4, 1e-6)
# The relative error at which m* is read, as the race reads it.
THRESHOLD = 0.1
WINS, TIES, LOSES, OPEN = "wins", "ties", "loses", "open"
# What counts, and what it is for the other method.
REVERSED = {WINS: LOSES, TIES: TIES, LOSES: WINS}


@dataclass(frozen=True)
class Duel:
    """How one method does beside another.

    Attributes
    ----------
    word : str
        ``wins`` or ``loses`` where the interval of the ratio leaves out 1, or where the other, or it, has runs that do
        not get there; ``ties`` where it holds 1; ``open`` where both have such runs.
    ratio, low, high : float or None
        Its passes, or measurements, over the other's: geometric mean over runs and 95 % interval.
    note : str
        How many runs did not get there.
    """

    word: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def log_passes(course, tolerance):
    """Return log passes until the error is first below a tolerance, shape (T, E), interpolated; NaN where it never is.

    The course has the rows of one method at one κ.
    """
    runs = [
        {"target": target, "ensemble": ensemble, "log": _log_crossing(run.sort_values("iteration"), tolerance)}
        for (target, ensemble), run in course.groupby(["target", "ensemble"])
    ]
    return cells(pd.DataFrame(runs).assign(point=0), ["point"], "log")[1][0]


def _log_crossing(run, tolerance):
    errors, passes = run["test_error"].to_numpy(), run["passes"].to_numpy()
    below = np.flatnonzero(errors < tolerance)
    if not len(below):
        return np.nan
    k = below[0]
    if k == 0 or errors[k] <= 0:
        return np.log(max(passes[k], 1.0))
    share = np.log(errors[k - 1] / tolerance) / np.log(errors[k - 1] / errors[k])
    return np.log(max(passes[k - 1] + share * (passes[k] - passes[k - 1]), 1.0))


def duel(logs, other_logs, rng):
    """Return the :class:`Duel` of two methods by the logarithms of what they need,
    shape (T, E) each, NaN where not by T.
    """
    lost = [int((~np.isfinite(values)).sum()) for values in (logs, other_logs)]
    if any(lost):
        word = OPEN if all(lost) else LOSES if lost[0] else WINS
        return Duel(word, note=f"not by T: {lost[0]} and {lost[1]} of {logs.size} runs")
    return _judged(logs - other_logs, rng)


def _judged(logs, rng):
    estimate = exp_of(crossed_interval(lambda t, e: logs[t][:, e].mean(), *logs.shape, rng))
    word = WINS if estimate.high < 1 else LOSES if estimate.low > 1 else TIES
    return Duel(word, estimate.value, estimate.low, estimate.high)


def thresholds_of(frame):
    """Return the :class:`algoreg.claims.thresholds.Thresholds` of the runs at one d and r."""
    return find_thresholds(frame, "rank", THRESHOLD)


def duel_of_thresholds(thresholds, other_thresholds, rng):
    """Return the :class:`Duel` of two methods by :func:`thresholds_of`; open where fewer than half lie on the grid."""
    if not (thresholds.on_grid and other_thresholds.on_grid):
        inside = [np.mean(one.sides == INSIDE) for one in (thresholds, other_thresholds)]
        return Duel(OPEN, note=f"on the grid: {inside[0]:.0%} and {inside[1]:.0%} of the runs")
    return _judged(thresholds.logs[0] - other_thresholds.logs[0], rng)
