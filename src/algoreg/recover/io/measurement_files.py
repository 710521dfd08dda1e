"""Read files of measurements: matrices, vectors, entries, a table, or Pauli expectations; refuse everything else."""

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.recover.io import refusals, table_files
from algoreg.recover.io.pauli_data import expectations_from_counts, plain_strings
from algoreg.results import arrays

FORMATS = ("npz", "npy", "csv", "parquet")
# What a table's rows and columns are: features of a target; a vector in each row; or the matrix itself, with gaps.
TABLES = ("features", "vectors", "matrix")
# Names that a file may hold together, by kind; the last of each are the observations.
ARRAYS = {
    "matrices": ("A", "y"),
    "vectors": ("vectors", "y"),
    "entries": ("rows", "columns", "values"),
    "table": ("X", "y"),
    "whole": ("matrix",),
}
COLUMNS = {
    "entries": ("row", "column", "value"),
    "pauli": ("pauli", "expectation"),
    "counts": ("setting", "outcome"),
}
# The keys of ``--columns``, and the name that such a column gets. Users and items are names, rows and columns numbers.
MEANT = {
    "row": "row", "column": "column", "user": "row", "item": "column", "value": "value",
    "pauli": "pauli", "expectation": "expectation", "shots": "shots",
    "setting": "setting", "outcome": "outcome", "count": "count",
}  # fmt: skip
# Largest number of names that a message lists.
LISTED = 12
ALLOWED_ARRAYS = (
    "A and y (matrices and observations); vectors, y and perhaps partners; rows, columns and values (entries); matrix, "
    "with NaN for unknown entries; or X and y (a table)"
)
ALLOWED_COLUMNS = (
    "row, column and value (entries); pauli, expectation and perhaps shots; setting, outcome and perhaps count; or any "
    "columns of numbers, if one is named as target"
)
OTHER_NAMES = "columns of other names with --columns, as in --columns user=userId,item=movieId,value=rating"
# Returns the content of arrays or columns that are known by name and size.
Read = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Measured:
    """Measurements and observations of a file.

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
        Shape of the matrix that is measured, if it is given or the file determines it.
    notes : tuple of str
        Notes on the file: columns that were not read.
    names : tuple of numpy.ndarray, or None
        Names of the rows and columns of entries, in order, if the file has names.
    """

    kind: str
    X: Any
    y: np.ndarray
    shots: np.ndarray | None = None
    shape: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    names: tuple[np.ndarray, np.ndarray] | None = None


