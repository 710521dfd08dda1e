"""Reads files of one's own measurements: matrices, vectors, entries, a table, or Pauli expectations; refuses what is none."""

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.store.records import load_array, load_arrays

FORMATS = ("npz", "npy", "csv", "parquet")
# Names that a file may hold together, by kind; the last of each are the labels.
ARRAYS = {
    "matrices": ("A", "y"),
    "vectors": ("vectors", "y"),
    "entries": ("rows", "columns", "values"),
    "table": ("X", "y"),
    "whole": ("matrix",),
}
COLUMNS = {"entries": ("row", "column", "value"), "pauli": ("pauli", "expectation")}
# What pandas calls columns without a name; the first may be the index that it writes itself.
UNNAMED = "Unnamed: "
# So many names are listed, and no more.
LISTED = 12
ALLOWED_ARRAYS = (
    "A and y (matrices and labels); vectors, y and perhaps partners; rows, columns and values (entries); matrix, with NaN "
    "where it is not known; or X and y (a table)"
)
ALLOWED_COLUMNS = "row, column and value (entries); pauli, expectation and perhaps shots; or any of numbers, if one is named as target"
NUMBERS_FIRST = (
    "the first line has numbers; allowed are the columns' names. A matrix with gaps may be an npy, with NaN there"
)


@dataclass(frozen=True)
class Measured:
    """Measurements and labels of a file.

    Attributes
    ----------
    kind : str
        ``matrices``, ``vectors``, ``entries``, ``table`` or ``pauli``.
    X : numpy.ndarray
        Shape (m, d1, d2); (m, d) or, of pairs, (m, d1 + d2); rows and columns (m, 2); (m, p); strings (m,).
    y : numpy.ndarray, shape (m,)
    shots : numpy.ndarray, shape (m,), or None
        How often every Pauli string was measured.
    shape : (int, int) or None
        Of the matrix that is measured, where it was told.
    """

    kind: str
    X: Any
    y: np.ndarray
    shots: np.ndarray | None = None
    shape: tuple[int, int] | None = None


def read(
    path: str | Path,
    target: str | None = None,
    form: str | None = None,
    *,
    shape: tuple[int, int] | None = None,
    vectors: bool = False,
) -> Measured:
    """Return what a file holds.

    Parameters
    ----------
    path : path
    target : str, optional
        The column of a CSV or Parquet table that the others explain.
    form : str, optional
        One of ``FORMATS``; by default what the suffix says.
    shape : (int, int), optional
        Of the matrix that is measured.
    vectors : bool
        Whether the rows of a table are vectors x, or pairs (x, z), of measurements xᵀMx or xᵀMz.

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
            f"{path}: allowed are .npz, with {ALLOWED_ARRAYS}. Or .npy, a matrix with NaN where it is not known. Or .csv and "
            f".parquet, with columns {ALLOWED_COLUMNS}"
        )
    try:
        columns = _arrays(path, form) if form in ("npz", "npy") else _frame(path, form)
        found = _measured(columns, target, form, shape)
        return _as_vectors(found) if vectors else found
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _arrays(path: Path, form: str) -> dict[str, Any]:
    try:
        return load_arrays(path) if form == "npz" else {"matrix": load_array(path)}
    except Exception as error:
        raise ValueError(f"no {form} of plain arrays ({type(error).__name__}); pickles are refused") from None


def _frame(path: Path, form: str) -> dict[str, Any]:
    """Return the columns of a CSV or Parquet file, each of numbers, but ``pauli``."""
    import pandas as pd

    if form == "csv":
        text = _text(path)
        marks = _marks(text)
        _refuse_lines(text, marks["sep"])
    try:
        table = (
            pd.read_csv(io.StringIO(text), skipinitialspace=True, **marks) if form == "csv" else pd.read_parquet(path)
        )
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow, or write a CSV") from None
    except pd.errors.EmptyDataError:
        raise ValueError("no measurements") from None
    except Exception as error:
        raise ValueError(f"no {'CSV' if form == 'csv' else 'Parquet'} ({type(error).__name__})") from None
    if table.empty:
        raise ValueError("no measurements")
    table.columns = [str(name).strip() for name in table]
    _refuse_repeated(list(table.columns))
    strange = [name for name in table if name != "pauli" and not pd.api.types.is_numeric_dtype(table[name])]
    if strange:
        raise ValueError(_not_of_numbers(strange[0], table[strange[0]]))
    return {name: table[name].to_numpy() for name in table}


def _not_of_numbers(name: str, column: Any) -> str:
    """Return what is wrong with a column of text: the first of it that is none."""
    said = f"column {name} is not of numbers"
    for number, value in enumerate(column, 1):
        if isinstance(value, str) and not _is_number(value):
            pauli = "; Pauli strings stand in a column named pauli" if set(value) <= set("IXYZ") else ""
            return f"{said}, the first {value[:40]!r} in measurement {number}{pauli}"
    return said


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the text is not in UTF-8, which is allowed") from None


def _marks(text: str) -> dict[str, str]:
    """Return what separates a CSV's columns, and whole numbers from their decimals: as spreadsheets write it in many countries."""
    names = text.lstrip().partition("\n")[0]
    # Where the names hold a comma, that separates them.
    separator = next((mark for mark in ";\t" if mark in names and "," not in names), ",")
    return {"sep": separator, "decimal": "," if separator != "," and "," in text else "."}


