"""Tables of runs: rows that are selected from recorded descents, with unchanged cells."""

from collections.abc import Iterable, Mapping
from typing import Any

from algoreg.results.records import format_cell
from algoreg.settings.selection import SELECTORS, at_end, clock, points

# A row of a table's file: every cell is a string, which is empty if there is no value.
Row = Mapping[str, str]
ERRORS = ("train_error", "test_error", "hold_out_error")


def select(block: Mapping[str, Any], parts: Iterable[list[Row]]) -> list[dict[str, Any]]:
    """Return the rows of a table of runs, ordered by point, target and ensemble.

    ``iteration`` and ``iterations`` are in the paper's unit, and ``own_iteration`` counts iterations as they ran. A run
    that diverged before an iteration has a row with empty errors and status ``diverged``.

    Parameters
    ----------
    block : mapping
        The table's entry.
    parts : iterable of list of mapping
        The rows of the files from which the table is selected; all rows of a run are in one file.

    Raises
    ------
    ValueError
        If an iteration was not recorded.
    """
    rows = []
    for part in parts:
        runs: dict[tuple, dict[int, Row]] = {}
        for row in part:
            run = runs.setdefault(tuple(row[key] for key in ("run", "target", "ensemble")), {})
            run[int(row["own_iteration"])] = row
        for recorded in runs.values():
            if _selects(block, next(iter(recorded.values()))):
                rows += _at_points(block, recorded)
    order = [*block["by"], "target", "ensemble"]
    return sorted(rows, key=lambda row: [_place(key, row[key]) for key in order])


def _selects(block: Mapping[str, Any], row: Row) -> bool:
    """Return whether a run is selected, also because it has no such value (as in ``algoreg.settings.selection``)."""
    given = {key: {format_cell(float(value)) for value in block[key]} for key in SELECTORS if key in block}
    return all(row[key] in {*values, ""} for key, values in given.items())


def _at_points(block: Mapping[str, Any], recorded: Mapping[int, Row]) -> list[dict[str, Any]]:
    """Return a table's rows for a run, given the run's recorded rows by iteration."""
    any_row = next(iter(recorded.values()))
    factor = int(any_row["step_factor"])
    unit = factor if clock(block) == "paper_iterations" else 1
    wanted = [int(any_row["ended"])] if at_end(block) else [point // unit for point in points(block)]
    found = []
    for own in wanted:
        errors = {key: recorded[own][key] if own in recorded else "" for key in ERRORS}
        if not errors["train_error"] and any_row["status"] == "budget":
            raise ValueError(f"iteration {own} of run {any_row['run']} was not recorded: its record grid leaves it out")
        point = own * factor
        found.append({**any_row, **errors, "iteration": point, "iterations": point, "own_iteration": own})
    return found


def _place(key: str, cell: Any) -> Any:
    """Return the sort key of a cell: α descends, as on the paper's axes, and everything else ascends."""
    if key in ("method", "start"):
        return cell
    return -float(cell) if key == "alpha" else float(cell)
