"""Reads CSV and Parquet files: as columns with names, or as one matrix with gaps and no names."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from algoreg.recover.io import refusals

# What pandas calls columns without a name; the first may be the index that it writes itself.
UNNAMED = "Unnamed: "
# A field that is a number with a comma: one between words is none.
DECIMAL_COMMA = r'(?:^|{0})[ "]*[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?[ "]*(?={0}|$)'
# Of a CSV's size, what its text and its columns take while it is parsed.
TIMES_ITS_SIZE = 6
NUMBERS_FIRST = "the first line has numbers; allowed are the columns' names. A matrix with gaps needs --table matrix"
NO_NAMES = 'a matrix is numbers and gaps, without names: frame.to_csv("gaps.csv", header=False, index=False)'


def columns(path: Path, form: str, texts: Iterable[str] = ()) -> dict[str, Any]:
    """Return the columns of a CSV or Parquet file by their names; of a CSV, those named in ``texts`` as text."""
    table = _parsed(path, form, named=True, texts=texts)
    table.columns = [str(name).strip() for name in table]
    _refuse_repeated(list(table.columns))
    return {name: table[name].to_numpy() for name in table}


def matrix(path: Path, form: str) -> np.ndarray:
    """Return the numbers of a CSV without names, or of a Parquet file, NaN where there is a gap;
    nothing else may be in it.
    """
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
    """Return what pandas makes of a file."""
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
        raise ValueError(f"no {'CSV' if form == 'csv' else 'Parquet'} ({type(error).__name__})") from None
    if table.empty:
        raise ValueError("no measurements")
    return table


def _as_text(how: dict[str, Any], texts: Iterable[str]) -> dict[str, Any]:
    """Return what pandas is told so that columns of these names, in any case, stay text."""
    import pandas as pd

    wanted = {name.lower() for name in texts}
    if not wanted:
        return {}
    names = pd.read_csv(**how, nrows=0).columns
    how["filepath_or_buffer"].seek(0)
    return {"dtype": {name: str for name in names if str(name).strip().lower() in wanted}}


def _csv(path: Path, named: bool) -> dict[str, Any]:
    """Return what pandas is told of a CSV: its text, and the marks that spreadsheets write in many countries."""
    refusals.refuse_beyond_memory(TIMES_ITS_SIZE * path.stat().st_size, "to parse it needs some")
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip(" \r\n")
    except UnicodeDecodeError:
        raise ValueError("the text is not in UTF-8, which is allowed") from None
    # What stands in quotes separates nothing.
    first = re.sub('"[^"]*"', "", text.lstrip(" \r\n").partition("\n")[0])
    # A comma between numbers may be decimal; where names hold one, that separates them.
    separator = next((mark for mark in ";\t" if mark in first and not (named and "," in first)), ",")
    _refuse_lines(text, separator, named)
    decimal = "," if separator != "," and re.search(DECIMAL_COMMA.format(separator), text, re.MULTILINE) else "."
    told = {"header": 0 if named else None, "sep": separator, "decimal": decimal, "skipinitialspace": True}
    return {"filepath_or_buffer": io.StringIO(text), **told}


def _refuse_lines(text: str, separator: str, named: bool) -> None:
    """Raise a ValueError for what pandas takes silently: names that repeat,
    and lines with more fields, or without names fewer.
    """
    rows = csv.reader(io.StringIO(text), skipinitialspace=True, delimiter=separator)
    try:
        first = [name.strip() for name in next(filter(None, rows), [])]
        others = ((rows.line_num, len(row)) for row in rows if len(row) != len(first))
        wrong = next(((line, size) for line, size in others if size > len(first) or not named), None)
    except (ValueError, csv.Error):
        # What is no CSV, pandas refuses.
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
    """Raise a ValueError if a matrix's first line or column is 0, 1, 2, … or 1, 2, 3, …,
    but for a gap in the corner.
    """
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
    """Return whether what stands in place of columns' names is numbers, or gaps between them."""
    said = [name for name in names if name and not name.startswith(UNNAMED)]
    return bool(said) and all(map(_is_number, said))


def not_of_numbers(name: str, column: Iterable[Any], row_name: str = "measurement") -> str:
    """Return what is wrong with a column of text: the first of it that is none."""
    said = f"column {name} is not of numbers"
    texts = [one for one in enumerate(column, 1) if isinstance(one[1], str)]
    if not texts:
        return said
    # With a decimal comma elsewhere in the file, numbers with a point are texts.
    odd = [one for one in texts if not _is_number(one[1])] or texts
    # Decimal commas may be right.
    number, value = next((one for one in odd if not _is_number(one[1].replace(",", "."))), odd[0])
    hint = "; others have a decimal comma" if _is_number(value) and "." in value else ""
    if name != "pauli" and set(value) <= set("IXYZ"):
        hint = "; Pauli strings belong in a column named pauli"
    return f"{said}, the first {value[:40]!r} in {row_name} {number}{hint}"
