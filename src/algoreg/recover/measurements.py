"""Ensembles made of a user's measurements; a rectangular matrix is a block of a symmetric one, its lift."""

import numpy as np
import torch

from algoreg.algorithms.base import Algorithm
from algoreg.engine.kernels import passes
from algoreg.ensembles import entries, gaussian, gram, rank_one
from algoreg.ensembles.base import Ensemble, Measurements
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import symmetric_dimension

# With more measurements than this per number of a packed matrix, their Gram matrix is read instead, up to this length.
MEASUREMENTS_PER_NUMBER, GRAM_LENGTH = 2, 2048
BLOCK_ROWS = 1024
# So many numbers of measurement matrices are packed together: their copies in float64 stay in the processor's cache.
BLOCK_NUMBERS = 2**18


def dense(
    matrices: np.ndarray, rectangular: bool, device: torch.device, dtype: torch.dtype
) -> tuple[gaussian.Ensemble, float]:
    """Return the ensemble of scaled measurement matrices, and the scale by which they were divided.

    Where M is rectangular, A (d1 × d2) becomes [[0, A], [Aᵀ, 0]]/2 of size d1 + d2, which measures the block M = LRᵀ of
    UUᵀ for U = [L; R]: descent on U is descent on the factorisation M = LRᵀ.

    Parameters
    ----------
    matrices : numpy.ndarray, shape (m, d1, d2)
        Replaced by their symmetric parts, or by their lifts.
    rectangular : bool
    device, dtype
        Of the ensemble.

    Returns
    -------
    tuple of Ensemble and float
        The root of the mean of ‖A_i‖_F² over the number of a matrix's entries: 1 for Gaussian entries.
    """
    m, rows, columns = matrices.shape
    height = max(1, BLOCK_NUMBERS // (rows * columns))
    # The largest entry is divided out first, because squares of 1e200 are infinite.
    largest = float(max(matrices.max(), -matrices.min())) or 1.0
    total = sum(
        float(np.square(matrices[start : start + height] / largest).sum(dtype=np.float64))
        for start in range(0, m, height)
    )
    scale = largest * (total / (m * rows * columns)) ** 0.5 or 1.0
    d = rows + columns if rectangular else rows
    # In the layout of the ensemble, which then copies nothing.
    packed = passes.padded_rows(m, symmetric_dimension(d), dtype, device)
    for start in range(0, m, height):
        block = torch.from_numpy(np.ascontiguousarray(matrices[start : start + height], dtype=np.float64) / scale)
        if not rectangular:
            block = (block + block.mT) / 2
        else:
            lifted = block.new_zeros(len(block), d, d)
            lifted[:, :rows, rows:], lifted[:, rows:, :rows] = block / 2, block.mT / 2
            block = lifted
        packed[start : start + height] = svec(block).to(packed)
    return gaussian.Ensemble(packed, d), scale


class Matrices:
    """Measurements ⟨A, M⟩ by matrices, a row of d1·d2 numbers each.

    Parameters
    ----------
    X : numpy.ndarray, shape (m, d1·d2)
    shape : (int, int)
        Shape of M.
    """

    def __init__(self, X: np.ndarray, shape: tuple[int, int]):
        self.matrices = X.reshape(len(X), *shape)

    def ensemble(self, rectangular: bool, device: torch.device, dtype: torch.dtype) -> tuple[gaussian.Ensemble, float]:
        """Return the ensemble; see :func:`dense`."""
        return dense(self.matrices, rectangular, device, dtype)

    def numbers(self, rectangular: bool, weighted: bool) -> int:
        """Return how many numbers a fit's copies have: packed, split into seen and held out, and weighted."""
        m, rows, columns = self.matrices.shape
        packed = symmetric_dimension(rows + columns if rectangular else rows)
        return m * (3 * packed + weighted * rows * columns)

    def weighted(self, roots: np.ndarray) -> "Matrices":
        """Return these measurements, each times a number."""
        scaled = self.matrices * roots[:, None, None]
        return Matrices(scaled.reshape(len(scaled), -1), scaled.shape[1:])

    def measure(self, matrix: np.ndarray) -> np.ndarray:
        """Return ⟨A, M⟩ for every measurement, shape (m,)."""
        return self.matrices.reshape(len(self.matrices), -1) @ matrix.ravel()

    def between(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return ⟨A, u_i v_jᵀ⟩ for the columns of left (d1, r) and right (d2, r), shape (m, r, r)."""
        return np.einsum("mij,ik,jl->mkl", self.matrices, left, right)


class Vectors:
    """Measurements xᵀMz by vectors, a row (x, z) each, or xᵀMx by a row x: no matrix xzᵀ is formed.

    Parameters
    ----------
    X : numpy.ndarray, shape (m, d1 + d2) or (m, d)
    shape : (int, int)
        Shape of M.
    """

    def __init__(self, X: np.ndarray, shape: tuple[int, int]):
        self.left = X[:, : shape[0]]
        self.right = X[:, shape[0] :] if X.shape[1] == sum(shape) else self.left

    def ensemble(self, rectangular: bool, device: torch.device, dtype: torch.dtype) -> tuple[rank_one.Ensemble, float]:
        """Return the scaled ensemble, and the scale by which its matrices were divided, as :func:`dense` does."""
        # The largest number is divided out first, because squares of 1e200 are infinite.
        largest = [float(np.abs(side).max()) or 1.0 for side in (self.left, self.right)]
        x, z = (side.astype(np.float64) / size for side, size in zip((self.left, self.right), largest, strict=True))
        root = float(np.mean(np.square(x).mean(axis=1) * np.square(z).mean(axis=1))) ** 0.25 or 1.0
        x, z, scale = x / root, z / root, largest[0] * largest[1] * root**2
        if rectangular:
            x, z = np.pad(x, ((0, 0), (0, z.shape[1]))), np.pad(z, ((0, 0), (x.shape[1], 0)))
        first, second = (torch.from_numpy(side).to(device, dtype) for side in (x, z))
        return rank_one.Ensemble(first, x.shape[1], None if self.right is self.left else second), scale

    def numbers(self, rectangular: bool, weighted: bool) -> int:
        """Return how many numbers a fit's copies have: scaled, on the device, seen and held out, and weighted."""
        sides = 1 if self.right is self.left else 2
        return sides * len(self.left) * (self.left.shape[1] + rectangular * self.right.shape[1]) * (7 + weighted)

    def weighted(self, roots: np.ndarray) -> "Vectors":
        """Return these measurements, each times a number."""
        if self.right is self.left:
            return Vectors(self.left * np.sqrt(roots)[:, None], (self.left.shape[1],) * 2)
        rows = np.hstack([self.left * roots[:, None], self.right])
        return Vectors(rows, (self.left.shape[1], self.right.shape[1]))

    def measure(self, matrix: np.ndarray) -> np.ndarray:
        """Return xᵀMz for every measurement, shape (m,)."""
        return np.einsum("ij,ij->i", self.left @ matrix, self.right)

    def between(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return xᵀu_i v_jᵀz for the columns of left (d1, r) and right (d2, r), shape (m, r, r)."""
        return (self.left @ left)[:, :, None] * (self.right @ right)[:, None, :]


def products(vectors: np.ndarray, device: torch.device, dtype: torch.dtype) -> rank_one.Ensemble:
    """Return the ensemble of the matrices x_i x_iᵀ; only the vectors (m, d) are stored."""
    return rank_one.Ensemble(torch.from_numpy(vectors).to(device, dtype), vectors.shape[1])


class Entries(entries.Ensemble):
    """Given entries X_ij of a symmetric matrix: A = (e_i e_jᵀ + e_j e_iᵀ)/2, each times a weight.

    Parameters
    ----------
    positions : torch.Tensor of int, shape (m, 2)
    d : int
    weight : torch.Tensor, shape (m,)
        √(d1·d2) of the matrix that is completed, which may be a block of this one, times the root of an entry's weight.
    dtype : torch.dtype
    """

    kind = "given-entries"

    def __init__(self, positions: torch.Tensor, d: int, weight: torch.Tensor, dtype: torch.dtype) -> None:
        self.weight = weight
        super().__init__(positions, d, positions.device, dtype)

    def _scale(self) -> torch.Tensor:
        return self.weight


def condensed(
    ensemble: Measurements, labels: torch.Tensor, algorithm: type[Algorithm]
) -> tuple[Ensemble, torch.Tensor]:
    """Return the ensemble that the algorithm reads, and its labels: the Gram matrix of many measurements.

    If there are few, or the algorithm or the dtype does not suit a Gram matrix, they are returned as given.
    """
    length = symmetric_dimension(ensemble.d)
    many = ensemble.m > MEASUREMENTS_PER_NUMBER * length and length <= GRAM_LENGTH
    # In float32 a Gram matrix resolves no training error below 1e-3.
    fits = algorithm.requires <= gram.Ensemble.provides and ensemble.dtype == torch.float64
    if not (many and fits) or isinstance(ensemble, Entries):
        return ensemble, labels
    total = labels.new_zeros(length, length)
    for start in range(0, ensemble.m, BLOCK_ROWS):
        if isinstance(ensemble, rank_one.Ensemble):
            x = ensemble.vectors[start : start + BLOCK_ROWS]
            z = x if ensemble.partners is None else ensemble.partners[start : start + BLOCK_ROWS]
            block = x[:, :, None] * z[:, None, :]
            rows = svec(block if z is x else (block + block.mT) / 2)
        else:
            rows = ensemble.rows[start : start + BLOCK_ROWS]  # type: ignore[attr-defined]
        total.addmm_(rows.mT, rows)
    return gram.Ensemble(total.div_(ensemble.m), ensemble.d, ensemble.m), gram.label_rows(ensemble, labels)