def read(
    path: str | Path,
    target: str | None = None,
    form: str | None = None,
    *,
    shape: tuple[int, int] | None = None,
    table: str = "features",
    columns: Mapping[str, str] | None = None,
) -> Measured:
    """Return the measurements that a file holds.

    Parameters
    ----------
    path : path
    target : str, optional
        The column of a CSV or Parquet table that the others explain.
    form : str, optional
        One of ``FORMATS``; by default the suffix decides.
    shape : (int, int), optional
        Shape of the matrix that is measured.
    table : str
        How a table is read, one of ``TABLES``. The vectors are x, or pairs (x, z), of measurements xᵀMx or xᵀMz.
    columns : mapping, optional
        From the meaning of a column, such as ``user``, to its name in the file; see :func:`mapping`.

    Raises
    ------
    ValueError
        If the file does not exist, does not match its suffix, holds pickles, or lacks what is needed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.removeprefix(".").lower()
    form = form or ("csv" if suffix == "tsv" else suffix)
    if form not in FORMATS:
        raise ValueError(
            f"{path}: allowed are .npz, with {ALLOWED_ARRAYS}. Or .npy, a matrix with NaN for unknown entries. Or .csv and "
            f".parquet, with columns {ALLOWED_COLUMNS}"
        )
    try:
        found = _read(path, target, form, shape, table, columns or {})
        _refuse_shape(found)
        if found.kind in ("entries", "pauli"):
            refusals.refuse_repeated(found.X, called=found.names or (None, None))
        return found
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def sizes(text: str | None) -> tuple[int, int] | None:
    """Return a shape such as 20x30 as two numbers; None if none is given."""
    if not text:
        return None
    found = re.fullmatch(r"\s*([1-9]\d*)\s*[x×,]\s*([1-9]\d*)\s*", text)
    if not found:
        raise ValueError(f"shape = {text}: allowed are two whole numbers of at least 1, such as 20x30")
    return int(found[1]), int(found[2])


def _read(
    path: Path, target: str | None, form: str, shape: tuple[int, int] | None, table: str, asked: Mapping[str, str]
) -> Measured:
    if table not in TABLES:
        raise ValueError(f"table = {table}: allowed are {', '.join(TABLES)}")
    load: Read = dict
    if form in ("npz", "npy"):
        columns, load = _outlines(path, form), partial(_arrays, path, form)
    elif table == "matrix":
        columns, form = {"matrix": table_files.matrix(path, form)}, "npy"
    else:
        # As a number, 001 would be 1.
        texts = () if target else ("outcome", asked.get("outcome", "outcome"))
        columns = table_files.columns(path, form, texts)
    if asked and form in ("npz", "npy"):
        raise ValueError("columns: allowed only for CSV and Parquet files")
    if form in ("csv", "parquet"):
        columns = _renamed(columns, asked, in_any_case=target is None)
    if target is None and form in ("csv", "parquet") and set(COLUMNS["entries"]) <= set(columns):
        found = _named(columns, shape, named={"user", "item"} & set(asked))
    elif target is None and form in ("csv", "parquet") and set(COLUMNS["counts"]) <= set(columns):
        found = replace(_counted(columns), shape=shape)
    else:
        found = _measured(columns, target, form, shape, load)
    if found.kind not in {"vectors": ("table", "vectors"), "matrix": ("entries",)}.get(table, (found.kind,)):
        raise ValueError(f"table = {table}: this file has {found.kind}; leave it out")
    return replace(found, kind="vectors") if table == "vectors" else found


def mapping(text: str | None) -> dict[str, str]:
    """Parse ``user=userId,item=movieId,value=rating`` into a mapping from the meaning of a column to its name.

    Raises
    ------
    ValueError
        If the text is anything else.
    """
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, mark, name = (one.strip() for one in part.partition("="))
        if not mark or not name or key not in MEANT or key in found:
            raise ValueError(
                f"columns = {text}: allowed are pairs such as value=rating, of {', '.join(MEANT)}, each once"
            )
        found[key] = name
    return found


def _renamed(columns: Mapping[str, Any], asked: Mapping[str, str], *, in_any_case: bool) -> dict[str, Any]:
    """Return columns under the names of ``MEANT``: those asked for and, if ``in_any_case``, known ones in any case."""
    for name in asked.values():
        if name not in columns:
            raise ValueError(f"no column {name}; the file has {_listed(columns)}")
    meant = {name: MEANT[key] for key, name in asked.items()}
    known = {*MEANT.values()} - {*columns, *meant.values()} if in_any_case else set()
    meant |= {name: name.lower() for name in columns if name.lower() in known and name not in meant}
    found = {meant.get(name, name): values for name, values in columns.items()}
    if len(found) < len(columns):
        raise ValueError(f"two columns are {next(new for new in meant.values() if new in columns)}; leave one out")
    return found


def _named(columns: dict[str, Any], shape: tuple[int, int] | None, named: Iterable[str]) -> Measured:
    """Return entries whose rows and columns are names or positions."""
    names = []
    for what, key in (("row", "user"), ("column", "item")):
        values = columns[what]
        if key in named or values.dtype.kind not in "biuf":
            _refuse_gaps(what, values)
            called, columns[what] = np.unique(values.astype(str), return_inverse=True)
        else:
            called = np.empty(0, str)
        names.append(called)
    found = _measured(columns, None, "csv", shape, dict)
    if not any(map(len, names)):
        return found
    rows, columns_ = (
        one if len(one) else np.arange(int(found.X[:, side].max()) + 1).astype(str) for side, one in enumerate(names)
    )
    return replace(found, names=(rows, columns_))


def _counted(columns: Mapping[str, Any]) -> Measured:
    """Return expectations from outcomes of measured settings, which are a line per outcome or per shot."""
    names = (*COLUMNS["counts"], *(["count"] if "count" in columns else []))
    for name in COLUMNS["counts"]:
        values = columns[name]
        if bad := [number for number, value in enumerate(values, 1) if not isinstance(value, str)]:
            example = "bits as text, such as 001" if name == "outcome" else "letters, such as XZ"
            raise ValueError(f"{name} is {values[bad[0] - 1]} in line {bad[0]} below the names; allowed are {example}")
    numbers = np.ones(len(columns["setting"])) if len(names) == 2 else np.asarray(columns["count"])
    _check_numbers("count", numbers)
    counts: dict[str, dict[str, Any]] = {}
    for setting, outcome, number in zip(columns["setting"], columns["outcome"], numbers, strict=True):
        of_setting = counts.setdefault(setting.strip().upper(), {})
        if len(names) == 3 and outcome in of_setting:
            raise ValueError(
                f"setting {setting}, outcome {outcome} appears twice; give it once, as the sum of its counts"
            )
        of_setting[outcome] = of_setting.get(outcome, 0) + number
    strings, y, shots = expectations_from_counts(counts)
    unread = [name for name in columns if name not in names]
    notes = (f"columns not read: {_listed(unread)}",) if unread else ()
    return Measured("pauli", np.array(strings), y, shots, notes=notes)


def _refuse_gaps(what: str, values: Any) -> None:
    missing = np.array([one is None or one != one for one in values])
    if missing.any():
        raise ValueError(
            f"column {what} has no name in measurement {int(missing.argmax()) + 1}; leave such measurements out"
        )


@contextlib.contextmanager
def _refusing_others(form: str) -> Iterator[None]:
    """Raise a ValueError instead of any other error of reading, because the file holds no plain arrays."""
    try:
        yield
    except (arrays.SizeDiffers, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"not an {form} of plain arrays ({type(error).__name__}); pickles are refused") from None


def _outlines(path: Path, form: str) -> dict[str, Any]:
    """Return outlines (shape and type, no content) of the arrays of a file, by name."""
    with _refusing_others(form):
        return arrays.outlines(path) if form == "npz" else {"matrix": arrays.outline(path)}


def _arrays(path: Path, form: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read the arrays that are asked for by their outlines, unless they are larger than this machine's memory."""
    for name, one in asked.items():
        if name != "pauli":
            _check_type(name, one)
        elif one.dtype.kind not in "UT":
            raise ValueError(f"pauli has type {one.dtype}; allowed are texts of the letters I, X, Y, Z")
    shapes = ", ".join(f"{name} has shape {one.shape}" for name, one in asked.items())
    refusals.refuse_beyond_memory(sum(one.nbytes for one in asked.values()), f"{shapes}: they need")
    with _refusing_others(form):
        return arrays.load_arrays(path, asked) if form == "npz" else {"matrix": arrays.load_array(path)}


