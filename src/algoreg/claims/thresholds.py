"""Thresholds at which errors fall below a tolerance for good, some of them off the grid, and their exponents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from algoreg.claims.cells import NoValue, cells_along, chosen, resampled
from algoreg.claims.censoring import ABOVE, BELOW, INSIDE, censored_slope
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import UNDEFINED, Estimate, crossed_interval

# A method's threshold is the number of measurements at which its relative test error falls through this.
THRESHOLD_ERROR = 0.3

# Errors are distinguished down to this fraction of the tolerance, and up to 1, the error of X = 0.
FLOOR = 0.1

# At least this share of the thresholds must lie inside the grid; otherwise their exponent would mostly reflect the
# grid.
LEAST_INSIDE = 0.5


def last_fall(positions: np.ndarray, heights: np.ndarray, level: float) -> tuple[float, int]:
    """Return where a curve falls through a level for good, and whether this is inside the grid.

    The position is interpolated between the last height above the level and the next; if the last height is infinite,
    it is half way between them.

    Parameters
    ----------
    positions, heights : numpy.ndarray, shape (P,)
        Positions are in rising order.
    level : float

    Returns
    -------
    place : float
        The position; if it is off the grid, the nearest end of the grid.
    side : int
        ``INSIDE``, ``BELOW`` (no height is above the level) or ``ABOVE`` (the last height is above it).
    """
    above = np.flatnonzero(heights > level)
    if not len(above):
        return positions[0], BELOW
    last = above[-1]
    if last + 1 == len(heights):
        return positions[-1], ABOVE
    if np.isinf(heights[last]):
        return (positions[last] + positions[last + 1]) / 2, INSIDE
    pair = slice(last, last + 2)
    # The signs are reversed because np.interp needs rising abscissae and the curve falls between the two points.
    return np.interp(-level, -heights[pair], positions[pair]), INSIDE


def falls(positions: np.ndarray, heights: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`last_fall` of every run: two arrays of shape (T, E) for heights of shape (P, T, E)."""
    found, sides = np.empty(heights.shape[1:]), np.empty(heights.shape[1:], dtype=int)
    for run in np.ndindex(found.shape):
        found[run], sides[run] = last_fall(positions, heights[(slice(None), *run)], level)
    return found, sides


@dataclass(frozen=True)
class Thresholds:
    """The logarithms of the numbers of measurements m* at which runs recover; off the grid, bounds on them.

    Attributes
    ----------
    sizes : numpy.ndarray, shape (P,)
        The values of the column along which thresholds were found, in rising order.
    logs : numpy.ndarray, shape (P, T, E)
        log m*, or the logarithm of the end of the grid beyond which m* lies.
    sides : numpy.ndarray of int, shape (P, T, E)
        ``INSIDE``, ``BELOW`` (m* is less than exp(logs)) or ``ABOVE`` (it is more).
    """

    sizes: np.ndarray
    logs: np.ndarray
    sides: np.ndarray

    @property
    def on_grid(self) -> bool:
        """Whether at least half of them lie inside the grid; otherwise a statistic would mostly reflect its limits."""
        return np.mean(self.sides == INSIDE) >= LEAST_INSIDE

    @property
    def each_on_grid(self) -> bool:
        """Whether the same holds for the thresholds of every single size; see :attr:`on_grid`."""
        return (np.mean(self.sides == INSIDE, axis=(1, 2)) >= LEAST_INSIDE).all()

    def medians(self) -> np.ndarray:
        """Return the median m* over the runs of every size, shape (P,); off the grid it is infinite or 0.

        With an even number of runs it is the mean of the two in the middle or, if one of these lies off the grid, the
        lower one.
        """
        values = np.where(self.sides == INSIDE, np.exp(self.logs), np.where(self.sides == ABOVE, np.inf, 0))
        low, high = (np.quantile(values, 0.5, axis=(1, 2), method=method) for method in ("lower", "higher"))
        return np.where((low > 0) & np.isfinite(high), (low + high) / 2, low)

    def resampled(self, targets: np.ndarray, ensembles: np.ndarray) -> "Thresholds":
        """Return the thresholds of these targets and ensembles."""
        return Thresholds(self.sizes, *(resampled(cells, targets, ensembles) for cells in (self.logs, self.sides)))


