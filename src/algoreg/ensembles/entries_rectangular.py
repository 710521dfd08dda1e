"""Entries of a rectangular matrix: √(d1·d2)·X_ij at m different positions [candes2009].

In the settings d1 = d2 = d; :meth:`Ensemble.draw` takes any number of columns. Neither the matrices nor M are
symmetric, so algorithms on UUᵀ cannot be used.
"""

import numpy as np
import torch

from algoreg.ensembles.entries import Entries
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def most_m(d: int) -> int:
        """Return the number of entries."""
        return d * d

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return 2 * m + d * d


class Ensemble(Entries):
    """Different entries of d × ``columns`` matrices, each read once."""

    provides = frozenset({"rectangular gradient", "prefixes", "single measurements"})
    acts_on = "rectangular"
    kind = "entries-rectangular"

    @classmethod
    def _every_place(cls, d: int, columns: int) -> np.ndarray:
        return np.stack(np.divmod(np.arange(d * columns), columns), axis=1)

    def _readings(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        flat = (self.positions[:, 0] * self.columns + self.positions[:, 1])[None]
        scale = flat.new_full((self.m,), 1, dtype=self.dtype) * (self.d * self.columns) ** 0.5
        return scale, flat, scale
