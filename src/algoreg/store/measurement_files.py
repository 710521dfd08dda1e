"""Reads files of one's own measurements: matrices, entries, a table, or Pauli expectations; refuses what is none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.store.records import load_arrays

FORMATS = ("npz", "csv", "parquet")
ALLOWED = (
    "A and y (matrices and labels); row, column and value (entries; in an npz rows, columns, values); X and y (a table; in a "
    "CSV or Parquet file the target's column is named); pauli and expectation, and perhaps shots"
)


@dataclass(frozen=True)
class Measured:
    """Measurements and labels of a file.

    Attributes
    ----------
    kind : str
        ``matrices``, ``entries``, ``table`` or ``pauli``.
    X : numpy.ndarray
        Shape (m, d1, d2); rows and columns (m, 2); (m, p); strings (m,).
    y : numpy.ndarray, shape (m,)
    shots : numpy.ndarray, shape (m,), or None
        How often every Pauli string was measured.
    """

    kind: str
    X: Any
    y: np.ndarray
    shots: np.ndarray | None = None


def read(path: str | Path, target: str | None = None, form: str | None = None) -> Measured:
    """Return what a file holds.

    Parameters
    ----------
    path : path
    target : str, optional
        The column of a CSV or Parquet table that the others explain.
    form : str, optional
        One of ``FORMATS``; by default what the suffix says.

    Raises
    ------
    ValueError
        If the file is not there, not what its suffix says, holds pickles, or lacks what is needed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    form = form or path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(f"{path}: allowed are .{', .'.join(FORMATS)}, with {ALLOWED}")
    try:
        columns = _arrays(path) if form == "npz" else _frame(path, form)
        found = _measured(columns, target)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(found.y) == 0:
        raise ValueError(f"{path}: no measurements")
    return found


def _arrays(path: Path) -> dict[str, Any]:
    try:
        return load_arrays(path)
    except Exception as error:
        raise ValueError(f"no npz of plain arrays ({type(error).__name__}); pickles are refused") from None


def _frame(path: Path, form: str) -> dict[str, Any]:
    """Return the columns of a CSV or Parquet file, each of numbers, but ``pauli``."""
    import pandas as pd

    try:
        table = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install 'algoreg[parquet]', or write a CSV") from None
    except Exception as error:
        raise ValueError(f"no {'CSV' if form == 'csv' else 'Parquet'} ({type(error).__name__})") from None
    strange = [name for name in table if name != "pauli" and not pd.api.types.is_numeric_dtype(table[name])]
    if strange:
        raise ValueError(f"column {strange[0]} is not of numbers")
    return {str(name): table[name].to_numpy() for name in table}


def _measured(columns: Mapping[str, Any], target: str | None) -> Measured:
    names = set(columns)
    if target is not None:
        if target not in names:
            raise ValueError(f"no column {target}; it has {', '.join(columns)}")
        others = [np.asarray(column, float) for name, column in columns.items() if name != target]
        if not others:
            raise ValueError(f"no column but {target}")
        return Measured("table", np.stack(others, axis=1), np.asarray(columns[target], float))
    if {"pauli", "expectation"} <= names:
        shots = np.asarray(columns["shots"], float) if "shots" in names else None
        return Measured("pauli", np.asarray(columns["pauli"]).astype(str), np.asarray(columns["expectation"]), shots)
    for first, second, label in (("rows", "columns", "values"), ("row", "column", "value")):
        if {first, second, label} <= names:
            return Measured("entries", _pairs(columns[first], columns[second]), columns[label])
    for what, kind in (("A", "matrices"), ("X", "table")):
        if {what, "y"} <= names and np.ndim(columns[what]) > 1:
            return Measured(kind, columns[what], columns["y"])
    raise ValueError(f"has {', '.join(sorted(names)) or 'nothing'}; allowed are {ALLOWED}")


def _pairs(rows: Any, columns: Any) -> np.ndarray:
    if np.shape(rows) != np.shape(columns) or np.ndim(rows) != 1:
        raise ValueError(f"rows and columns have shapes {np.shape(rows)} and {np.shape(columns)}")
    return np.stack([rows, columns], axis=1)
