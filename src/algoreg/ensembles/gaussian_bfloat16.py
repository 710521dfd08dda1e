"""Gaussian measurement matrices whose packed entries are bfloat16 numbers: half the memory and traffic of float32.

The numbers of :mod:`algoreg.ensembles.gaussian` are drawn and rounded, through float32, to the 8 significant bits of
bfloat16. The labels are measured with the rounded matrices, so nothing is approximated; the entries differ from
Gaussian ones by a relative 2⁻⁹.
"""

from typing import Self

import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles.base import PackedRows
from algoreg.ensembles.gaussian import packed_rows
from algoreg.numerics.draws import fill
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    rounds_to = "bfloat16"

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many eight-byte numbers would take the same memory."""
        return m * symmetric_dimension(d) // 4


class Ensemble(PackedRows):
    """A drawn ensemble of rounded Gaussian matrices; its digest covers the numbers before they are rounded."""

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
        """Draw ensemble number ``ensemble`` in float64, hash it and round it block by block; compute in ``dtype``."""
        rows = passes.padded_rows(m, symmetric_dimension(d), torch.bfloat16, device)
        return cls(rows, d, fill(rows, packed_rows(d, m, seed, ensemble)), ensemble, dtype=dtype)
