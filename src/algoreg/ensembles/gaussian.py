"""Gaussian measurement matrices, packed: A_i with iid N(0, 1) entries [LMZ18, Appendix B], seen through symmetric X.

The symmetric part (A + Aᵀ)/2 has diagonal entries N(0, 1) and off-diagonal entries N(0, 1/2). svec scales the
latter by √2, so the packed ensemble is an m × d(d+1)/2 matrix of iid N(0, 1) numbers: exactly the paper's model, with
half its memory and traffic.
"""

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles.base import PackedRows
from algoreg.numerics.draws import fill, normal_blocks
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension

# Rows that are drawn together.
BLOCK_ROWS = 128


def packed_rows(d: int, m: int, seed: int, ensemble: int) -> Iterator[np.ndarray]:
    """Yield the packed ensemble from its named stream in float64 blocks of at most ``BLOCK_ROWS`` rows.

    Rows are drawn one after the other from one stream, so that a longer ensemble begins with the shorter one.
    """
    generator = stream("ensemble", kind="gaussian", d=d, seed=seed, ensemble=ensemble)
    return normal_blocks(generator, m, (symmetric_dimension(d),), BLOCK_ROWS)


class Ensemble(PackedRows):
    """A drawn Gaussian ensemble on a device: :class:`algoreg.ensembles.base.PackedRows` of iid N(0, 1) numbers."""

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
        """Draw ensemble number ``ensemble`` in float64, hash it and cast it block by block."""
        rows = passes.padded_rows(m, symmetric_dimension(d), dtype, device)
        return cls(rows, d, fill(rows, packed_rows(d, m, seed, ensemble)), ensemble)
