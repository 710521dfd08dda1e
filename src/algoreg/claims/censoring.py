"""Straight lines through values of which some are known only as bounds."""

import numpy as np

INSIDE, BELOW, ABOVE = 0, -1, 1
# The largest 1/σ that the fit may try.
LARGEST = 1e5


def censored_slope(x: np.ndarray, y: np.ndarray, sides: np.ndarray) -> float:
    """Return the slope of a straight line through values of which some are known only as bounds.

    If all values are known, it is the least-squares slope. Otherwise it maximises the likelihood of normal deviations
    with one variance (Tobin, 1958), in Olsen's (1978) parameters (line/σ, 1/σ), in which the log-likelihood is concave.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (N,)
    sides : numpy.ndarray of int, shape (N,)
        ``INSIDE`` where y is the value, ``BELOW`` where the value is less than y, ``ABOVE`` where it is more.

    Returns
    -------
    float
        NaN unless values are known for at least two different x.
    """
    # scipy is imported here because most code that reads a threshold's side does not need it.
    from scipy.optimize import minimize

    inside = sides == INSIDE
    if inside.sum() == 0 or np.ptp(x[inside]) == 0:
        return np.nan
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    if inside.all():
        return slope
    spread = max(np.std(y - slope * centred), 1e-3)
    rows = np.stack([-np.ones_like(y), -centred, y], axis=1)
    start = np.array([y.mean(), slope, 1.0]) / spread
    found = minimize(_loss, start, (rows, sides), "trust-exact", jac=True, hess=_curvature, options={"gtol": 1e-9})
    return found.x[1] / found.x[2]


def _tails(
    point: np.ndarray, rows: np.ndarray, sides: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return z = deviation/σ, u, log Φ(u) and the inverse Mills ratio at u.

    u is the signed z at bounds and 0 at known values; Φ(u) is the probability of the tail beyond a bound.
    """
    from scipy.special import log_ndtr

    z = rows @ point
    u = np.where(sides == INSIDE, 0.0, -sides * z)
    tail = log_ndtr(u)
    return z, u, tail, np.exp(-(u**2) / 2 - np.log(2 * np.pi) / 2 - tail)


def _loss(point: np.ndarray, rows: np.ndarray, sides: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the negative log likelihood and its gradient in (line/σ, 1/σ); ``rows`` · point = deviation/σ."""
    # If the known values lie on one line, their spread is 0, and 1/σ would grow for ever although the line no longer
    # changes.
    if not 0 < point[2] < LARGEST:
        return np.inf, np.zeros(3)
    inside = sides == INSIDE
    z, _, tail, ratio = _tails(point, rows, sides)
    gradient = np.where(inside, -z, -sides * ratio) @ rows
    gradient[2] += inside.sum() / point[2]
    return -np.sum(np.where(inside, np.log(point[2]) - z**2 / 2, tail)), -gradient


def _curvature(point: np.ndarray, rows: np.ndarray, sides: np.ndarray) -> np.ndarray:
    inside = sides == INSIDE
    _, u, _, ratio = _tails(point, rows, sides)
    curvature = (rows * np.where(inside, 1.0, ratio * (u + ratio))[:, None]).T @ rows
    curvature[2, 2] += inside.sum() / point[2] ** 2
    return curvature
