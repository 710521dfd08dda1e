"""Gaussian measurements by the law of their Gram matrix: it is drawn at a cost that does not depend on m.

The packed rows of a Gaussian ensemble are iid N(0, I_D) (see :mod:`algoreg.ensembles.gaussian`), so AᵀA = mG is exactly
a Wishart_D(m, I) matrix. Its Bartlett factor L = Rᵀ, where A = QR, has independent entries: the squares of the diagonal
entries are χ²(m − i), i = 0 … D − 1, and the entries below the diagonal are standard normal [Bartlett 1933; Anderson
2003, Section 7.2].
"""

import hashlib
from typing import Self

import numpy as np
import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles import gram
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension


class Limits(gram.Limits):
    """Limits on the settings."""

    @staticmethod
    def least_m(d: int) -> int:
        """Return the least m for which the matrix is not singular and has a Bartlett factor."""
        return d * (d + 1) // 2


def bartlett_factor(d: int, m: int, seed: int, ensemble: int) -> np.ndarray:
    """Draw the lower triangular L (D, D) with LLᵀ ~ Wishart_D(m, I), D = d(d+1)/2, from its named stream in float64.

    Raises
    ------
    ValueError
        If m < D.
    """
    length = symmetric_dimension(d)
    if m < length:
        raise ValueError(f"m = {m}: a Wishart draw for d = {d} needs at least d(d+1)/2 = {length} measurements")
    generator = stream("ensemble", kind="wishart", d=d, m=m, seed=seed, ensemble=ensemble)
    factor = np.zeros((length, length))
    np.fill_diagonal(factor, np.sqrt(generator.chisquare(m - np.arange(length))))
    for row in range(1, length):
        factor[row, :row] = generator.standard_normal(row)
    return factor


class Ensemble(gram.Ensemble):
    """The Gram matrix of m Gaussian measurements, drawn from its law; see :class:`algoreg.ensembles.gram.Ensemble`.

    It belongs to no particular measurements, and another m is an unrelated draw. ``digest`` covers the float64 Bartlett
    factor.
    """

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
        """Draw ensemble number ``ensemble`` in float64, hash its factor and cast the product.

        Raises
        ------
        ValueError
            If m < d(d+1)/2.
        """
        factor = bartlett_factor(d, m, seed, ensemble)
        digest = hashlib.sha256(np.ascontiguousarray(factor, dtype="<f8").data).hexdigest()
        factor /= np.sqrt(m)
        lower = torch.from_numpy(factor).to(device)
        product = passes.padded_rows(len(lower), len(lower), torch.float64, device)
        torch.mm(lower, lower.mT, out=product)
        return cls(passes.as_padded(product, dtype), d, m, digest, ensemble)
