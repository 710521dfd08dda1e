"""Read CSV and Parquet files: as columns with names, or as one matrix with gaps and no names."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.recover.io import refusals

# What pandas calls columns without a name; the first may be an index that pandas wrote.
UNNAMED = "Unnamed: "
# A field that is a number with a decimal comma; a comma between words is none.
DECIMAL_COMMA = r'(?:^|{0})[ "]*[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?[ "]*(?={0}|$)'
# Memory that a CSV's text and columns take while it is parsed, as a multiple of the file's size.
TIMES_ITS_SIZE = 6
NUMBERS_FIRST = "the first line has numbers; allowed are the columns' names. A matrix with gaps needs --table matrix"
NO_NAMES = 'a matrix is numbers and gaps, without names: frame.to_csv("gaps.csv", header=False, index=False)'


def columns(path: Path, form: str, texts: Iterable[str] = ()) -> dict[str, Any]:
    """Return the columns of a CSV or Parquet file by name; of a CSV, those named in ``texts`` stay text."""
    table = _parsed(path, form, named=True, texts=texts)
    table.columns = [str(name).strip() for name in table]
    _refuse_repeated(list(table.columns))
    return {name: table[name].to_numpy() for name in table}


def matrix(path: Path, form: str) -> np.ndarray:
    """Return the numbers of a CSV without names, or of a Parquet file, with NaN for gaps; refuse anything else."""
    from pandas.api import types

    table = _parsed(path, form, named=False)
    for number, (_, column) in enumerate(table.items(), 1):
        if not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
            raise ValueError(f"{not_of_numbers(str(number), column, 'line')}; {NO_NAMES}")
    found = np.asarray(table.to_numpy(float, na_value=np.nan))
    if form == "csv":
        _refuse_numbering("line", found[0])
    _refuse_numbering("column", found[:, 0])
    return found


def _parsed(path: Path, form: str, *, named: bool, texts: Iterable[str] = ()) -> Any:
    """Return a file as a data frame."""
    import pandas as pd

    how = _csv(path, named) if form == "csv" else {}
    try:
        table = pd.read_csv(**how, **_as_text(how, texts)) if how else pd.read_parquet(path)
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow, or write a CSV") from None
    except MemoryError:
        raise
    except pd.errors.EmptyDataError:
        raise ValueError("no measurements") from None
    except Exception as error:
        raise ValueError(f"not a {'CSV' if form == 'csv' else 'Parquet'} file ({type(error).__name__})") from None
    if table.empty:
        raise ValueError("no measurements")
    return table


def _as_text(how: dict[str, Any], texts: Iterable[str]) -> dict[str, Any]:
    """Return options for pandas with which columns of these names, in any case, stay text."""
    import pandas as pd

    wanted = {name.lower() for name in texts}
    if not wanted:
        return {}
    names = pd.read_csv(**how, nrows=0).columns
    how["filepath_or_buffer"].seek(0)
    return {"dtype": {name: str for name in names if str(name).strip().lower() in wanted}}


def _csv(path: Path, named: bool) -> dict[str, Any]:
    """Return options for pandas to read a CSV: its text, its separator and its decimal mark."""
    refusals.refuse_beyond_memory(TIMES_ITS_SIZE * path.stat().st_size, "parsing it needs about")
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip(" \r\n")
    except UnicodeDecodeError:
        raise ValueError("the text is not in UTF-8, the only encoding allowed") from None
    # A mark in quotes separates nothing.
    first = re.sub('"[^"]*"', "", text.lstrip(" \r\n").partition("\n")[0])
    # A comma between numbers may be decimal; a comma in the line of names separates them.
    separator = next((mark for mark in ";\t" if mark in first and not (named and "," in first)), ",")
    _refuse_lines(text, separator, named)
    decimal = "," if separator != "," and re.search(DECIMAL_COMMA.format(separator), text, re.MULTILINE) else "."
    options = {"header": 0 if named else None, "sep": separator, "decimal": decimal, "skipinitialspace": True}
    return {"filepath_or_buffer": io.StringIO(text), **options}


def _refuse_lines(text: str, separator: str, named: bool) -> None:
    """Raise a ValueError for what pandas accepts silently: repeated names, and lines with more fields than the first.

    Without names, lines with fewer fields are refused too.
    """
    rows = csv.reader(io.StringIO(text), skipinitialspace=True, delimiter=separator)
    try:
        first = [name.strip() for name in next(filter(None, rows), [])]
        others = ((rows.line_num, len(row)) for row in rows if len(row) != len(first))
        wrong = next(((line, size) for line, size in others if size > len(first) or not named), None)
    except (ValueError, csv.Error):
        # pandas refuses a file that is not a CSV.
        return
    if named:
        _refuse_repeated(first)
    if wrong:
        raise ValueError(f"line {wrong[0]} has {wrong[1]} fields; allowed are {len(first)}, as in the first line")


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated and are_numbers(names):
        raise ValueError(NUMBERS_FIRST)
    if repeated:
        raise ValueError(f"two columns are named {repeated[0]}")


def _refuse_numbering(what: str, numbers: np.ndarray) -> None:
    """Raise a ValueError if a first line or column is 0, 1, 2, … or 1, 2, 3, …, apart from a gap in the corner."""
    numbers = numbers[1:] if np.isnan(numbers[0]) else numbers
    if len(numbers) > 1 and numbers[0] in (0, 1) and (np.diff(numbers) == 1).all():
        raise ValueError(
            f"the first {what} counts, {numbers[0]:g}, {numbers[1]:g}, …, as names do; {NO_NAMES}. If it is data, write an npy"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def are_numbers(names: Iterable[str]) -> bool:
    """Return whether the columns' names are numbers, apart from missing names."""
    present = [name for name in names if name and not name.startswith(UNNAMED)]
    return bool(present) and all(map(_is_number, present))


def not_of_numbers(name: str, column: Iterable[Any], row_name: str = "measurement") -> str:
    """Return the message about a column that is not of numbers, with the first value that is not one."""
    problem = f"column {name} is not of numbers"
    texts = [one for one in enumerate(column, 1) if isinstance(one[1], str)]
    if not texts:
        return problem
    # If the file has decimal commas elsewhere, numbers with a decimal point are read as text.
    odd = [one for one in texts if not _is_number(one[1])] or texts
    # Numbers with a decimal comma may be right, so other values are named first.
    number, value = next((one for one in odd if not _is_number(one[1].replace(",", "."))), odd[0])
    hint = "; others have a decimal comma" if _is_number(value) and "." in value else ""
    if name != "pauli" and set(value) <= set("IXYZ"):
        hint = "; Pauli strings belong in a column named pauli"
    return f"{problem}, the first {value[:40]!r} in {row_name} {number}{hint}"
