"""Cells: the runs of a table, crossed as targets × ensembles.

A table's rows for one point form a T × E array of cells. If every ensemble has a target that no other ensemble has, the
two are one unit, and T is 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


class NoValue(Exception):
    """Raised if a run has no value, so that a statistic over all runs is undefined."""


def finite(values: np.ndarray) -> np.ndarray:
    """Return the values unchanged; raise :class:`NoValue` if one of them is not finite."""
    if not np.isfinite(values).all():
        raise NoValue
    return values


def positive(values: np.ndarray) -> np.ndarray:
    """Return the values unchanged; raise :class:`NoValue` if one of them is not finite and positive."""
    if not (finite(values) > 0).all():
        raise NoValue
    return values


def paired(table: pd.DataFrame) -> bool:
    """Return whether every ensemble of a table has one target that no other ensemble has."""
    pairs = table[["target", "ensemble"]].drop_duplicates()
    return len(pairs) > 1 and pairs["target"].is_unique and pairs["ensemble"].is_unique


def cells(table: pd.DataFrame, keys: Sequence[str], value: str) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """Return the points of a table and its cells.

    Parameters
    ----------
    table : pandas.DataFrame
    keys : list of str
        The columns that identify a point.
    value : str
        The column to collect.

    Returns
    -------
    names : list of tuple
        The points, sorted.
    values : numpy.ndarray, shape (points, T, E)
        NaN where a run has no value because it diverged. T is 1 for a table without targets, and for one in which every
        ensemble has a target that no other has.

    Raises
    ------
    ValueError
        If a point has two values for one target and ensemble, or targets and ensembles are not crossed.
    """
    if "target" not in table or paired(table):
        table = table.assign(target=0)
    columns = [*keys, "target", "ensemble"]
    if table.duplicated(columns).any():
        raise ValueError(f"more than one row for some {columns}: name another key")
    wide = table.set_index(columns)[value].unstack(["target", "ensemble"]).sort_index()
    wide = wide.sort_index(axis=1)
    targets, ensembles = (wide.columns.unique(level) for level in ("target", "ensemble"))
    if wide.shape[1] != len(targets) * len(ensembles) or len(table) != wide.size:
        raise ValueError("targets and ensembles are not fully crossed in this table")
    names = [name if isinstance(name, tuple) else (name,) for name in wide.index]
    return names, wide.to_numpy().reshape(len(names), len(targets), len(ensembles))


def resampled(values: np.ndarray, targets: np.ndarray, ensembles: np.ndarray) -> np.ndarray:
    """Return the cells of these targets and ensembles, which may be repeated, shape (points, T', E')."""
    return values[:, targets][:, :, ensembles]


def cells_along(table: pd.DataFrame, along: str, value: str) -> tuple[list[Any], np.ndarray]:
    """Return the sorted values of a column as a list, and the :func:`cells` at these values, shape (points, T, E)."""
    names, values = cells(table, [along], value)
    return [name for (name,) in names], values


def geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean of non-negative numbers; it is 0 if one of them is 0, and NaN if one of them is NaN.

    It is computed from logarithms, because a product of many small numbers would underflow. A NaN counts also in a
    column of a table, although pandas' mean would skip it.
    """
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(np.asarray(values, dtype=float)).mean()))


def log_cells(table: pd.DataFrame, along: str, error: str) -> tuple[list[Any], np.ndarray]:
    """Return the values of a column and log10 of the :func:`cells_along` it, which must be :func:`positive`."""
    points, values = cells_along(table, along, error)
    return points, np.log10(positive(values))


def paired_logs(parts: Iterable[pd.DataFrame], keys: Sequence[str], error: str) -> np.ndarray:
    """Return log10(error of the first part / error of the second), cell by cell; errors must be :func:`positive`.

    Raises
    ------
    ValueError
        If a part is empty or the two do not have the same points.
    """
    (names, first), (others, second) = (cells(part, keys, error) for part in parts)
    if not names or names != others:
        raise ValueError(f"the two sides to compare do not have the same {', '.join(keys)}: {names} and {others}")
    return np.log10(positive(first)) - np.log10(positive(second))


def chosen(table: pd.DataFrame, where: Mapping[str, Any] | None) -> pd.DataFrame:
    """Return the rows of a table in which each column has the given value, or one of a list of values.

    Numbers are compared to six digits, the precision of committed tables.

    Raises
    ------
    ValueError
        If no row is left.
    """
    kept = table
    for column, wanted in (where or {}).items():
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if pd.api.types.is_numeric_dtype(kept[column]):
            near = np.isclose(kept[column].to_numpy(float)[:, None], np.array(wanted, float)[None], rtol=5e-6, atol=0)
            kept = kept[near.any(axis=1)]
        else:
            kept = kept[kept[column].isin(wanted)]
    if kept.empty:
        raise ValueError(f"no row with {where}")
    return kept