def _listed(names: Iterable[str]) -> str:
    """Return names as a text, and of more than LISTED only the first."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "nothing") + more


def _measured(
    columns: Mapping[str, Any],
    target: str | None,
    form: str,
    shape: tuple[int, int] | None,
    read: Read,
) -> Measured:
    """Return the measurements in columns; ``read`` returns the content of columns once their sizes are checked."""
    if target is not None:
        _refuse_target_of_arrays(columns, target)
        return replace(_table(columns, target, read), shape=shape)
    kind, names = _kind(columns, form)
    optional = {"pauli": "shots", "vectors": "partners"}.get(kind, "")
    names = (*names, optional) if optional in columns else names
    unread = [name for name in columns if name not in names]
    notes = (f"{'arrays' if form == 'npz' else 'columns'} not read: {_listed(unread)}",) if unread else ()
    columns = {name: columns[name] for name in names}
    if kind == "whole":
        _refuse_no_matrix(columns["matrix"])
        return replace(_known(read(columns)["matrix"], shape), notes=notes)
    flat = {"matrices": {"A": 3}, "table": {"X": 2}, "vectors": {"vectors": 2, "partners": 2}}.get(kind, {})
    dimensions = {name: flat.get(name, 1) for name in names}
    _check_sizes({**columns, "A": _squared(columns["A"], shape)} if kind == "matrices" else columns, dimensions)
    columns = dict(read(columns))
    if kind == "matrices":
        columns["A"] = _squared(columns["A"], shape)
    for name in names:
        if name != "pauli":
            _check_numbers(name, np.asarray(columns[name]))
    X, y, shots = columns[names[0]], columns[names[-1]], None
    if kind == "entries":
        positions = [_whole_numbers(name, columns[name]) for name in names[:2]]
        _refuse_large(*(shape or (int(numbers.max()) + 1 for numbers in positions)))
        X = np.stack(positions, axis=1)
    elif kind == "pauli":
        strings, signs = plain_strings(X)
        X, y = np.array(strings), signs * columns["expectation"]
        refusals.refuse_impossible_expectations(X, y)
        if "shots" in names:
            shots = np.asarray(columns["shots"], float)
            refusals.refuse_impossible_shots(shots)
    elif "partners" in names:
        shape = _agreed(shape, (X.shape[1], columns["partners"].shape[1]))
        X, y = np.hstack([X, columns["partners"]]), columns["y"]
    return Measured(kind, X, y, shots, shape, notes)


def _refuse_no_matrix(matrix: np.ndarray) -> None:
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise ValueError(
            f"matrix has shape {matrix.shape} and type {matrix.dtype}; allowed are 2 dimensions of real numbers, NaN for "
            "unknown entries"
        )


def _known(matrix: np.ndarray, shape: tuple[int, int] | None) -> Measured:
    """Return the known entries of a matrix, which are not NaN."""
    positions = np.argwhere(~np.isnan(matrix))
    values = matrix[tuple(positions.T)]
    _check_sizes({"entries of matrix": values}, {"entries of matrix": 1})
    _check_numbers("entries of matrix", values)
    return Measured("entries", positions, values, shape=_agreed(shape, matrix.shape))


def _agreed(given: tuple[int, int] | None, of_file: tuple[int, int]) -> tuple[int, int]:
    if given not in (None, of_file):
        raise ValueError(f"shape = {given}: the file determines the shape {of_file}")
    return of_file


def _refuse_shape(found: Measured) -> None:
    """Raise a ValueError if the shape does not fit the measurements."""
    if found.shape is None:
        return
    given, width = f"shape = {found.shape}", np.shape(found.X)[-1]
    if found.kind in ("table", "pauli"):
        raise ValueError(f"{given}: a {'table' if found.kind == 'table' else 'state'} needs none; leave shape out")
    if found.kind == "entries" and (found.X.max(axis=0) >= found.shape).any():
        least = " × ".join(str(most + 1) for most in found.X.max(axis=0))
        raise ValueError(f"{given}: the entries need at least {least}")
    rows, columns = found.shape
    if found.kind == "vectors" and width != rows + columns and not (rows == columns == width):
        single = f"{rows} (x) or " if rows == columns else ""
        raise ValueError(f"{given}: a row has {width} numbers; allowed are {single}{rows + columns} (x and z)")


def _refuse_large(rows: int, columns: int) -> None:
    """Raise a ValueError if the matrix whose entries are known is larger than this machine's memory."""
    side, what = max((rows, "row"), (columns, "column"))
    reason = f"the largest {what} is {side - 1}: a matrix of {rows} × {columns} needs"
    refusals.refuse_beyond_memory(8 * rows * columns, reason)


