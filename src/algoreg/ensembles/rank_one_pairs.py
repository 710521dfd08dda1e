"""Rank-one measurements with independent sides: A_i = (x_i y_iᵀ + y_i x_iᵀ)/2 with x_i, y_i ~ N(0, I).

Unlike x xᵀ [LMZ18, Appendix A], these matrices have mean 0, and E⟨A, X⟩A = X has no trace term.
"""

from algoreg.ensembles import rank_one
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return 2 * m * d


class Ensemble(rank_one.Ensemble):
    """Rank-one measurements with partners on a device; see :class:`algoreg.ensembles.rank_one.Ensemble`."""

    kind, sides = "rank-one-pairs", 2
