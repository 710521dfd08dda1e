"""Gaussian measurement matrices, packed: A_i with iid N(0, 1) entries [LMZ18, Appendix B], seen through symmetric X.

The symmetric part (A + Aᵀ)/2 has diagonal entries N(0, 1) and off-diagonal entries N(0, 1/2). svec scales the
latter by √2, so the packed ensemble is simply an m × d(d+1)/2 matrix of iid N(0, 1) numbers: the paper's model
exactly, at half its memory and traffic.
"""

import hashlib

import numpy as np
import torch

from algoreg.seeds import stream
from algoreg.svec import packed_length, smat, svec

# Rows handled together in the one-pass residual. At d = 100 a block of 128 float32 rows is 2.6 MB: it is still in
# cache when the transposed product reads it again (64 to 256 measured alike; one block is 15-25% slower).
BLOCK_ROWS = 128


def packed_rows(d, m, seed, ensemble):
    """Yield the packed ensemble in float64 blocks of at most 128 rows, from its named stream.

    Rows come one after the other from one stream: a longer ensemble starts with the shorter one.
    """
    generator = stream("ensemble", kind="gaussian", d=d, seed=seed, ensemble=ensemble)
    for start in range(0, m, BLOCK_ROWS):
        yield generator.standard_normal((min(BLOCK_ROWS, m - start), packed_length(d)))


class Ensemble:
    """A drawn Gaussian ensemble on a device.

    Attributes
    ----------
    d, m : int
        Matrix size and number of measurements.
    rows : torch.Tensor, shape (m, d(d+1)/2)
        The packed measurement matrices.
    device, dtype
        Of ``rows``; what is passed in must agree.
    digest : str or None
        SHA-256 of the float64 rows as drawn, before any cast.
    """

    def __init__(self, rows, d, digest=None):
        if rows.ndim != 2 or rows.shape[1] != packed_length(d):
            raise ValueError(f"packed rows for d = {d} have {packed_length(d)} columns, got shape {tuple(rows.shape)}")
        self.rows, self.d, self.m, self.digest = rows, d, rows.shape[0], digest
        self.device, self.dtype = rows.device, rows.dtype

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it block by block."""
        rows = torch.empty(m, packed_length(d), device=device, dtype=dtype)
        sha, start = hashlib.sha256(), 0
        for block in packed_rows(d, m, seed, ensemble):
            sha.update(np.ascontiguousarray(block, dtype="<f8"))
            rows[start : start + len(block)] = torch.from_numpy(block).to(rows)
            start += len(block)
        return cls(rows, d, sha.hexdigest())

    def prefix(self, m):
        """Return the ensemble of the first ``m`` measurements, sharing memory."""
        return self if m == self.m else Ensemble(self.rows[:m], self.d)

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩.

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric

        Returns
        -------
        torch.Tensor, shape (B, m)
        """
        return svec(matrices) @ self.rows.T

    def adjoint(self, weights):
        """Return Σ_i w_i sym(A_i).

        Parameters
        ----------
        weights : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B, d, d)
        """
        return smat(weights @ self.rows, self.d)

    def gradient(self, matrices, labels):
        """Return M = (1/m) Σ_i (⟨A_i, X⟩ − y_i) sym(A_i), reading every row once.

        This is the M_t of [LMZ18, Section 3]: the gradient of 1/(2m) Σ (⟨A_i, X⟩ − y_i)² in X.

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric
        labels : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B, d, d)
        """
        x = svec(matrices)
        total = torch.zeros_like(x)
        for start in range(0, self.m, BLOCK_ROWS):
            block = self.rows[start : start + BLOCK_ROWS]
            residual = x @ block.T
            residual -= labels[:, start : start + BLOCK_ROWS]
            total.addmm_(residual, block)
        return smat(total.div_(self.m), self.d)

    def factored_gradient(self, factors, labels):
        """Return M·U for X = UUᵀ; see :meth:`gradient`.

        Parameters
        ----------
        factors : torch.Tensor, shape (B, d, k)
        labels : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B, d, k)
        """
        return torch.bmm(self.gradient(torch.bmm(factors, factors.mT), labels), factors)
