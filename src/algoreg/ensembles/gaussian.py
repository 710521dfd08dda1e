"""Gaussian measurement matrices, packed: A_i with iid N(0, 1) entries [LMZ18, Appendix B], seen through symmetric X.

The symmetric part (A + Aᵀ)/2 has diagonal entries N(0, 1) and off-diagonal entries N(0, 1/2). svec scales the
latter by √2, so the packed ensemble is simply an m × d(d+1)/2 matrix of iid N(0, 1) numbers: the paper's model
exactly, at half its memory and traffic.
"""

import hashlib
from itertools import pairwise

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


def _segments(m, counts):
    """Return (start, stop, runs) triples: blocks of rows, each with how many leading runs use all of it."""
    edges = sorted({*range(0, m, BLOCK_ROWS), *(count for count in counts if count < m), m})
    return [
        (start, stop, sum(count >= stop for count in counts)) for start, stop in pairwise(edges) if counts[0] >= stop
    ]


class Ensemble:
    """A drawn Gaussian ensemble on a device.

    Attributes
    ----------
    d, m : int
        Matrix size and number of measurements.
    number : int
        Which ensemble of its problem this is: a name for random streams that belong to it.
    rows : torch.Tensor, shape (m, d(d+1)/2)
        The packed measurement matrices.
    device, dtype
        Of ``rows``; what is passed in must agree.
    digest : str or None
        SHA-256 of the float64 rows as drawn, before any cast.
    """

    def __init__(self, rows, d, digest=None, number=0, counts=None):
        if rows.ndim != 2 or rows.shape[1] != packed_length(d):
            raise ValueError(f"packed rows for d = {d} have {packed_length(d)} columns, got shape {tuple(rows.shape)}")
        self.rows, self.d, self.m, self.digest, self.number = rows, d, rows.shape[0], digest, number
        self.device, self.dtype = rows.device, rows.dtype
        self.counts = counts
        if counts is not None:
            if list(counts) != sorted(counts, reverse=True) or not 1 <= counts[-1] <= counts[0] <= self.m:
                raise ValueError(f"counts fall from at most m = {self.m} to at least 1, got {counts}")
            self._segments = _segments(self.m, counts)
            self._divisor = torch.tensor(counts, device=self.device, dtype=self.dtype)[:, None]

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it block by block."""
        rows = torch.empty(m, packed_length(d), device=device, dtype=dtype)
        sha, start = hashlib.sha256(), 0
        for block in packed_rows(d, m, seed, ensemble):
            sha.update(np.ascontiguousarray(block, dtype="<f8"))
            rows[start : start + len(block)] = torch.from_numpy(block).to(rows)
            start += len(block)
        return cls(rows, d, sha.hexdigest(), ensemble)

    def shared_by(self, counts):
        """Return this ensemble, sharing memory, as seen by runs of which run k knows the first ``counts[k]`` measurements.

        Everything then takes one matrix per run, and labels whose columns beyond a run's count are never read.

        Parameters
        ----------
        counts : sequence of int
            Falling, each between 1 and m.

        Raises
        ------
        ValueError
            If they are not.
        """
        counts = tuple(int(count) for count in counts)
        everything = all(count == self.m for count in counts)
        return Ensemble(self.rows, self.d, self.digest, self.number, None if everything else counts)

    def select(self, indices):
        """Return the ensemble of the measurements with these indices (a copy of their rows)."""
        return Ensemble(self.rows[indices], self.d, number=self.number)

    def known(self):
        """Return which measurements each run knows, shape (B, m), or None if every run knows all of them."""
        if self.counts is None:
            return None
        return torch.arange(self.m, device=self.device) < torch.tensor(self.counts, device=self.device)[:, None]

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩, also those that a run with a count does not know.

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
        """Return M = (1/m) Σ_i (⟨A_i, X⟩ − y_i) sym(A_i), reading every row once; m is each run's own count.

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
        if self.counts is None:
            for start in range(0, self.m, BLOCK_ROWS):
                block = self.rows[start : start + BLOCK_ROWS]
                residual = x @ block.T
                residual -= labels[:, start : start + BLOCK_ROWS]
                total.addmm_(residual, block)
            return smat(total.div_(self.m), self.d)
        for start, stop, runs in self._segments:
            block = self.rows[start:stop]
            residual = x[:runs] @ block.T
            residual -= labels[:runs, start:stop]
            total[:runs].addmm_(residual, block)
        return smat(total.div_(self._divisor), self.d)

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
