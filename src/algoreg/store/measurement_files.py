"""Reads files of one's own measurements: matrices, entries, a table, or Pauli expectations; refuses what is none of them."""

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.store.records import load_arrays

FORMATS = ("npz", "csv", "parquet")
# Names that a file may hold together, by kind; the last of each are the labels.
ARRAYS = {"matrices": ("A", "y"), "entries": ("rows", "columns", "values"), "table": ("X", "y")}
COLUMNS = {"entries": ("row", "column", "value"), "pauli": ("pauli", "expectation")}
# What pandas calls a first column without a name, such as the index that it writes itself.
UNNAMED = "Unnamed: 0"
ALLOWED_ARRAYS = "A and y (matrices and labels); rows, columns and values (entries); or X and y (a table)"
ALLOWED_COLUMNS = "row, column and value (entries); pauli, expectation and perhaps shots; or any of numbers, if one is named as target"
NUMBERS_FIRST = "the first line has numbers; allowed are the columns' names"


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
        raise ValueError(f"{path}: {'no file but a folder' if path.is_dir() else 'no such file'}")
    form = form or path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(
            f"{path}: allowed are .npz, with {ALLOWED_ARRAYS}. Or .csv and .parquet, with columns {ALLOWED_COLUMNS}"
        )
    try:
        columns = _arrays(path) if form == "npz" else _frame(path, form)
        found = _measured(columns, target, form)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found


def _arrays(path: Path) -> dict[str, Any]:
    try:
        return load_arrays(path)
    except Exception as error:
        raise ValueError(f"no npz of plain arrays ({type(error).__name__}); pickles are refused") from None


def _frame(path: Path, form: str) -> dict[str, Any]:
    """Return the columns of a CSV or Parquet file, each of numbers, but ``pauli``."""
    import pandas as pd

    if form == "csv":
        _refuse_lines(path)
    try:
        table = pd.read_csv(path, skipinitialspace=True) if form == "csv" else pd.read_parquet(path)
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow, or write a CSV") from None
    except Exception as error:
        raise ValueError(f"no {'CSV' if form == 'csv' else 'Parquet'} ({type(error).__name__})") from None
    if table.empty:
        raise ValueError("no measurements")
    table.columns = [str(name).strip() for name in table]
    _refuse_repeated(list(table.columns))
    strange = [name for name in table if name != "pauli" and not pd.api.types.is_numeric_dtype(table[name])]
    if strange:
        raise ValueError(f"column {strange[0]} is not of numbers")
    return {name: table[name].to_numpy() for name in table}


def _refuse_lines(path: Path) -> None:
    """Raise a ValueError for what pandas takes silently: names that repeat, and lines of more fields than there are names."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, skipinitialspace=True)
            names = [name.strip() for name in next(filter(None, rows), [])]
            longer = next(((rows.line_num, len(row)) for row in rows if len(row) > len(names)), None)
    except UnicodeDecodeError:
        raise ValueError("the text is not in UTF-8, which is allowed") from None
    except (ValueError, csv.Error):
        # What is no CSV, pandas refuses.
        return
    # Before the fields are counted: a decimal comma makes two of one number.
    for mark, said in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise ValueError(f"columns are separated by {said}; allowed are commas, and points in numbers")
    _refuse_repeated(names)
    if longer:
        raise ValueError(f"line {longer[0]} has {longer[1]} fields; allowed are {len(names)}, as the first line names")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated and all(_is_number(name) for name in names):
        raise ValueError(NUMBERS_FIRST)
    if repeated:
        raise ValueError(f"two columns are named {repeated[0]}")


def _measured(columns: Mapping[str, Any], target: str | None, form: str) -> Measured:
    if target is not None:
        _refuse_target_of_arrays(columns, target)
        return _table(columns, target)
    kind, names = _kind(columns, form)
    if kind == "matrices":
        columns = {**columns, "A": _squared(columns["A"])}
    shots = ("shots",) if kind == "pauli" and "shots" in columns else ()
    dimensions = dict.fromkeys((*names, *shots), 1) | {"matrices": {"A": 3}, "table": {"X": 2}}.get(kind, {})
    _check(columns, dimensions)
    if kind == "entries":
        places = [_whole(name, columns[name]) for name in names[:2]]
        refuse_beyond_memory(*(int(numbers.max()) + 1 for numbers in places))
        return Measured(kind, np.stack(places, axis=1), columns[names[2]])
    if kind == "pauli":
        how_often = np.asarray(columns["shots"], float) if shots else None
        return Measured(kind, np.asarray(columns["pauli"]).astype(str), columns["expectation"], how_often)
    return Measured(kind, columns[names[0]], columns[names[1]])


def memory() -> float:
    """Return the machine's memory in GB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def refuse_beyond_memory(rows: int, columns: int) -> None:
    """Raise a ValueError if what every method keeps of a matrix, a square one, is larger than this machine's memory.

    Parameters
    ----------
    rows, columns : int
        Of the matrix of which entries are known.
    """
    side, what = max((rows, "row"), (columns, "column"))
    needed, there = 8 * side**2 / 1e9, memory()
    if needed > there:
        raise ValueError(
            f"the largest {what} is {side - 1}: a matrix of {rows} × {columns} needs {needed:.3g} GB of memory, as a square "
            f"of {side} × {side}; there are {there:.3g} GB"
        )