def _squared(matrices: np.ndarray, shape: tuple[int, int] | None) -> np.ndarray:
    """Return matrices as (m, d1, d2); they may be rows of d·d numbers or, if the shape is given, of d1·d2."""
    if matrices.ndim == 3 and shape:
        _agreed(shape, matrices.shape[1:])
    features = matrices.shape[1] if matrices.ndim == 2 else 0
    if shape and features and shape[0] * shape[1] != features:
        raise ValueError(f"shape = {shape}: A has {features} numbers per measurement, not {shape[0] * shape[1]}")
    shape = shape or (math.isqrt(features),) * 2
    return matrices.reshape(-1, *shape) if features and shape[0] * shape[1] == features else matrices


def _whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
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
                f"target = {target}: allowed only for a table; {name} has shape {np.shape(values)}. Leave target out"
            )


def _table(columns: Mapping[str, Any], target: str, read: Read) -> Measured:
    """Return a table, one of whose columns is the target; all others explain it."""
    if target not in columns:
        raise ValueError(f"no column {target}; the file has {_listed(columns)}")
    names = [name for name in columns if name != target]
    if not names:
        raise ValueError(f"no column besides {target}")
    if f"{table_files.UNNAMED}0" in names:
        raise ValueError("the first column has no name; leave it out if it only numbers the rows, else name it")
    if nameless := [name for name in names if name.startswith(table_files.UNNAMED)]:
        number = list(columns).index(nameless[0]) + 1
        raise ValueError(f"column {number} has no name; name it, or leave it out, as where lines end in a separator")
    _check_sizes(columns, dict.fromkeys([*names, target], 1))
    columns = read(columns)
    for name in (*names, target):
        _check_numbers(name, np.asarray(columns[name]))
    others = [np.asarray(columns[name], float) for name in names]
    return Measured("table", np.stack(others, axis=1), np.asarray(columns[target], float))


