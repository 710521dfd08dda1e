"""Ensembles made of a user's own measurements, and the symmetric matrices that stand for rectangular and Hermitian ones."""

import numpy as np
import torch

from algoreg.algorithms.base import Algorithm
from algoreg.ensembles import gaussian, gram, rank_one
from algoreg.ensembles.base import Ensemble, Measurements
from algoreg.numerics.svec import packed_length, svec

# From this many measurements per number of a packed matrix on, their Gram matrix is read instead, up to this length.
MEASUREMENTS_PER_NUMBER, GRAM_LENGTH = 2, 2048
BLOCK_ROWS = 1024


def dense(
    matrices: np.ndarray, rectangular: bool, device: torch.device, dtype: torch.dtype
) -> tuple[gaussian.Ensemble, float]:
    """Return the ensemble of measurement matrices, scaled, and by what they were divided.

    Where M is rectangular, A (d1 × d2) becomes [[0, A], [Aᵀ, 0]]/2 of size d1 + d2, which measures the block M = LRᵀ of UUᵀ for
    U = [L; R]: what descends there is the factorisation M = LRᵀ.

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
    # Of the largest entry first: squares of 1e200 are infinite.
    largest = float(np.abs(matrices).max()) or 1.0
    scale = largest * (float(np.square(matrices / largest).sum()) / (m * rows * columns)) ** 0.5 or 1.0
    d = rows + columns if rectangular else rows
    packed = torch.empty(m, packed_length(d), dtype=dtype, device=device)
    for start in range(0, m, BLOCK_ROWS):
        block = torch.from_numpy(np.ascontiguousarray(matrices[start : start + BLOCK_ROWS], dtype=np.float64) / scale)
        if not rectangular:
            block = (block + block.mT) / 2
        else:
            lifted = block.new_zeros(len(block), d, d)
            lifted[:, :rows, rows:], lifted[:, rows:, :rows] = block / 2, block.mT / 2
            block = lifted
        packed[start : start + BLOCK_ROWS] = svec(block).to(packed)
    return gaussian.Ensemble(packed, d), scale


def products(vectors: np.ndarray, device: torch.device, dtype: torch.dtype) -> rank_one.Ensemble:
    """Return the ensemble of the matrices x_i x_iᵀ; only the vectors (m, d) are stored."""
    return rank_one.Ensemble(torch.from_numpy(vectors).to(device, dtype), vectors.shape[1])


class Entries(Measurements):
    """Single entries X_ij of a symmetric matrix, by their places: A = (e_i e_jᵀ + e_j e_iᵀ)/2, times a weight.

    Parameters
    ----------
    places : torch.Tensor of int, shape (m, 2)
    d : int
    weight : float
        What every entry is multiplied by: √(d²/m') makes m' entries of a matrix an isometry on average.
    dtype : torch.dtype
    """

    block_rows = 2**30

    def __init__(self, places, d, weight, dtype, counts=None):
        super().__init__(d, len(places), places.device, dtype, counts=counts)
        self.places, self.weight = places, weight

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw m places with replacement."""
        places = np.random.default_rng([seed, ensemble]).integers(d, size=(m, 2))
        return cls(torch.from_numpy(places).to(device), d, float(d), dtype)

    def select(self, indices):
        """Return the ensemble of the measurements with these indices."""
        return Entries(self.places[indices], self.d, self.weight, self.dtype)

    def measure(self, matrices):
        """Return the entries of symmetric matrices (B, d, d), shape (B, m)."""
        return matrices[:, self.places[:, 0], self.places[:, 1]] * self.weight

    def adjoint(self, weights):
        """Return Σ_i w_i sym(A_i) of weights (B, m), shape (B, d, d)."""
        total = weights.new_zeros(len(weights), self.d * self.d)
        total.index_add_(1, self.places[:, 0] * self.d + self.places[:, 1], weights * self.weight)
        total = total.view(-1, self.d, self.d)
        return (total + total.mT) / 2

    def gradient(self, matrices, labels):
        """Return M of every run; see :class:`algoreg.ensembles.base.Ensemble`. All runs know all entries."""
        return self.adjoint(self.measure(matrices) - labels).div_(self.m)


def condensed(
    ensemble: Measurements, labels: torch.Tensor, algorithm: type[Algorithm]
) -> tuple[Ensemble, torch.Tensor]:
    """Return what the algorithm is to read: the Gram matrix where there are many measurements, else the measurements.

    Parameters
    ----------
    ensemble : Measurements
    labels : torch.Tensor, shape (1, m)
    algorithm : type

    Returns
    -------
    tuple of Ensemble and torch.Tensor
        The labels as this ensemble takes them, one row.
    """
    length = packed_length(ensemble.d)
    many = ensemble.m > MEASUREMENTS_PER_NUMBER * length and length <= GRAM_LENGTH
    # In float32 a Gram matrix resolves no training error below 1e-3.
    fits = algorithm.requires <= gram.Ensemble.provides and ensemble.dtype == torch.float64
    if not (many and fits) or isinstance(ensemble, Entries):
        return ensemble, labels
    total = labels.new_zeros(length, length)
    for start in range(0, ensemble.m, BLOCK_ROWS):
        if isinstance(ensemble, rank_one.Ensemble):
            x = ensemble.vectors[start : start + BLOCK_ROWS]
            rows = svec(x[:, :, None] * x[:, None, :])
        else:
            rows = ensemble.rows[start : start + BLOCK_ROWS]  # type: ignore[attr-defined]
        total.addmm_(rows.mT, rows)
    return gram.Ensemble(total.div_(ensemble.m), ensemble.d, ensemble.m), gram.label_rows(ensemble, labels)
