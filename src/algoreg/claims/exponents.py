"""Exponents: least-squares slopes of logarithms."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from algoreg.claims.cells import cells_along, positive


def slope_weights(points: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the weights whose product with values at these positive points is the slope against log point."""
    x = np.log(points) - np.mean(np.log(points))
    return x / np.sum(x**2)


def refuse_few(points: Sequence[float] | np.ndarray, along: str, table: str) -> None:
    """Raise a ValueError for fewer than three points, because a line goes through any two."""
    if len(points) < 3:
        raise ValueError(f"table {table}: {len(points)} values of {along}: an exponent needs at least three")


def log_law(frame: pd.DataFrame, along: str, value: str, table: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the slope against log ``along``, shape (points,), and log ``value``, shape (points, T, E).

    Parameters
    ----------
    frame : pandas.DataFrame
    along, value : str
        Columns.
    table : str
        The table's name, for the message.

    Raises
    ------
    ValueError
        If there are fewer than three points.
    NoValue
        If a run has no positive value.
    """
    points, values = cells_along(frame, along, value)
    refuse_few(points, along, table)
    return slope_weights(points), np.log(positive(values))


def slopes_of_runs(frame: pd.DataFrame, along: str, value: str, table: str) -> np.ndarray:
    """Return the exponent of every single run, shape (T, E); see :func:`log_law`."""
    weights, logs = log_law(frame, along, value, table)
    return np.tensordot(weights, logs, 1)


def mean_slope(x: np.ndarray, logs: np.ndarray) -> float:
    """Return the least-squares slope of the mean over runs of ``logs`` (points, T, E) against log x."""
    return slope_weights(x) @ logs.mean(axis=(1, 2))