def _squared(matrices: np.ndarray) -> np.ndarray:
    """Return matrices that may be given as rows of d·d numbers, as (m, d, d)."""
    size = math.isqrt(matrices.shape[1]) if matrices.ndim == 2 else 0
    return matrices.reshape(-1, size, size) if size and size**2 == matrices.shape[1] else matrices


def _whole(name: str, values: np.ndarray) -> np.ndarray:
    """Return numbers of rows or columns as integers."""
    with np.errstate(invalid="ignore"):
        whole = np.asarray(values).astype(np.int64)
    bad = np.flatnonzero((whole != values) | (whole < 0))
    if len(bad):
        raise ValueError(
            f"{name} is {values[bad[0]]:.6g} in measurement {bad[0] + 1}; allowed are whole numbers of at least 0"
        )
    return whole


def _refuse_target_of_arrays(columns: Mapping[str, Any], target: str) -> None:
    for name, values in columns.items():
        if np.ndim(values) > 1:
            raise ValueError(
                f"target = {target}: allowed for a table of columns; {name} has shape {np.shape(values)}. Leave it out"
            )


def _table(columns: Mapping[str, Any], target: str) -> Measured:
    """Return a table, of which one column is the target and all others explain it."""
    if target not in columns:
        raise ValueError(f"no column {target}; it has {', '.join(columns)}")
    names = [name for name in columns if name != target]
    if not names:
        raise ValueError(f"no column but {target}")
    if UNNAMED in names:
        raise ValueError("the first column has no name; leave it out if it only numbers the rows, else name it")
    _check(columns, dict.fromkeys([*names, target], 1))
    others = [np.asarray(columns[name], float) for name in names]
    return Measured("table", np.stack(others, axis=1), np.asarray(columns[target], float))


def _kind(columns: Mapping[str, Any], form: str) -> tuple[str, tuple[str, ...]]:
    """Return what a file without a named target holds, and under which names."""
    # An npz may have the names of columns, too.
    forms = [*COLUMNS.items(), *(ARRAYS.items() if form == "npz" else ())]
    for kind, names in forms:
        if set(names) <= set(columns):
            return kind, names
    if form == "csv" and all(map(_is_number, columns)):
        raise ValueError(NUMBERS_FIRST)
    lacking = [set(names) - set(columns) for _, names in forms if set(names) & set(columns)]
    lacks = f", and lacks {min(lacking[0])}" if lacking and len(lacking[0]) == 1 else ""
    allowed = ALLOWED_ARRAYS if form == "npz" else f"columns {ALLOWED_COLUMNS}"
    raise ValueError(f"has {', '.join(sorted(columns)) or 'nothing'}{lacks}; allowed are {allowed}")


def _check(columns: Mapping[str, Any], names: Mapping[str, int]) -> None:
    """Raise a ValueError if arrays are not of these dimensions and one length, or have entries that are no finite numbers."""
    for name, dimensions in names.items():
        if np.ndim(columns[name]) != dimensions:
            flat = ", or 2 with d·d columns" if name == "A" else ""
            raise ValueError(f"{name} has shape {np.shape(columns[name])}; allowed are {dimensions} dimensions{flat}")
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"lengths differ: {', '.join(f'{name} has {size}' for name, size in lengths.items())}")
    if not all(lengths.values()):
        raise ValueError("no measurements")
    for name in names:
        if name != "pauli":
            _check_numbers(name, np.asarray(columns[name]))


def _check_numbers(name: str, values: np.ndarray) -> None:
    if values.dtype.kind == "c":
        raise ValueError(f"{name} has complex numbers; allowed are real ones")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} is not of numbers")
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name} has missing or infinite numbers in {len(bad)} of {len(values)} measurements, the first in number "
            f"{bad[0] + 1}; leave those out"
        )
