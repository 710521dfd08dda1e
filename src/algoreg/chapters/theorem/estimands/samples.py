"""What the claims about sample complexity measure: thresholds in m, and their exponents, where some lie off the grid."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import log_ndtr

from algoreg.analysis.estimators import UNDEFINED, Estimate, cells, chosen, crossed_interval, estimand, slope_weights
from algoreg.numerics.seeds import stream

INSIDE, BELOW, ABOVE = 0, -1, 1
# Errors are told apart down to this fraction of the tolerance, and up to 1, the error of X = 0.
FLOOR = 0.1
# An exponent of thresholds that mostly lie off the grid would be one of the grid.
LEAST_INSIDE = 0.5


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

    def taken(self, targets, ensembles):
        """Return the same of these targets and ensembles."""
        return Thresholds(self.sizes, self.logs[:, targets][:, :, ensembles], self.sides[:, targets][:, :, ensembles])


def find_thresholds(frame, along, tolerance):
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

    Returns
    -------
    Thresholds

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


def _crossings(frame, tolerance):
    names, errors = cells(frame, ["m"], "test_error")
    grid = np.log([m for (m,) in names])
    errors = np.where(np.isfinite(errors), errors, np.inf)
    heights = np.log(np.clip(errors, FLOOR * tolerance, 1.0))
    logs, sides = np.full(errors.shape[1:], grid[0]), np.full(errors.shape[1:], BELOW)
    for place in np.ndindex(logs.shape):
        above = np.flatnonzero(errors[(slice(None), *place)] > tolerance)
        if len(above) and above[-1] + 1 < len(grid):
            pair = slice(above[-1], above[-1] + 2)
            # np.interp wants rising abscissae: the error falls from the first to the second point.
            logs[place] = np.interp(-np.log(tolerance), -heights[(pair, *place)], grid[pair])
            sides[place] = INSIDE
        elif len(above):
            logs[place], sides[place] = grid[-1], ABOVE
    return logs, sides


def censored_slope(x, y, sides):
    """Return the slope of a straight line through values of which some are known as bounds only.

    Least squares where all are known, else the maximum of the likelihood of normal deviations with one variance
    (Tobin, 1958), by Newton's method in Olsen's (1978) parameters (line/σ, 1/σ), in which it is concave.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (N,)
    sides : numpy.ndarray of int, shape (N,)
        ``INSIDE`` where y is the value, ``BELOW`` where the value is less, ``ABOVE`` where it is more.

    Returns
    -------
    float
        NaN unless values are known at two different x at least.
    """
    inside = sides == INSIDE
    if inside.sum() == 0 or np.ptp(x[inside]) == 0:
        return np.nan
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    if inside.all():
        return slope
    spread = max(np.std(y - slope * centred), 1e-3)
    rows = np.stack([-np.ones_like(y), -centred, y], axis=1)
    point = np.array([y.mean(), slope, 1.0]) / spread
    value, gradient, curvature = _censored_likelihood(point, rows, sides)
    for _ in range(100):
        move = np.linalg.solve(curvature, gradient)
        if gradient @ move < 1e-10:
            break
        length = 1.0
        while True:
            new = point + length * move
            # Known values on one line have no spread: 1/σ would grow for ever, and the line no longer moves.
            tried = _censored_likelihood(new, rows, sides) if 0 < new[2] < 1e5 else (-np.inf,)
            if tried[0] > value or length < 1e-6:
                break
            length /= 2
        if length < 1e-6:
            break
        point, (value, gradient, curvature) = new, tried
    return point[1] / point[2]


def _censored_likelihood(point, rows, sides):
    """Return the log likelihood, its gradient and its negative Hessian in (line/σ, 1/σ); ``rows`` · point = deviation/σ."""
    z, inside = rows @ point, sides == INSIDE
    u = np.where(inside, 0.0, -sides * z)
    tail = log_ndtr(u)
    ratio = np.exp(-(u**2) / 2 - np.log(2 * np.pi) / 2 - tail)
    value = np.sum(np.where(inside, np.log(point[2]) - z**2 / 2, tail))
    gradient = np.where(inside, -z, -sides * ratio) @ rows
    curvature = (rows * np.where(inside, 1.0, ratio * (u + ratio))[:, None]).T @ rows
    gradient[2] += inside.sum() / point[2]
    curvature[2, 2] += inside.sum() / point[2] ** 2
    return value, gradient, curvature


def _pooled_slope(found):
    x = np.broadcast_to(np.log(found.sizes)[:, None, None], found.logs.shape)
    return censored_slope(x.ravel(), found.logs.ravel(), found.sides.ravel())


def exponent_of(found, rng):
    """Return the exponent of thresholds in size, with a 95 % interval from resampled whole targets and whole ensembles.

    Parameters
    ----------
    found : Thresholds
    rng : numpy.random.Generator

    Returns
    -------
    Estimate
        Undefined where fewer than half of the thresholds lie on the grid.
    """
    if np.mean(found.sides == INSIDE) < LEAST_INSIDE:
        return UNDEFINED
    if (found.sides == INSIDE).all():
        # The slope of all cells is the mean of the slopes of each: quicker than a fit per replicate.
        slopes = np.tensordot(slope_weights(found.sizes), found.logs, axes=1)

        def slope(targets, ensembles):
            return slopes[np.ix_(targets, ensembles)].mean()
    else:

        def slope(targets, ensembles):
            return _pooled_slope(found.taken(targets, ensembles))

    estimate = crossed_interval(slope, *found.logs.shape[1:], rng)
    return estimate if np.isfinite([estimate.value, estimate.low, estimate.high]).all() else UNDEFINED


def families_of(frame, along, tolerance):
    """Return the thresholds of each spectrum of a table by its name.

    Raises
    ------
    ValueError
        If there are fewer than three sizes: no exponent can be told from two.
    """
    if frame[along].nunique() < 3:
        raise ValueError(f"{frame[along].nunique()} values of {along}: an exponent needs at least three")
    return {name: find_thresholds(part, along, tolerance) for name, part in frame.groupby("spectrum")}


@estimand("exponent in {along} of the m at which the test error falls through {tolerance} (largest over spectra)")
def threshold_exponent(tables, published, rng, *, table, along, tolerance, where=None):
    """Return the exponent of thresholds in d or rank, the largest over the table's spectra; see ``find_thresholds``.

    Thresholds off the grid enter as bounds; ``where`` picks rows (column: value or list). The interval goes from the largest lower end to
    the largest upper end: it lies below a margin only where every spectrum's does, and above one where some spectrum's does.
    """
    families = families_of(chosen(tables[table], where), along, tolerance).values()
    found = [exponent_of(each, rng) for each in families]
    if UNDEFINED in found:
        return UNDEFINED
    return Estimate(*(max(getattr(each, part) for each in found) for part in ("value", "low", "high")))


@dataclass(frozen=True)
class Reading:
    """A sweep's thresholds read at one tolerance.

    ``kind`` says what for: claims and other tolerances on their runs (``judged``), how much they depend on settings (``settings``,
    ``precision``), a control. ``name`` says what differs from the reading that judges.
    """

    kind: str
    name: str
    along: str
    spectrum: str
    tolerance: float
    frame: pd.DataFrame
    thresholds: Thresholds
    exponent: Estimate


# The tolerance of the claims.
TOLERANCE = 0.1
SWEEPS = {"rank": "samples_r", "d": "samples_d"}
_CONTROLS = {"rank": "samples_square", "d": "samples_projected"}


def readings(tables, along):
    """Yield the :class:`Reading` of every spectrum of the sweeps along ``along``, as far as there are tables.

    The tables of ``SWEEPS`` at four tolerances; every time and step of ``samples_settings_*`` and ``samples_precision_*`` at 0.1, and other
    starts at 0.01 too; the controls. A sweep needs at least three sizes.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    along : str
        ``rank`` or ``d``.
    """
    name = SWEEPS[along]
    usual = tables[name].iloc[0] if name in tables else None
    for kind, table in (
        ("judged", name),
        ("settings", name.replace("_", "_settings_")),
        ("precision", name.replace("_", "_precision_")),
        ("control", _CONTROLS[along]),
    ):
        if usual is None or table not in tables:
            continue
        whole = tables[table]
        for (alpha, time, step, spectrum), frame in whole.groupby(["alpha", "time", "step", "spectrum"]):
            tolerances = [TOLERANCE, 0.3, 0.03, 0.01] if kind == "judged" else [TOLERANCE]
            if alpha != usual["alpha"] and kind == "settings":
                # One change at a time: another start at the usual time, and there at a tolerance near its floor too.
                tolerances = [TOLERANCE, 0.01] if time == usual["time"] else []
            for tolerance in tolerances:
                found = find_thresholds(frame, along, tolerance)
                if len(found.sizes) < 3:
                    continue
                axes = {"table": table, "alpha": alpha, "time": time, "step": step, "spectrum": spectrum}
                rng = stream("reading", tolerance=tolerance, **{key: str(value) for key, value in axes.items()})
                label = _label(kind, tolerance, frame.iloc[0], usual)
                yield Reading(kind, label, along, spectrum, tolerance, frame, found, exponent_of(found, rng))


def power(value):
    """Return a number as a digit times a power of ten, without a digit 1."""
    digit, exponent = f"{value:.0e}".split("e")
    return ("" if digit == "1" else f"{digit}·") + "10" + str(int(exponent)).translate(SUPERSCRIPT)


SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SETTINGS = (("alpha", "α", power), ("time", "η·t", "{:g}".format), ("step", "η", "{:g}".format))


def _label(kind, tolerance, first, usual):
    """Return what a reading is, from a row of it and one of the judged table."""
    if kind == "control":
        growing = f"d = {first['d'] / first['rank'] ** 2:g}r²"
        return f"control: {growing if first['alpha'] else 'projected descent'}"
    parts = [f"error {tolerance:g}"] if tolerance != TOLERANCE else []
    parts += [f"{letter} = {show(first[key])}" for key, letter, show in SETTINGS if first[key] != usual[key]]
    what = {"judged": "", "settings": "fewer draws", "precision": "fewer draws, float64"}[kind]
    return ", ".join(filter(None, [what, *parts])) or f"judged: error {TOLERANCE:g}"