def find_thresholds(frame: pd.DataFrame, along: str, tolerance: float) -> Thresholds:
    """Return the thresholds of a table's runs, at which their test error falls below the tolerance for good.

    A threshold lies between the last m whose error is above the tolerance and the next m of the grid, and is
    interpolated in log m and log error. A run that diverged has not recovered. Errors are clipped to between a tenth of
    the tolerance and 1, so that the threshold does not depend on how soon runs that have recovered are stopped.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows over m, target and ensemble for each value of ``along``, and nothing else that varies.
    along : str
        ``d`` or ``rank``.
    tolerance : float
        On the relative test error; below 1.

    Raises
    ------
    ValueError
        If runs were stopped as recovered at an error above a tenth of the tolerance.
    """
    stopped = frame.loc[frame["status"] == "converged", "test_error"].max()
    if stopped > FLOOR * tolerance:
        raise ValueError(
            f"tolerance = {tolerance:g}: allowed is at least {stopped / FLOOR:.2g}, ten times where runs stop"
        )
    sizes = sorted(frame[along].unique())
    found = [_crossings(frame[frame[along] == size], tolerance) for size in sizes]
    return Thresholds(np.array(sizes, float), *(np.stack(parts) for parts in zip(*found, strict=True)))


def _crossings(frame: pd.DataFrame, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    counts, errors = cells_along(frame, "m", "test_error")
    heights = np.log(np.clip(np.where(np.isfinite(errors), errors, np.inf), FLOOR * tolerance, 1.0))
    return falls(np.log(counts), heights, np.log(tolerance))


def _pooled_slope(found: Thresholds) -> float:
    x = np.broadcast_to(np.log(found.sizes)[:, None, None], found.logs.shape)
    return censored_slope(x.ravel(), found.logs.ravel(), found.sides.ravel())


def exponent_of(measured: Thresholds, rng: np.random.Generator) -> Estimate:
    """Estimate the exponent of :class:`Thresholds` in their size, with a 95 % interval.

    The interval resamples whole targets and whole ensembles. The estimate is undefined if fewer than half of
    the thresholds lie on the grid.
    """
    if not measured.on_grid:
        return UNDEFINED
    if (measured.sides == INSIDE).all():
        # The slope of all cells is the mean of their slopes, which is faster than a fit for each replicate.
        slopes = np.tensordot(slope_weights(measured.sizes), measured.logs, axes=1)

        def slope(targets: np.ndarray, ensembles: np.ndarray) -> float:
            return slopes[np.ix_(targets, ensembles)].mean()
    else:

        def slope(targets: np.ndarray, ensembles: np.ndarray) -> float:
            return _pooled_slope(measured.resampled(targets, ensembles))

    _, targets, ensembles = measured.logs.shape
    estimate = crossed_interval(slope, targets, ensembles, rng)
    return estimate if np.isfinite(estimate.numbers()).all() else UNDEFINED


def log_ratios(numerators: Thresholds, denominators: Thresholds) -> np.ndarray:
    """Return the logs of the ratios of thresholds to those of other runs on the same draws, shape (P, T, E).

    A threshold off the grid counts as the end of the grid beyond which it lies. If fewer than half of either
    lie on the grid, :class:`NoValue` is raised.
    """
    if not (numerators.on_grid and denominators.on_grid):
        raise NoValue
    return numerators.logs - denominators.logs


def compared(
    tables: Mapping[str, pd.DataFrame],
    *,
    table: str,
    over: str,
    tolerance: float,
    where: Mapping[str, Any] | None = None,
    over_where: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Return :func:`log_ratios` of two tables' thresholds in the rows that ``where`` and ``over_where`` pick."""
    sides = ((table, where), (over, over_where))
    return log_ratios(*(find_thresholds(chosen(tables[name], rows), "rank", tolerance) for name, rows in sides))


def thresholds(frame: pd.DataFrame) -> np.ndarray:
    """Return m/d at which the test error of one d and one method falls below ``THRESHOLD_ERROR``.

    It is interpolated in log m and log error after the last m whose error is above.

    Returns
    -------
    numpy.ndarray, shape (T, E)
        NaN if a run has no value, if its error is below for every m, or if it is above at the largest m.
    """
    ratios, errors = cells_along(frame, "m_over_d", "test_error")
    heights = np.log(np.maximum(errors, 1e-300))
    found, sides = falls(np.log(ratios), heights, np.log(THRESHOLD_ERROR))
    return np.exp(np.where((sides == INSIDE) & np.isfinite(errors).all(axis=0), found, np.nan))
