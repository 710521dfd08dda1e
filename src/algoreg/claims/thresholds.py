"""Thresholds: where errors fall through a tolerance for good, and exponents of those, where some lie off the grid."""

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

# Errors are told apart down to this fraction of the tolerance, and up to 1, the error of X = 0.
FLOOR = 0.1

# An exponent of thresholds that mostly lie off the grid would be one of the grid.
LEAST_INSIDE = 0.5


def last_fall(positions: np.ndarray, heights: np.ndarray, level: float) -> tuple[float, int]:
    """Return where a curve falls through a level for good, and the side of the grid on which that is.

    It lies between the last height above the level and the next, interpolated; half way where that height is infinite.

    Parameters
    ----------
    positions, heights : numpy.ndarray, shape (P,)
        Rising places.
    level : float

    Returns
    -------
    place : float
        The nearest end of the grid where the fall is not on it.
    side : int
        ``INSIDE``, ``BELOW`` (no height is above the level) or ``ABOVE`` (the last one is).
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
    # np.interp wants rising abscissae: the curve falls from the first to the second point.
    return np.interp(-level, -heights[pair], positions[pair]), INSIDE


def falls(positions: np.ndarray, heights: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`last_fall` of every run: two arrays of shape (T, E) for heights of shape (P, T, E)."""
    found, sides = np.empty(heights.shape[1:]), np.empty(heights.shape[1:], dtype=int)
    for run in np.ndindex(found.shape):
        found[run], sides[run] = last_fall(positions, heights[(slice(None), *run)], level)
    return found, sides


@dataclass(frozen=True)
class Thresholds:
    """The numbers of measurements at which runs recover, as logarithms or, off the grid, as bounds on them.

    Attributes
    ----------
    sizes : numpy.ndarray, shape (P,)
        The values of the column along which they were read, rising.
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
        """Whether so many of those of every size do; see :attr:`on_grid`."""
        return (np.mean(self.sides == INSIDE, axis=(1, 2)) >= LEAST_INSIDE).all()

    def medians(self) -> np.ndarray:
        """Return the median m* over the runs of every size, shape (P,): infinite or 0 where it lies off the grid.

        Of an even number it is the mean of the two in the middle, or where one of these lies off the grid the lower.
        """
        values = np.where(self.sides == INSIDE, np.exp(self.logs), np.where(self.sides == ABOVE, np.inf, 0))
        low, high = (np.quantile(values, 0.5, axis=(1, 2), method=method) for method in ("lower", "higher"))
        return np.where((low > 0) & np.isfinite(high), (low + high) / 2, low)

    def resampled(self, targets: np.ndarray, ensembles: np.ndarray) -> "Thresholds":
        """Return the same of these targets and ensembles."""
        return Thresholds(self.sizes, *(resampled(cells, targets, ensembles) for cells in (self.logs, self.sides)))


def find_thresholds(frame: pd.DataFrame, along: str, tolerance: float) -> Thresholds:
    """Return the thresholds of a table's runs: where their test error falls through the tolerance for good.

    That is between the last m whose error is above it and the next m of the grid, interpolated in log m and log error.
    A run that diverged has not recovered. Errors count as no less than a tenth of the tolerance and as no more than 1,
    so that the threshold does not depend on how soon runs that have recovered are stopped.

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
        If runs were stopped, as recovered, above a tenth of the tolerance.
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
    """Return the exponent of :class:`Thresholds` in size,
    an estimate with a 95 % interval from resampled whole targets and whole ensembles.

    Undefined where fewer than half of the thresholds lie on the grid.
    """
    if not measured.on_grid:
        return UNDEFINED
    if (measured.sides == INSIDE).all():
        # The slope of all cells is the mean of the slopes of each: quicker than a fit per replicate.
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
    """Return the logs of thresholds over those of other runs on the same draws, shape (P, T, E).

    A threshold off the grid counts as the end of the grid beyond which it lies. Raises :class:`NoValue` where fewer
    than half of either lie on it.
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
    """Return :func:`log_ratios` of one table's thresholds over another's, each of the rows that ``where`` picks."""
    sides = ((table, where), (over, over_where))
    return log_ratios(*(find_thresholds(chosen(tables[name], rows), "rank", tolerance) for name, rows in sides))


def thresholds(frame: pd.DataFrame) -> np.ndarray:
    """Return the number of measurements per dimension at which the test error of one d
    and one method falls through ``THRESHOLD_ERROR``.

    Interpolated in log m and log error after the last m whose error is above it.

    Returns
    -------
    numpy.ndarray, shape (T, E)
        NaN where a run has no value, or where the error is below everywhere or above at the largest m.
    """
    ratios, errors = cells_along(frame, "m_over_d", "test_error")
    heights = np.log(np.maximum(errors, 1e-300))
    found, sides = falls(np.log(ratios), heights, np.log(THRESHOLD_ERROR))
    return np.exp(np.where((sides == INSIDE) & np.isfinite(errors).all(axis=0), found, np.nan))
