"""Measurement matrices with heavy tails: packed entries of Student's t with 5 degrees of freedom, scaled to variance 1.

Their moments from the fifth on are infinite.
"""

import math
from collections.abc import Iterator
from typing import Self

import numpy as np
import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles.base import PackedRows
from algoreg.numerics.draws import fill
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension

FREEDOM = 5
# The variance of Student's t.
VARIANCE = FREEDOM / (FREEDOM - 2)


def packed_rows(d: int, m: int, seed: int, ensemble: int) -> Iterator[np.ndarray]:
    """Yield the packed ensemble row by row in float64, from its named stream: a longer one starts with the shorter."""
    generator = stream("ensemble", kind="student-t", d=d, seed=seed, ensemble=ensemble)
    for _ in range(m):
        yield generator.standard_t(FREEDOM, (1, symmetric_dimension(d))) / math.sqrt(VARIANCE)


class Ensemble(PackedRows):
    """A drawn ensemble of matrices with heavy tails."""

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
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it row by row."""
        rows = passes.padded_rows(m, symmetric_dimension(d), dtype, device)
        return cls(rows, d, fill(rows, packed_rows(d, m, seed, ensemble)), ensemble)
