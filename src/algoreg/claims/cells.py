"""Cells: the runs of a table, crossed as targets × ensembles.

Every table's rows for one point form a T × E array of cells. Where every ensemble has a target of its own, the two are
one unit, and T is 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


class NoValue(Exception):
    """A run lacks what a statistic of all runs is of, so that the statistic is undefined."""


def finite(values: np.ndarray) -> np.ndarray:
    """Return values that all runs have; raises :class:`NoValue` where one has none."""
    if not np.isfinite(values).all():
        raise NoValue
    return values


def positive(values: np.ndarray) -> np.ndarray:
    """Return values that all runs have above 0, and so with a logarithm; raises :class:`NoValue` where one has not."""
    if not (finite(values) > 0).all():
        raise NoValue
    return values


def paired(table: pd.DataFrame) -> bool:
    """Return whether every ensemble of a table has a target of its own that no other has."""
    pairs = table[["target", "ensemble"]].drop_duplicates()
    return len(pairs) > 1 and pairs["target"].is_unique and pairs["ensemble"].is_unique


def cells(table: pd.DataFrame, keys: Sequence[str], value: str) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """Return the points of a table and its cells.

    Parameters
    ----------
    table : pandas.DataFrame
    keys : list of str
        The columns that name a point.
    value : str
        The column to collect.

    Returns
    -------
    names : list of tuple
        The points, sorted.
    values : numpy.ndarray, shape (points, T, E)
        NaN where a run has no value (it diverged). T is 1 for a table without targets, and for one in which every
        ensemble has a target of its own.

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
    """Return the cells of these targets and ensembles, each as often as it is named, shape (points, T', E')."""
    return values[:, targets][:, :, ensembles]


def cells_along(table: pd.DataFrame, along: str, value: str) -> tuple[list[Any], np.ndarray]:
    """Return the values of a column, sorted, as a list, and the :func:`cells` at them, shape (points, T, E)."""
    names, values = cells(table, [along], value)
    return [name for (name,) in names], values


def geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean of numbers of at least 0: 0 where one of them is 0.

    By logarithms: a product of many small numbers would be below what a float can hold. NaN where one of them is
    NaN, also where they are a column of a table, whose own mean would leave it out.
    """
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(np.asarray(values, dtype=float)).mean()))


def log_cells(table: pd.DataFrame, along: str, error: str) -> tuple[list[Any], np.ndarray]:
    """Return the values of a column and log10 of the :func:`cells_along` it, which are :func:`positive`."""
    points, values = cells_along(table, along, error)
    return points, np.log10(positive(values))


def paired_logs(parts: Iterable[pd.DataFrame], keys: Sequence[str], error: str) -> np.ndarray:
    """Return log10(error of the first part / error of the second), cell by cell, of :func:`positive` errors.

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
    """Return the rows of a table at which columns have these values, each one or a list.

    Numbers are compared to six digits, as committed tables have them.

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
