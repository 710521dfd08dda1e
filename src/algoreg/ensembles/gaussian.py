"""Gaussian measurement matrices, packed: A_i with iid N(0, 1) entries [LMZ18, Appendix B], seen through symmetric X.

The symmetric part (A + Aᵀ)/2 has diagonal entries N(0, 1) and off-diagonal entries N(0, 1/2). svec scales the
latter by √2, so the packed ensemble is simply an m × d(d+1)/2 matrix of iid N(0, 1) numbers: the paper's model
exactly, at half its memory and traffic.
"""

import numpy as np
import torch

from algoreg.measurements import Measurements, fill, normal_blocks
from algoreg.seeds import stream
from algoreg.svec import packed_length, smat, svec

# Rows drawn together, and the most that a pass handles together.
BLOCK_ROWS = 128
# A pass reads each block twice, for the residuals and for their sum: the second time from cache, if the block is small.
# 128 rows at d = 100 in float32; 64 to 256 measured alike there, all rows at once 15-25% slower. At d = 200 and 400 blocks
# of this size take 40 and 20% less time than 128 rows. Fewer than 16 rows are slow products.
BLOCK_BYTES = 2_600_000
LEAST_BLOCK_ROWS = 16
# Batches of so many runs want twice as many rows at least.
WIDE_BATCH = 16
# Small batches on one thread: the products go through numpy's BLAS, in blocks that stay in the core's own cache. At d = 100,
# m = 2500 that takes 2.9 instead of 3.9 ms for 1 run and 5.5 instead of 10.5 for 5 in float32, 10.8 instead of 20.1 for 5
# in float64; from 6 on torch's BLAS is as fast or faster in float32 (docs/scaling.md).
SMALL_BATCH = 5
SMALL_BATCH_ROWS = 32


def packed_rows(d, m, seed, ensemble):
    """Yield the packed ensemble in float64 blocks of at most 128 rows, from its named stream.

    Rows come one after the other from one stream: a longer ensemble starts with the shorter one.
    """
    generator = stream("ensemble", kind="gaussian", d=d, seed=seed, ensemble=ensemble)
    return normal_blocks(generator, m, (packed_length(d),), BLOCK_ROWS)


def rows_of_a_block(d, dtype):
    """Return how many rows a pass handles together: a power of two from 16 to 128, about ``BLOCK_BYTES`` of them."""
    fitting = max(BLOCK_BYTES // (packed_length(d) * dtype.itemsize), LEAST_BLOCK_ROWS)
    return min(2 ** (fitting.bit_length() - 1), BLOCK_ROWS)


class Ensemble(Measurements):
    """A drawn Gaussian ensemble on a device.

    Attributes
    ----------
    rows : torch.Tensor, shape (m, d(d+1)/2)
        The packed measurement matrices.

    The others are those of :class:`algoreg.measurements.Measurements`.
    """

    def __init__(self, rows, d, digest=None, number=0, counts=None):
        if rows.ndim != 2 or rows.shape[1] != packed_length(d):
            raise ValueError(f"packed rows for d = {d} have {packed_length(d)} columns, got shape {tuple(rows.shape)}")
        self.block_rows = rows_of_a_block(d, rows.dtype)
        super().__init__(d, rows.shape[0], rows.device, rows.dtype, digest, number, counts)
        self.rows = rows

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it block by block."""
        rows = torch.empty(m, packed_length(d), device=device, dtype=dtype)
        return cls(rows, d, fill(rows, packed_rows(d, m, seed, ensemble)), ensemble)

    def _rows(self, start, stop):
        """Return rows ``start`` to ``stop`` − 1, of one block; to be used before the next call (see ``streamed``)."""
        return self.rows[start:stop]

    def select(self, indices):
        """Return the ensemble of the measurements with these indices (a copy of their rows)."""
        return Ensemble(self.rows[indices], self.d, number=self.number)

    def unpacked(self):
        """Return the full matrices sym(A_i), shape (m, d, d): twice the memory."""
        return smat(self.rows, self.d)

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
        if self.counts is None and self.device.type == "cpu":
            lanes = torch.get_num_threads()
            height = max(self.block_rows // lanes, LEAST_BLOCK_ROWS if len(x) < WIDE_BATCH else 2 * LEAST_BLOCK_ROWS)
            # Whole numbers of such blocks in what ``streamed`` holds at a time; else one product for all threads.
            if lanes > 1 and BLOCK_ROWS % (lanes * height) == 0:
                return smat(self._threaded_gradient(x, labels, lanes, height), self.d)
            if lanes == 1 and len(x) <= SMALL_BATCH:
                return smat(self._small_gradient(x.numpy(), labels.numpy()), self.d)
        total = torch.zeros_like(x)
        for start, stop, runs in self._segments:
            block = self._rows(start, stop)
            residual = x[:runs] @ block.T
            residual -= labels[:runs, start:stop]
            total[:runs].addmm_(residual, block)
        return smat(total.div_(self._divisor), self.d)

    def _threaded_gradient(self, x, labels, lanes, height):
        """Return svec(M) of runs that know all measurements, each thread working on its own block of rows.

        A batched product does that; threads that share one narrow product wait for each other (d = 100, m = 2500 in
        float32 on two threads: 2.4 instead of 3.9 ms for one run, 6.0 instead of 7.1 for 8).
        """
        total, copies = x.new_zeros(lanes, *x.shape), x.expand(lanes, *x.shape)
        even = self.m - self.m % (lanes * height)
        for start in range(0, even, lanes * height):
            stop = start + lanes * height
            blocks = self._rows(start, stop).view(lanes, height, -1)
            residual = torch.bmm(copies, blocks.mT)
            residual -= labels[:, start:stop].view(len(x), lanes, height).transpose(0, 1)
            total.baddbmm_(residual, blocks)
        total = total.sum(dim=0)
        if even < self.m:
            rest = self._rows(even, self.m)
            total.addmm_(x @ rest.T - labels[:, even:], rest)
        return total.div_(self.m)

    def _small_gradient(self, x, labels):
        """Return svec(M) of few runs that know all measurements, from arrays that share memory with tensors."""
        if len(x) == 1:
            x, labels = x[0], labels[0]
        total = np.zeros_like(x)
        # Overflow of a diverging run is no warning: the engine looks for it and records it.
        with np.errstate(all="ignore"):
            for begin, end, _ in self._segments:
                rows = self._rows(begin, end).numpy()
                for start in range(0, end - begin, SMALL_BATCH_ROWS):
                    block = rows[start : start + SMALL_BATCH_ROWS]
                    residual = x @ block.T
                    residual -= labels[..., begin + start : begin + start + len(block)]
                    total += residual @ block
        total /= self.m
        return torch.from_numpy(np.atleast_2d(total))
