"""Straight lines through values of which some are known as bounds only."""

import numpy as np

INSIDE, BELOW, ABOVE = 0, -1, 1
# Of 1/σ.
LARGEST = 1e5


def censored_slope(x: np.ndarray, y: np.ndarray, sides: np.ndarray) -> float:
    """Return the slope of a straight line through values of which some are known as bounds only.

    Least squares where all are known, else the maximum of the likelihood of normal deviations with one variance
    (Tobin, 1958) in Olsen's (1978) parameters (line/σ, 1/σ), in which it is concave.

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
    # Here: most that reads a threshold's side needs no scipy.
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
    """Return deviation/σ, what bounds leave of it, the logarithm of the tail beyond,
    and the tail's inverse Mills ratio.
    """
    from scipy.special import log_ndtr

    z = rows @ point
    u = np.where(sides == INSIDE, 0.0, -sides * z)
    tail = log_ndtr(u)
    return z, u, tail, np.exp(-(u**2) / 2 - np.log(2 * np.pi) / 2 - tail)


def _loss(point: np.ndarray, rows: np.ndarray, sides: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the negative log likelihood and its gradient in (line/σ, 1/σ); ``rows`` · point = deviation/σ."""
    # Known values on one line have no spread: 1/σ would grow for ever, and the line no longer moves.
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
