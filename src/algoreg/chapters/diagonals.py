"""Diagonal measurement matrices, which commute; several chapters use them."""

import torch

from algoreg.ensembles.base import Measurements
from algoreg.numerics.draws import draw_diagonals


class Diagonals(Measurements):
    """Diagonal measurement matrices A_i, kept as the rows of ``vectors``, shape (m, d)."""

    block_rows = 256

    def __init__(self, vectors, number=0):
        super().__init__(vectors.shape[1], len(vectors), vectors.device, vectors.dtype, number=number)
        self.vectors = vectors

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw an ensemble by :func:`draw_diagonals`."""
        return cls(torch.from_numpy(draw_diagonals(d, m, seed, ensemble)).to(device, dtype), ensemble)

    def measure(self, matrices):
        """Return the measurements, which depend on the diagonals alone, shape (B, m)."""
        return matrices.diagonal(dim1=1, dim2=2) @ self.vectors.T

    def adjoint(self, weights):
        """Return Σ_i w_i A_i, shape (B, d, d)."""
        return torch.diag_embed(weights @ self.vectors)

    def gradient(self, matrices, labels):
        """Return the diagonal matrix M of every run; all runs know all measurements."""
        return self.adjoint(self.measure(matrices) - labels) / self.m

    def select(self, indices):
        """Return the measurements with these indices."""
        return Diagonals(self.vectors[indices], self.number)
