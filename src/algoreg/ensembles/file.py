"""The user's measurements from a file: their random order depends on the ensemble's number.

Different numbers therefore hold out different measurements, and a run that knows m measurements knows m random ones.
The observations come from the file, so no target is planted. A measurement of rectangular matrices A (d1 × d2) is
stored as [[0, A], [Aᵀ, 0]]/2 of size d1 + d2, which reads the block LRᵀ of UUᵀ for U = [L; R]. A pair of vectors is
stored like the matrix xzᵀ. A table's row x is stored as x̃x̃ᵀ, where x̃ = (1, x) has standardised columns. A Pauli string
is stored as in :mod:`algoreg.ensembles.pauli_hermitian`, d = 2ⁿ⁺¹.

Matrices and labels are scaled so that the mean of ‖A_i‖_F² is d² and the labels' root mean square is 1. A target
therefore has norm about 1.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch

from algoreg.ensembles import gaussian, pauli, pauli_hermitian
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.recover.io import measurement_files
from algoreg.recover.io.measurement_files import Measured

# The checks of the settings read this: experiments with this ensemble need ``data``, and no target is planted.
READS_DATA = True
BLOCK_ROWS = 1024


class Ensemble(gaussian.Ensemble):
    """Packed measurements of a file, and their labels.

    Attributes
    ----------
    file_labels : torch.Tensor, shape (m,)
        The file's labels, scaled.
    """

    def __init__(
        self, rows: torch.Tensor, d: int, file_labels: torch.Tensor, digest: str | None = None, number: int = 0
    ) -> None:
        super().__init__(rows, d, digest, number)
        self.file_labels = file_labels

    @classmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        data: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read the measurements in order number ``ensemble`` and keep the first m.

        Parameters
        ----------
        data : mapping
            ``path``, and optionally the other fields of :class:`algoreg.settings.descents.Data`.

        Raises
        ------
        ValueError
            If the file cannot be read, its matrices have another size than d, or it has fewer measurements than m.
        """
        if data is None:
            raise ValueError("an ensemble of a file needs data")
        found = read(data)
        own, size = size_of(found), len(found.y)
        if d != own:
            raise ValueError(f"{data['path']}: d = {d}: the matrices that are measured have d = {own}")
        if m > size:
            raise ValueError(f"{data['path']}: m = {m}: the file has {size} measurements")
        chosen = stream("ensemble", kind="file", d=d, seed=seed, ensemble=ensemble).permutation(size)[:m]
        rows, labels = packed(found, chosen), np.asarray(found.y[chosen], np.float64)
        refuse_bad_numbers(rows, labels, data["path"])
        # The digest covers the numbers in the file and not scaled ones, whose last bits depend on the processor.
        digest = hashlib.sha256(np.ascontiguousarray(found.X[chosen]).data)
        digest.update(np.ascontiguousarray(found.y[chosen]).data)
        rows, labels = near_one(rows), near_one(labels)
        rows *= d / np.sqrt(np.square(rows).sum(axis=1).mean())
        labels = labels / np.sqrt(np.square(labels).mean())
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        return cls(
            torch.from_numpy(rows).to(**place), d, torch.from_numpy(labels).to(**place), digest.hexdigest(), ensemble
        )


