"""How the measurements that recovery takes grow with d and r, by method: exponents of thresholds of mean curves."""

import numpy as np

from algoreg.chapters.large.estimands import Curves
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import UNDEFINED, interval_of

# The table of each method, and what a reader calls it.
METHODS = {
    "large_methods_plain": "plain descent, full width",
    "large_methods_momentum": "momentum 3/4",
    "large_methods_width_r": "plain descent, width r",
    "large_methods_three_factors": "three factors, α = 10⁻²",
    "large_methods_preconditioned": "preconditioned, damped by the residual",
}


def crossing(logs, heights, level):
    """Return the log of m/(dr) at which a curve first falls through a level, between two of its points.

    A curve that begins below the level has its first point, one that never falls to it its last.

    Parameters
    ----------
    logs : array_like
        Of m/(dr), rising.
    heights : array_like
        Of the curve, in logarithms.
    level : float
    """
    below = np.flatnonzero(np.asarray(heights) <= level)
    if not len(below) or below[0] == 0:
        return float(logs[0] if len(below) else logs[-1])
    after = below[0]
    part = (heights[after - 1] - level) / (heights[after - 1] - heights[after])
    return float(logs[after - 1] + part * (logs[after] - logs[after - 1]))


def sweep(frame, along, tolerance, rng):
    """Return the sizes along d or the rank, their m*/(dr), and the exponent of m* with its interval.

    m* is where the mean log error of all runs at a size falls through the tolerance; intervals resample runs.

    Parameters
    ----------
    frame : pandas.DataFrame
        Runs of one method.
    along : str
        ``d``, at rank 1, or ``rank``, at the one d that has several.
    tolerance : float
    rng : numpy.random.Generator

    Returns
    -------
    (list of int, list of float, Estimate)
        The estimate is undefined where a threshold lies at an end of its grid.
    """
    wide = frame.loc[frame["rank"] > 1, "d"]
    own = frame[frame["rank"] == 1] if along == "d" else frame[frame["d"].isin(set(wide))]
    curves = Curves(own, tolerance)
    sizes = [d if along == "d" else rank for d, rank in curves.sizes]

    def logs(part):
        heights = part.mean(axis=(1, 2))
        return np.array(
            [crossing(x, heights[i], np.log(tolerance)) for x, i in zip(curves.logs, curves.places, strict=True)]
        )

    found = logs(curves.values)
    if any(place in (x[0], x[-1]) for x, place in zip(curves.logs, found, strict=True)):
        return sizes, np.exp(found).tolist(), UNDEFINED
    weights = slope_weights(np.array(sizes, float))
    estimate = interval_of(lambda part: 1 + weights @ logs(part), curves.values, rng)
    return sizes, np.exp(found).tolist(), estimate
