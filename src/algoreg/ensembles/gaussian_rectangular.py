"""Gaussian measurements of rectangular matrices: unpacked A_i with d1 × d2 iid N(0, 1) entries.

In the settings d1 = d2 = d; :meth:`Ensemble.draw` takes any number of columns. Neither the matrices nor M are
symmetric, so algorithms on UUᵀ cannot be used.
"""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch

from algoreg.ensembles.base import Measurements
from algoreg.numerics.draws import fill, normal_blocks
from algoreg.numerics.seeds import stream
from algoreg.settings.base import EnsembleLimits

# Rows that are drawn together.
BLOCK_ROWS = 128


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return m * d * d


def flat_rows(d: int, columns: int, m: int, seed: int, ensemble: int) -> Iterator[np.ndarray]:
    """Yield flat float64 rows of d·columns entries in blocks; a longer ensemble begins with the shorter one."""
    names = {"d": d, "columns": columns, "seed": seed, "ensemble": ensemble}
    return normal_blocks(stream("ensemble", kind="gaussian-rectangular", **names), m, (d * columns,), BLOCK_ROWS)


class Ensemble(Measurements):
    """A drawn ensemble of d × ``columns`` matrices.

    Attributes
    ----------
    rows : torch.Tensor, shape (m, d·columns)
        The measurement matrices, flat.

    For the other attributes see :class:`algoreg.ensembles.base.Measurements`.
    """

    provides = frozenset({"rectangular gradient", "prefixes", "single measurements"})
    acts_on = "rectangular"
    # One block for all rows, unless runs know prefixes: the matrix library divides the work itself.
    block_rows = 2**30

    def __init__(
        self,
        rows: torch.Tensor,
        d: int,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        if rows.ndim != 2 or rows.shape[1] % d:
            raise ValueError(f"flat rows of d = {d} have a multiple of {d} entries, got shape {tuple(rows.shape)}")
        super().__init__(d, len(rows), rows.device, rows.dtype, digest, number, counts)
        self.rows, self.columns = rows, rows.shape[1] // d

    @classmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        columns: int | None = None,
    ) -> Self:
        """Draw ensemble number ``ensemble`` in float64, hash it and cast it block by block."""
        columns = columns or d
        rows = torch.empty(m, d * columns, dtype=dtype, device=device)
        return cls(rows, d, fill(rows, flat_rows(d, columns, m, seed, ensemble)), ensemble)

    def select(self, indices: torch.Tensor) -> Self:
        """Return a new ensemble that contains the measurements with these indices."""
        return self._part(len(indices), rows=self.rows[indices])

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the measurements ⟨A_i, X⟩ of matrices (B, d, columns), shape (B, m)."""
        return matrices.flatten(1) @ self.rows.T

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i A_i of weights (B, m), shape (B, d, columns)."""
        return (weights @ self.rows).view(-1, self.d, self.columns)

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        x = matrices.flatten(1)
        total = torch.zeros_like(x)
        for start, stop, runs in self._segments:
            block = self.rows[start:stop]
            residual = x[:runs] @ block.T - labels[:runs, start:stop]
            total[:runs].addmm_(residual, block)
        return (total / self._divisor).view(-1, self.d, self.columns)
