"""Entries drawn one by one and put back: some are known twice, and count twice in the loss."""

import torch

from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.numerics.seeds import stream


class Repeated(Ensemble):
    """Entries of d × d matrices, m of them drawn with replacement; see
    :class:`algoreg.ensembles.entries_rectangular.Ensemble`.
    """

    kind = "entries-repeated"

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw the places of ensemble number ``ensemble``."""
        drawn = stream("ensemble", kind=cls.kind, d=d, seed=seed, ensemble=ensemble).integers(d * d, size=m)
        return cls(torch.from_numpy(cls._every_place(d, d)[drawn]), d, device, dtype, number=ensemble)
