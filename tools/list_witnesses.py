"""List the measured columns that claims are judged by, and the tests that compute each in another way.

A committed table guards a number against change, not against having been wrong from the start. A test that computes
a column by a plain loop or a closed form, without the code that measures it, is therefore marked::

    @pytest.mark.witness("race", "passes")

names an experiment's module and its columns. ``tests/test_witnesses.py`` demands a witness of every column that an
estimand reads.
"""

import argparse
import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

from algoreg import plugins
from algoreg.claims import intervals, published
from algoreg.numerics.seeds import stream
from algoreg.regression import references
from algoreg.settings.chapters import load_chapters
from algoreg.settings.entries import estimands

ROOT = Path(__file__).resolve().parents[1]
# Tables are taken from the first tier that has them, because smaller tiers come first.
TIERS = ("smoke", "quick", "standard", "full")


def witnesses():
    """Return the tests that witness each column, by experiment and column, read from the marks in the test files."""
    found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.witness":
                        experiment, *columns = map(ast.literal_eval, mark.args)
                        for column in columns:
                            found[experiment, column].append(f"{path.relative_to(ROOT)}::{node.name}")
    return dict(found)


@cache
def entry_of(table):
    """Return the chapter and the entry of the table of this name."""
    (chapter,) = (one for one in load_chapters() if table in one.tables)
    return chapter, chapter.entries["experiments"][table]


def experiment_of(table):
    """Return the module that measures the table of this name."""
    # Selected tables are made from recorded descents.
    return entry_of(table)[1].get("experiment", "descents")


@cache
def committed(table, tier):
    """Return a committed table of measured columns; None if the tier has none."""
    chapter, entry = entry_of(table)
    path = references.folder_of(chapter, tier) / f"{table}.csv"
    return references.read_table(path) if path.exists() and "compare" not in entry else None


def is_committed(claim):
    """Return whether any table of a claim is committed in any tier, which is not so in a new chapter."""
    return any(committed(name, tier) is not None for name in claim["experiments"] for tier in TIERS)


def measured_columns(frame):
    """Return the columns of a table that an experiment computes: the status and all columns after it."""
    return ["status", *references.values_of(frame)]


@cache
def curves():
    """Return the published curves, by name."""
    return {name: published.load_published(name) for name in published.curves()}


def estimate(entry, frames):
    """Return an estimate of a claim or its control with few resamples, as only the columns that it reads matter."""
    parameters = dict(entry)
    function = plugins.functions("estimands")[parameters.pop("name")]
    before, intervals.REPLICATES = intervals.REPLICATES, 2
    try:
        return function(frames, curves(), stream("witness"), **parameters)
    finally:
        intervals.REPLICATES = before


def estimable(claim):
    """Yield every estimand of a claim with the tables of the first tier from which it has a value, and that value."""
    for entry in estimands(claim).values():
        for tier in TIERS:
            held = {name: committed(name, tier) for name in claim["experiments"]}
            frames = {name: frame for name, frame in held.items() if frame is not None}
            try:
                found = estimate(entry, frames)
            except (ValueError, LookupError):
                continue
            if found.value is not None:
                yield entry, frames, found
                break


def without(frames, dropped):
    """Return tables without the columns for which ``dropped(experiment, column)`` is true."""
    return {
        name: frame.drop(columns=[c for c in measured_columns(frame) if dropped(experiment_of(name), c)])
        for name, frame in frames.items()
    }


def reads(entry, frames, found, dropped):
    """Return whether an estimand's value changes or is undefined without the columns for which ``dropped`` is true."""
    try:
        return estimate(entry, without(frames, dropped)) != found
    except (ValueError, LookupError, AttributeError):
        return True


def columns_read(claims):
    """Return the claims that read each column, by experiment and column: they change or fail without it."""
    found = defaultdict(set)
    for claim in claims:
        for entry, frames, whole in estimable(claim):
            there = {(experiment_of(n), c) for n, frame in frames.items() for c in measured_columns(frame)}
            for one in there:
                if reads(entry, frames, whole, lambda *other, one=one: other == one):
                    found[one].add(claim["id"])
    return found


def main():
    """Print a line for each column."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    known = witnesses()
    for chapter in load_chapters():
        for (experiment, column), claims in sorted(columns_read(chapter.claims).items()):
            tests = known.get((experiment, column), ["no witness"])
            print(f"{experiment}.{column} ({', '.join(sorted(claims))}): {', '.join(tests)}")


if __name__ == "__main__":
    main()
