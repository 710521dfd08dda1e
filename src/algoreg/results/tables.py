"""Tables of runs: rows selected from those of recorded descents, with unchanged cells."""

from collections.abc import Iterable, Mapping
from typing import Any

from algoreg.results.records import format_cell
from algoreg.settings.selection import SELECTORS, at_end, clock, points

# A row of a table's file: every cell a text, an empty one where there is no value.
Row = Mapping[str, str]
ERRORS = ("train_error", "test_error", "hold_out_error")


def select(block: Mapping[str, Any], parts: Iterable[list[Row]]) -> list[dict[str, Any]]:
    """Return the rows of a table of runs, ordered by point, target and ensemble.

    ``iteration`` and ``iterations`` are the paper's, ``own_iteration`` as it ran. A run that diverged before an
    iteration has a row with empty errors and status ``diverged``.

    Parameters
    ----------
    block : mapping
        The table's entry.
    parts : iterable of list of mapping
        The rows of the files that it is selected from; a run's rows are in one file.

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
    """Return whether a run is selected; one that has no such value is. See
    :func:`algoreg.settings.selection.selects`."""
    given = {key: {format_cell(float(value)) for value in block[key]} for key in SELECTORS if key in block}
    return all(row[key] in {*values, ""} for key, values in given.items())


def _at_points(block: Mapping[str, Any], recorded: Mapping[int, Row]) -> list[dict[str, Any]]:
    """Return the rows that a table has of a run, given its recorded rows by iteration."""
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
    """Return by what rows are ordered: start sizes fall along the paper's axes, everything else rises."""
    if key in ("method", "start"):
        return cell
    return -float(cell) if key == "alpha" else float(cell)