def _refuse_lines(text: str, separator: str) -> None:
    """Raise a ValueError for what pandas takes silently: names that repeat, and lines of more fields than there are names."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True, delimiter=separator)
    try:
        names = [name.strip() for name in next(filter(None, rows), [])]
        longer = next(((rows.line_num, len(row)) for row in rows if len(row) > len(names)), None)
    except (ValueError, csv.Error):
        # What is no CSV, pandas refuses.
        return
    _refuse_repeated(names)
    if longer:
        raise ValueError(f"line {longer[0]} has {longer[1]} fields; allowed are {len(names)}, as the first line names")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _are_numbers(names: Iterable[str]) -> bool:
    """Return whether what stands in place of columns' names is numbers, or gaps between them."""
    said = [name for name in names if name and not name.startswith(UNNAMED)]
    return bool(said) and all(map(_is_number, said))


def _listed(names: Iterable[str]) -> str:
    """Return names in words, of many only the first."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "nothing") + more


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated and _are_numbers(names):
        raise ValueError(NUMBERS_FIRST)
    if repeated:
        raise ValueError(f"two columns are named {repeated[0]}")


def _measured(columns: Mapping[str, Any], target: str | None, form: str, shape: tuple[int, int] | None) -> Measured:
    if target is not None:
        _refuse_target_of_arrays(columns, target)
        return replace(_table(columns, target), shape=shape)
    kind, names = _kind(columns, form)
    if kind == "matrices":
        columns = {**columns, "A": _squared(columns["A"], shape)}
    if kind == "whole":
        return _known(columns["matrix"], shape)
    optional = {"pauli": "shots", "vectors": "partners"}.get(kind, "")
    names = (*names, optional) if optional in columns else names
    flat = {"matrices": {"A": 3}, "table": {"X": 2}, "vectors": {"vectors": 2, "partners": 2}}.get(kind, {})
    _check(columns, {name: flat.get(name, 1) for name in names})
    if kind == "entries":
        places = [_whole(name, columns[name]) for name in names[:2]]
        refuse_beyond_memory(*(shape or (int(numbers.max()) + 1 for numbers in places)))
        return Measured(kind, np.stack(places, axis=1), columns[names[2]], shape=shape)
    if kind == "pauli":
        how_often = np.asarray(columns["shots"], float) if "shots" in names else None
        return Measured(kind, np.asarray(columns["pauli"]).astype(str), columns["expectation"], how_often, shape)
    if "partners" in names:
        both = np.hstack([columns["vectors"], columns["partners"]])
        own = (columns["vectors"].shape[1], columns["partners"].shape[1])
        return Measured(kind, both, columns["y"], shape=_agreed(shape, own))
    return Measured(kind, columns[names[0]], columns[names[1]], shape=shape)


def _known(matrix: np.ndarray, shape: tuple[int, int] | None) -> Measured:
    """Return the entries of a matrix that are numbers."""
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise ValueError(
            f"matrix has shape {matrix.shape} and type {matrix.dtype}; allowed are 2 dimensions of real numbers, NaN where it "
            "is not known"
        )
    places = np.argwhere(~np.isnan(matrix))
    values = matrix[tuple(places.T)]
    _check({"entries of matrix": values}, {"entries of matrix": 1})
    return Measured("entries", places, values, shape=_agreed(shape, matrix.shape))


def _agreed(told: tuple[int, int] | None, own: tuple[int, int]) -> tuple[int, int]:
    if told not in (None, own):
        raise ValueError(f"shape = {told}: that of the file is {own}")
    return own


def _as_vectors(found: Measured) -> Measured:
    """Return a table whose rows are vectors, or pairs of them."""
    if found.kind not in ("table", "vectors"):
        raise ValueError(f"vectors are rows of a table; this file has {found.kind}, leave --vectors out")
    return replace(found, kind="vectors")


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


def _squared(matrices: np.ndarray, shape: tuple[int, int] | None) -> np.ndarray:
    """Return matrices that may be given as rows of d·d numbers, or of d1·d2 where the shape is told, as (m, d1, d2)."""
    features = matrices.shape[1] if matrices.ndim == 2 else 0
    if shape and features and shape[0] * shape[1] != features:
        raise ValueError(f"shape = {shape}: A has {features} numbers per measurement, not {shape[0] * shape[1]}")
    shape = shape or (math.isqrt(features),) * 2
    return matrices.reshape(-1, *shape) if features and shape[0] * shape[1] == features else matrices


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
        raise ValueError(f"no column {target}; it has {_listed(columns)}")
    names = [name for name in columns if name != target]
    if not names:
        raise ValueError(f"no column but {target}")
    if f"{UNNAMED}0" in names:
        raise ValueError("the first column has no name; leave it out if it only numbers the rows, else name it")
    _check(columns, dict.fromkeys([*names, target], 1))
    others = [np.asarray(columns[name], float) for name in names]
    return Measured("table", np.stack(others, axis=1), np.asarray(columns[target], float))


def _kind(columns: Mapping[str, Any], form: str) -> tuple[str, tuple[str, ...]]:
    """Return what a file without a named target holds, and under which names."""
    # An npz may have the names of columns, too.
    forms = [*COLUMNS.items(), *(ARRAYS.items() if form in ("npz", "npy") else ())]
    for kind, names in forms:
        if set(names) <= set(columns):
            return kind, names
    if form == "csv" and _are_numbers(columns):
        raise ValueError(NUMBERS_FIRST)
    lacking = [set(names) - set(columns) for _, names in forms if set(names) & set(columns)]
    lacks = f", and lacks {min(lacking[0])}" if lacking and len(lacking[0]) == 1 else ""
    allowed = ALLOWED_ARRAYS if form == "npz" else f"columns {ALLOWED_COLUMNS}"
    raise ValueError(f"has {_listed(sorted(columns))}{lacks}; allowed are {allowed}")


def _check(columns: Mapping[str, Any], names: Mapping[str, int]) -> None:
    """Raise a ValueError if arrays are not of these dimensions and one length, or have entries that are no finite numbers."""
    for name, dimensions in names.items():
        if np.ndim(columns[name]) != dimensions:
            flat = ", or 2 with d·d columns (if d1·d2, give the shape)" if name == "A" else ""
            allowed = "is 1 dimension" if dimensions == 1 else f"are {dimensions} dimensions"
            raise ValueError(f"{name} has shape {np.shape(columns[name])}; allowed {allowed}{flat}")
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
