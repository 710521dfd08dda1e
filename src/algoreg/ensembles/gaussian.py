"""Gaussian measurement matrices, packed: A_i with iid N(0, 1) entries [LMZ18, Appendix B], seen through symmetric X.

The symmetric part (A + Aᵀ)/2 has diagonal entries N(0, 1) and off-diagonal entries N(0, 1/2). svec scales the
latter by √2, so the packed ensemble is simply an m × d(d+1)/2 matrix of iid N(0, 1) numbers: the paper's model
exactly, at half its memory and traffic.
"""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch

from algoreg.engine.kernels import library, passes, whole_steps
from algoreg.ensembles.base import CompiledSteps, Measurements
from algoreg.numerics.draws import fill, normal_blocks
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension

# Rows drawn together.
BLOCK_ROWS = 128


def packed_rows(d: int, m: int, seed: int, ensemble: int) -> Iterator[np.ndarray]:
    """Yield the packed ensemble in float64 blocks of at most 128 rows, from its named stream.

    Rows come one after the other from one stream: a longer ensemble starts with the shorter one.
    """
    generator = stream("ensemble", kind="gaussian", d=d, seed=seed, ensemble=ensemble)
    return normal_blocks(generator, m, (symmetric_dimension(d),), BLOCK_ROWS)


class Ensemble(CompiledSteps, Measurements):
    """A drawn Gaussian ensemble on a device.

    Attributes
    ----------
    rows : torch.Tensor, shape (m, d(d+1)/2)
        The packed measurement matrices; each begins ``passes.padded(d(d+1)/2)`` numbers after the one before.

    The others are those of :class:`algoreg.ensembles.base.Measurements`.
    """

    provides = frozenset({"gradient", "descend", "prefixes", "single measurements", "unpacked"})

    block_rows = BLOCK_ROWS

    def __init__(
        self,
        rows: torch.Tensor,
        d: int,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        length = symmetric_dimension(d)
        if rows.ndim != 2 or rows.shape[1] != length:
            raise ValueError(f"packed rows for d = {d} have {length} columns, got shape {tuple(rows.shape)}")
        super().__init__(d, rows.shape[0], rows.device, rows.dtype, digest, number, counts)
        self.rows = passes.as_padded(rows)

    @classmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it block by block."""
        rows = passes.padded_rows(m, symmetric_dimension(d), dtype, device)
        return cls(rows, d, fill(rows, packed_rows(d, m, seed, ensemble)), ensemble)

    def _tables(self, counts: torch.Tensor) -> list[torch.Tensor]:
        return passes.tables(tuple(counts.tolist()), passes.lanes_for(self.m * symmetric_dimension(self.d)))

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M of every run, reading every row once; see :class:`algoreg.ensembles.base.Ensemble`."""
        if library.serve(self.device):
            return self._passed(matrices, labels)[0]
        x = svec(matrices)
        total = torch.zeros_like(x)
        for start, stop, runs in self._segments:
            block = self.rows[start:stop]
            residual = x[:runs] @ block.T
            residual -= labels[:runs, start:stop]
            total[:runs].addmm_(residual, block)
        return smat(total.div_(self._divisor), self.d)

    def gradient_and_residual(self, matrices: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return M and the root mean square of what the labels leave, reading every row once;
        see :meth:`Measurements.gradient`.
        """
        if not library.serve(self.device):
            return super().gradient_and_residual(matrices, labels)
        gradient, residuals = self._passed(matrices, labels, keep=True)
        assert residuals is not None
        return gradient, self.label_size(residuals)

    def _passed(
        self, matrices: torch.Tensor, labels: torch.Tensor, keep: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return M and, if they are kept, the residuals of every run, after one pass of the compiled loops."""
        counts = self._known(len(matrices))
        sums = passes.Pass(self.rows, self._tables(counts), counts, labels, self.d, keep)
        return passes.unpack(sums(passes.pack(matrices, self.d)), counts.to(self.dtype), self.d), sums.residuals

    def _moved(
        self,
        factors: torch.Tensor,
        steps: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        momentum: whole_steps.Momentum | None = None,
    ) -> whole_steps.Steps:
        """Return the kernels' own factors after ``count`` steps."""
        counts = self._known(len(factors))
        tables = self._tables(counts)
        moving = whole_steps.Steps(factors, self.d, steps, counts.to(self.dtype), len(tables), momentum)
        if len(tables) == 1:
            moving.descend(self.rows, labels, count, tables[0], counts)
        else:
            moving.descend_by(passes.Pass(self.rows, tables, counts, labels, self.d), count)
        return moving

    def select(self, indices: torch.Tensor) -> "Ensemble":
        """Return the ensemble of the measurements with these indices (a copy of their rows)."""
        rows = passes.with_padding(self.rows)[indices]
        return Ensemble(rows[:, : symmetric_dimension(self.d)], self.d, number=self.number)

    def unpacked(self) -> torch.Tensor:
        """Return the full matrices sym(A_i), shape (m, d, d): twice the memory."""
        return smat(self.rows, self.d)

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the measurements ⟨A_i, X⟩; see :class:`algoreg.ensembles.base.Measurements`."""
        if not library.serve(self.device):
            return svec(matrices) @ self.rows.T
        measured = matrices.new_empty(len(matrices), self.m)
        passes.measure(self.rows, passes.pack(matrices, self.d), measured)
        return measured

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i sym(A_i); see :class:`algoreg.ensembles.base.Measurements`."""
        compiled = library.serve(self.device)
        return smat(passes.adjoint(self.rows, weights.contiguous()) if compiled else weights @ self.rows, self.d)
