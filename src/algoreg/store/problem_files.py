"""Reads a problem file: targets and labels under one ensemble, refused where they are not those that the path names."""

from pathlib import Path
from typing import Any

from algoreg.store import records


class OtherProblem(RuntimeError):
    """A problem file that holds another ensemble, or draws of another seed, than its place says."""


def read_problem(path: str | Path, seed: int) -> dict[str, Any]:
    """Return the arrays of a problem file ``…/ensemble-<number>.npz`` of a tier's root seed, checked.

    Raises
    ------
    algoreg.store.records.DamagedResult
    OtherProblem
        With the file to delete.
    """
    arrays = records.read_arrays(path)
    named = {"ensemble": int(Path(path).stem.removeprefix("ensemble-")), "seed": seed}
    for key, value in named.items():
        if int(arrays[key]) != value:
            raise OtherProblem(
                f"{path}: it holds {key} {int(arrays[key])}, its place is that of {key} {value}. "
                f"Delete {path} and rerun."
            )
    return arrays
