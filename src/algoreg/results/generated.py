"""Reads generated data of an ensemble, refused where they are not those that the path names."""

from pathlib import Path
from typing import Any

from algoreg.results import records


class OtherData(RuntimeError):
    """A file of generated data that holds another ensemble, or draws of another seed, than its path names."""


def read_generated(path: str | Path, seed: int) -> dict[str, Any]:
    """Return the arrays of a file ``…/ensemble-<number>.npz`` of a tier's root seed, checked.

    Raises
    ------
    algoreg.results.records.DamagedResult
    OtherData
        With the file to delete.
    """
    arrays = records.read_arrays(path)
    named = {"ensemble": number_of(path), "seed": seed}
    for key, value in named.items():
        if int(arrays[key]) != value:
            raise OtherData(
                f"{path}: it holds {key} {int(arrays[key])}, its place is that of {key} {value}. "
                f"Delete {path} and rerun."
            )
    return arrays


def number_of(path: str | Path) -> int:
    """Return the number of the ensemble that a file is of."""
    return int(Path(path).stem.removeprefix("ensemble-"))


def of_ensembles(paths: list[str], seed: int) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return files with their arrays by ensemble, as experiments read them; see :func:`read_generated`."""
    return {number_of(path): (path, read_generated(path, seed)) for path in paths}