def near_one(numbers: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return numbers divided by a power of two, so that the largest is between 1/2 and 1.

    Their squares are then neither infinite nor all 0. No digit changes, so results that do not depend on the numbers'
    scale have the same bits.
    """
    _, exponent = np.frexp(np.abs(numbers).max(axis=axis))
    return np.ldexp(numbers, -exponent)


def refuse_bad_numbers(rows: np.ndarray, labels: np.ndarray, path: str) -> None:
    """Raise a ValueError if some number is not finite, or if all labels or all matrices are 0."""
    if not (np.isfinite(rows).all() and np.isfinite(labels).all()):
        raise ValueError(f"{path}: it has numbers that are not finite")
    if not rows.any() or not labels.any():
        raise ValueError(f"{path}: all matrices, or all labels, are 0")


def read(data: Mapping[str, Any]) -> Measured:
    """Return the measurements of a file that an experiment's ``data`` names."""
    told = {"shape": data.get("shape") and tuple(data["shape"]), "table": data.get("table", "features")}
    return measurement_files.read(data["path"], data.get("target"), data.get("format"), **told)


def lifted(measured: Measured) -> tuple[bool, tuple[int, ...]]:
    """Return whether the measurements read a rectangular matrix, and its shape (d1, d2)."""
    if measured.kind == "matrices":
        return measured.X.shape[1] != measured.X.shape[2], measured.X.shape[1:]
    if measured.kind == "vectors":
        own = measured.shape or (measured.X.shape[1],) * 2
        return own[0] != own[1], own
    return True, measured.shape or tuple(int(most) + 1 for most in measured.X.max(axis=0))


def size_of(measured: Measured) -> int:
    """Return d of the symmetric matrices that a file's measurements read.

    Parameters
    ----------
    measured : algoreg.recover.io.measurement_files.Measured
    """
    if measured.kind == "table":
        return measured.X.shape[1] + 1
    if measured.kind == "pauli":
        return 2 ** (len(measured.X[0]) + 1)
    rectangular, (rows, columns) = lifted(measured)
    return rows + columns if rectangular else rows


def packed(measured: Measured, chosen: np.ndarray) -> np.ndarray:
    """Return the packed measurements with these indices before they are scaled, shape (m, d(d+1)/2), float64."""
    d = size_of(measured)
    rows = np.empty((len(chosen), symmetric_dimension(d)))
    make = MAKE[measured.kind]
    whole = standardised(measured.X) if measured.kind == "table" else measured.X
    for start in range(0, len(chosen), BLOCK_ROWS):
        part = make(whole[chosen[start : start + BLOCK_ROWS]], d, *(lifted(measured) if make in LIFT else ()))
        rows[start : start + BLOCK_ROWS] = svec(torch.from_numpy(part)).numpy()
    return rows


def _of_matrices(matrices: np.ndarray, d: int, rectangular: bool, shape: Sequence[int]) -> np.ndarray:
    matrices = np.asarray(matrices, np.float64)
    if not rectangular:
        return (matrices + matrices.transpose(0, 2, 1)) / 2
    block = np.zeros((len(matrices), d, d))
    block[:, : shape[0], shape[0] :] = matrices / 2
    return block + block.transpose(0, 2, 1)


def _of_entries(places: np.ndarray, d: int, rectangular: bool, shape: Sequence[int]) -> np.ndarray:
    block, number = np.zeros((len(places), *shape)), np.arange(len(places))
    block[number, places[:, 0].astype(int), places[:, 1].astype(int)] = 1
    return _of_matrices(block, d, rectangular, shape)


def _of_vectors(vectors: np.ndarray, d: int, rectangular: bool, shape: Sequence[int]) -> np.ndarray:
    # A row is x, or x and z.
    left, right = vectors[:, : shape[0]], vectors[:, -shape[1] :]
    return _of_matrices(left[:, :, None] * right[:, None, :], d, rectangular, shape)


LIFT = (_of_matrices, _of_vectors, _of_entries)


def standardised(table: np.ndarray) -> np.ndarray:
    """Return (1, x) of every row, shape (m, p + 1); columns of x have mean 0 and variance 1, or are 0 if constant."""
    table = near_one(np.asarray(table, np.float64), axis=0)
    # The deviations of a constant column may not be exactly 0, because of rounding.
    size, least = table.std(axis=0), 1e-10 * np.abs(table).max(axis=0)
    return np.column_stack([np.ones(len(table)), (table - table.mean(axis=0)) / np.where(size > least, size, 1)])


def _of_rows(rows: np.ndarray, d: int) -> np.ndarray:
    return rows[:, :, None] * rows[:, None, :]


def _of_strings(strings: Sequence[str], d: int) -> np.ndarray:
    pairs, signs = pauli_hermitian.from_letters(strings, d.bit_length() - 2)
    return pauli.Ensemble(pairs, d, signs=signs).adjoint(torch.eye(len(pairs)).double()).numpy()


MAKE: dict[str, Callable[..., np.ndarray]] = {
    "matrices": _of_matrices,
    "vectors": _of_vectors,
    "entries": _of_entries,
    "table": _of_rows,
    "pauli": _of_strings,
}
