"""What ``algoreg recover`` reads: measurement matrices, entries, or a table, and which estimator each goes to."""

from pathlib import Path
from typing import Any

import numpy as np

from algoreg.store.records import load_arrays

ALLOWED = "an npz with A and y, with rows, columns and values, or with X and y; a CSV with row, column, value; a CSV with --target"


def read(path: Path, target: str | None) -> tuple[str, Any, np.ndarray]:
    """Return the estimator's name, X and y of a file.

    Raises
    ------
    ValueError
        If the file is not there, not what its suffix says, holds pickles, or lacks what is needed.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix == ".npz":
        return _arrays(path)
    if path.suffix == ".csv":
        return _table(path, target)
    raise ValueError(f"{path}: allowed are .npz and .csv: {ALLOWED}")


def _arrays(path):
    try:
        found = load_arrays(path)
    except Exception as error:
        raise ValueError(f"{path}: no npz of plain arrays ({type(error).__name__}); pickles are refused") from None
    if {"A", "y"} <= set(found):
        return "LowRankMatrixRegressor", found["A"], found["y"]
    if {"rows", "columns", "values"} <= set(found):
        return "MatrixCompleter", _pairs(found["rows"], found["columns"]), found["values"]
    if {"X", "y"} <= set(found):
        return "QuadraticRegressor", found["X"], found["y"]
    raise ValueError(f"{path}: has {', '.join(sorted(found)) or 'nothing'}; allowed is {ALLOWED}")


def _pairs(rows, columns):
    if np.shape(rows) != np.shape(columns):
        raise ValueError(f"rows and columns have shapes {np.shape(rows)} and {np.shape(columns)}")
    return np.stack([rows, columns], axis=1)


def _table(path, target):
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except Exception as error:
        raise ValueError(f"{path}: no CSV ({type(error).__name__})") from None
    strange = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if strange:
        raise ValueError(f"{path}: column {strange[0]} is not of numbers")
    if target is not None:
        if target not in table:
            raise ValueError(f"{path}: no column {target}; it has {', '.join(table)}")
        return "QuadraticRegressor", table.drop(columns=target).to_numpy(float), table[target].to_numpy(float)
    if not {"row", "column", "value"} <= set(table):
        raise ValueError(f"{path}: has {', '.join(table)}; allowed is {ALLOWED}")
    return "MatrixCompleter", table[["row", "column"]].to_numpy(), table["value"].to_numpy(float)
