"""How much numbers may differ from the committed ones.

``reference/tolerances.yaml`` explains the tolerances and contains the default of all tables; the ``tolerances.yaml`` of
a chapter contains the exceptions of its tables and claims, with their reasons.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import yaml

from algoreg.settings.chapters import load_chapters

TOLERANCES = Path(__file__).resolve().parents[3] / "reference" / "tolerances.yaml"
NUMBERS = ("relative", "relative_converged", "floor", "smallest", "share")
DERIVED = ("relative", "floor")


@dataclass(frozen=True)
class Tolerances:
    """How much numbers may differ from the committed ones.

    Attributes
    ----------
    default : mapping
        ``relative, relative_converged, floor, smallest, share`` of a column without an entry.
    derived : mapping
        ``relative`` and ``floor`` of estimates, of the ends of their intervals, and of tables derived from others.
    tables : mapping of table pattern to mapping of column pattern to mapping
        The numbers that replace the default. An ``exception`` has another ``relative`` for the rows whose keys equal
        its ``where`` and whose committed value is at least its ``from``.
    claims : mapping of str to mapping
        For some claims, the ``relative`` of their estimates and intervals, which replaces the derived one.
    """

    default: dict
    derived: dict
    tables: dict
    claims: dict = field(default_factory=dict)

    @classmethod
    def load(cls, path=TOLERANCES, chapters=None):
        """Read the file for all tables and the files of the chapters, by default of all chapters.

        Raises
        ------
        ValueError
            If an entry is missing or unknown, is not a number of at least 0, has no reason, or names no table or claim
            of its chapter.
        """
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        _check(content["default"], f"{path}: default", complete=NUMBERS)
        _check(content["derived"], f"{path}: derived", complete=DERIVED)
        tables, claims = {}, {}
        known = load_chapters() if chapters is None else chapters
        for chapter in known:
            file = chapter.folder / "tolerances.yaml"
            if not file.exists():
                continue
            own = yaml.safe_load(file.read_text(encoding="utf-8"))
            for claim, part in own.get("claims", {}).items():
                _check_known(claim, [entry["id"] for entry in chapter.claims], f"{file}: claims", "claim")
                _check(part, f"{file}: claims.{claim}", complete=("relative",))
            claims.update(own.pop("claims", {}))
            for table, columns in own.items():
                _check_known(table, chapter.tables, file, "table")
                for column, part in columns.items():
                    _check(part, f"{file}: {table}.{column}")
            tables.update(own)
        return cls(content["default"], content["derived"], tables, claims)

    def of(self, table, column):
        """Return the numbers of a column; for the column ``status`` only ``share`` matters."""
        for pattern, columns in self.tables.items():
            for name, part in columns.items():
                # The pattern "*" does not match the status, because a status is not a number.
                fits = name == column if column == "status" else fnmatchcase(column, name)
                if fits and fnmatchcase(table, pattern):
                    return {**self.default, **part}
        return self.default

    def allowed(self, table, column, reference, status, keys=None, scale=None):
        """Return how much each cell of a column may differ, shape (n,).

        Parameters
        ----------
        table, column : str
        reference : numpy.ndarray, shape (n,)
            The committed values; NaN for missing ones.
        status : sequence of str, length n
        keys : mapping of str to sequence of length n, optional
            The columns that identify the rows, such as the table itself; without them no row is an exception.
        scale : float, optional
            The size of the column's values, if ``reference`` contains only a part of the column.
        """
        part = self.of(table, column)
        sizes = np.abs(reference)
        least = max(part["floor"] * (column_scale(reference) if scale is None else scale), part["smallest"])
        relative = np.where(np.array(status) == "converged", part["relative_converged"], part["relative"])
        exception = part.get("exception")
        if exception and keys is not None:
            named = [np.array(keys[key]) == value for key, value in exception["where"].items()]
            relative = np.where(np.all([*named, sizes >= exception["from"]], axis=0), exception["relative"], relative)
        return relative * np.maximum(sizes, least)

    def allowed_over(self, table, column, rows):
        """Return how many of a column's cells may differ by more than :meth:`allowed`."""
        return int(self.of(table, column)["share"] * rows)

    def close(self, a, b, scale=0.0, claim=None):
        """Return whether two derived numbers agree; ``scale`` is the size of their ``claim`` or table."""
        part = {**self.derived, **self.claims.get(claim, {})}
        return abs(a - b) <= part["relative"] * np.maximum(abs(b), max(abs(scale), part["floor"]))


def _is_size(value):
    """Return whether a value is a number of at least 0, which NaN is not."""
    return isinstance(value, (int, float)) and value >= 0


def _check(part, place, complete=()):
    """Raise a ValueError if an entry has a key or a value that is not allowed, lacks one, or has no reason."""
    known = complete or NUMBERS
    wrong = set(part) - {*known, "reason", *(() if complete else ("exception",))}
    wrong = wrong or set(complete) - set(part)
    wrong |= {key for key in known if not _is_size(part.get(key, 0.0))}
    if wrong or not part.get("reason"):
        allowed = f"allowed are numbers {', '.join(known)}, and a reason"
        raise ValueError(f"{place} ({', '.join(sorted(wrong)) or 'no reason'}): {allowed}")
    _check_exception(part.get("exception"), f"{place}.exception")


def _check_known(pattern, names, place, kind):
    """Raise a ValueError if a pattern matches none of a chapter's names."""
    if not any(fnmatchcase(name, pattern) for name in names):
        raise ValueError(f"{place}: {pattern}: no {kind} of the chapter; it has {', '.join(names) or 'none'}")


def _check_exception(part, place):
    """Raise a ValueError if an exception has keys or values that are not allowed, or lacks one."""
    if part is None:
        return
    numbers = isinstance(part, dict) and all(_is_size(part.get(key)) for key in ("from", "relative"))
    if not numbers or set(part) != {"where", "from", "relative", "reason"} or not isinstance(part["where"], dict):
        raise ValueError(
            f"{place}: allowed are where (keys and values of rows), numbers from and relative, and a reason"
        )


def column_scale(values):
    """Return the median of a column's non-zero absolute values, or 0 if there are none."""
    sizes = np.abs(values)
    seen = sizes[np.nan_to_num(sizes) > 0]
    return float(np.median(seen)) if len(seen) else 0.0
