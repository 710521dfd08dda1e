"""Tables of runs, selected from recorded descents: which runs, at which iterations, in which columns."""

from collections.abc import Mapping
from typing import Any

# The time of gradient flow per iteration of the paper's figures: its step 0.0025 on the gradient of (1/m) Σ (·)² in U,
# which is 4·M·U, equals a step of 0.01 in M-form.
PAPER_STEP = 0.01
# The value of a clock that selects the end of each run.
END = "end"
# The keys of an entry that keep only runs with one of the listed values.
SELECTORS = ("alpha", "m_over_d")
# The keys that select iterations: as they ran, or in the paper's unit.
CLOCKS = ("iterations", "paper_iterations")
# The columns that every row has, in this order.
FIXED_COLUMNS = ("target", "ensemble", "train_error", "test_error", "status")
FURTHER_COLUMNS = ("d", "rank", "m", "alpha", "step", "iteration", "own_iteration")


def columns(block: Mapping[str, Any]) -> list[str]:
    """Return the columns of a table of runs: those of ``by``, the run, its errors and status, and further ones.

    A table of the ends of runs also has their length, ``iterations``, before the status.
    """
    by, rest = block["by"], list(FURTHER_COLUMNS)
    fixed = list(FIXED_COLUMNS)
    if block.get("hold_out_error"):
        fixed.insert(-1, "hold_out_error")
    if at_end(block):
        fixed.insert(-1, "iterations")
        rest = [name for name in FURTHER_COLUMNS if name != "iteration"]
    return [*by, *fixed, *(name for name in rest if name not in by)]


def clock(block: Mapping[str, Any]) -> str:
    """Return which of :data:`CLOCKS` an entry has."""
    return next(key for key in CLOCKS if block.get(key) is not None)


def at_end(block: Mapping[str, Any]) -> bool:
    """Return whether a table has the end of each run."""
    return block[clock(block)] == END


def points(block: Mapping[str, Any]) -> list[int]:
    """Return the iterations that an entry lists, in the unit of its clock; none for ``end``."""
    listed = block[clock(block)]
    if listed == END:
        return []
    if isinstance(listed, dict):
        return list(range(listed["from"], listed["to"] + 1, listed["every"]))
    return listed


def selects(block: Mapping[str, Any], run_facts: Mapping[str, Any]) -> bool:
    """Return whether an entry selects a run, by the values that the entry lists for :data:`SELECTORS`.

    A run without such a key is selected (projected descent has no α).
    """
    return all(run_facts[key] in block[key] for key in SELECTORS if key in block and key in run_facts)
