"""How the measurements that recovery takes grow with d and r, by method: exponents of thresholds of mean curves."""

import numpy as np

from algoreg.claims.cells import cells
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import UNDEFINED, interval_of

# Errors count as no less than this part of the tolerance, near which runs stop, and as no more than 1, that of X = 0.
FLOOR = 0.1
# The table of each method, and what a reader calls it.
METHODS = {
    "large_methods_plain": "plain descent, full width",
    "large_methods_momentum": "momentum 3/4",
    "large_methods_width_r": "plain descent, width r",
    "large_methods_three_factors": "three factors, α = 10⁻²",
    "large_methods_preconditioned": "preconditioned, damped by the residual",
}


def crossing(ratios, heights, level):
    """Return the log of the ratio at which a curve first falls through a level, between two points.

    Of a curve that lies below it from the first point on, or above it to the last, that is the point.

    Parameters
    ----------
    ratios : array_like, rising
    heights : array_like
        Of the curve, in logarithms.
    level : float
    """
    logs, below = np.log(ratios), np.flatnonzero(np.asarray(heights) <= level)
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
    points, errors = cells(own, [along, "m_over_dr"], "test_error")
    values = np.log(np.clip(np.where(np.isfinite(errors), errors, 1.0), FLOOR * tolerance, 1.0))
    sizes = sorted({size for size, _ in points})
    places = [[i for i, (own_size, _) in enumerate(points) if own_size == size] for size in sizes]
    grids = [[points[i][1] for i in place] for place in places]

    def logs(part):
        heights = part.mean(axis=(1, 2))
        return np.array(
            [crossing(grid, heights[place], np.log(tolerance)) for grid, place in zip(grids, places, strict=True)]
        )

    found = logs(values)
    if any(place in np.log([grid[0], grid[-1]]) for grid, place in zip(grids, found, strict=True)):
        return sizes, np.exp(found).tolist(), UNDEFINED
    weights = slope_weights(np.array(sizes, float))
    estimate = interval_of(lambda part: 1 + weights @ logs(part), values, rng)
    return sizes, np.exp(found).tolist(), estimate
