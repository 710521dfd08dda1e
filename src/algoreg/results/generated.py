"""Read an ensemble's generated data, and refuse data that do not belong to the path."""

from pathlib import Path
from typing import Any

from algoreg.results import records


class OtherData(RuntimeError):
    """A file of generated data contains another ensemble, or draws of another seed, than its path names."""


def read_generated(path: str | Path, seed: int) -> dict[str, Any]:
    """Return the arrays of a file ``…/ensemble-<number>.npz`` after checking its number and the tier's root seed.

    Raises
    ------
    algoreg.results.records.DamagedResult
        If the file does not match its sidecar.
    OtherData
        If the number or the seed differs; the message names the file to delete.
    """
    arrays = records.read_arrays(path)
    named = {"ensemble": number_of(path), "seed": seed}
    for key, value in named.items():
        if int(arrays[key]) != value:
            raise OtherData(
                f"{path}: it contains {key} {int(arrays[key])}, but its path belongs to {key} {value}. "
                f"Delete {path} and rerun."
            )
    return arrays


def number_of(path: str | Path) -> int:
    """Return the number of the ensemble that a file belongs to."""
    return int(Path(path).stem.removeprefix("ensemble-"))


def of_ensembles(paths: list[str], seed: int) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return ``{ensemble: (path, arrays)}`` as experiments read them; see :func:`read_generated`."""
    return {number_of(path): (path, read_generated(path, seed)) for path in paths}