def _kind(columns: Mapping[str, Any], form: str) -> tuple[str, tuple[str, ...]]:
    """Return the kind of measurements in a file without a target, and the names that they have there."""
    # An npz may have the names of columns instead.
    forms = [*COLUMNS.items(), *(ARRAYS.items() if form in ("npz", "npy") else ())]
    for kind, names in forms:
        if set(names) <= set(columns):
            return kind, names
    for name, values in columns.items() if form in ("csv", "parquet") else ():
        if name != "pauli" and values.dtype.kind not in "biuf":
            raise ValueError(table_files.not_of_numbers(name, values))
    if form == "csv" and table_files.are_numbers(columns):
        raise ValueError(table_files.NUMBERS_FIRST)
    lacking = [set(names) - set(columns) for _, names in forms if set(names) & set(columns)]
    lacks = f", and lacks {min(lacking[0])}" if lacking and len(lacking[0]) == 1 else ""
    allowed = ALLOWED_ARRAYS if form == "npz" else f"columns {ALLOWED_COLUMNS}; {OTHER_NAMES}"
    raise ValueError(f"the file has {_listed(sorted(columns))}{lacks}; allowed are {allowed}")


def _check_sizes(columns: Mapping[str, Any], names: Mapping[str, int]) -> None:
    """Raise a ValueError if arrays do not have these numbers of dimensions and the same length."""
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


def _check_type(name: str, values: np.ndarray) -> None:
    if values.dtype.kind == "c":
        raise ValueError(f"{name} has complex numbers; allowed are real ones")
    if values.dtype.kind not in "biuf":
        # The outline of an array has no content that could be named.
        raise ValueError(table_files.not_of_numbers(name, values if any(values.strides) else ()))


def _check_numbers(name: str, values: np.ndarray) -> None:
    _check_type(name, values)
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name} has missing or infinite numbers in {len(bad)} of {len(values)} measurements, the first in measurement "
            f"{bad[0] + 1}; leave them out"
        )
