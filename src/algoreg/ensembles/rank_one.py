"""Rank-one measurement matrices A_i = x_i x_iᵀ with x_i ~ N(0, I): those of quadratic networks [LMZ18, Appendix A].

⟨x xᵀ, UUᵀ⟩ = |Uᵀx|² is the output of a one-hidden-layer network with quadratic activations and hidden weights U. Only
the vectors are stored, and all products are computed from them, without any m × d × d array.
"""

from collections.abc import Sequence
from typing import Self

import torch

from algoreg.ensembles.base import Measurements
from algoreg.numerics.draws import fill, normal_blocks
from algoreg.numerics.seeds import stream
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return m * d


# Rows that are handled together. A pass creates arrays of (runs · width) × rows: for 5 to 15 runs of width 100 in
# float32, 256 rows keep these arrays at 0.5 to 1.5 MB, so that they are still in cache when they are read again.
# Measured on one CPU core, 128 rows are as fast, 512 up to a quarter slower, and a single block is twice as slow. With
# few columns 1024 rows would be 40 % faster, but most runs have full width.
BLOCK_ROWS = 256


def _refuse_not_finite(name: str, given: torch.Tensor) -> None:
    # The check goes in blocks, because isfinite returns an array of the size of its argument.
    if not torch.stack([torch.isfinite(block).all() for block in given.split(BLOCK_ROWS)]).all():
        row, column = (~torch.isfinite(given)).nonzero()[0].tolist()
        raise ValueError(f"{name}[{row}, {column}] = {given[row, column]}; allowed are finite numbers")


def _seen(flat: torch.Tensor, x: torch.Tensor, width: int) -> torch.Tensor:
    """Return the products of a block's vectors with the rows of all runs, shape (B, width, block)."""
    return (flat @ x.T).view(-1, width, len(x))


def _inner(v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return Σ_k v_k w_k for every run and measurement, shape (B, block)."""
    return (v * w).sum(1)


def _add(total: torch.Tensor, residual: torch.Tensor, w: torch.Tensor, x: torch.Tensor) -> None:
    """Add Σ_i r_i w_i x_iᵀ of every run to its rows of ``total``."""
    total.addmm_((residual[:, None] * w).flatten(0, 1), x)


def _symmetric_part(matrices: torch.Tensor) -> torch.Tensor:
    return (matrices + matrices.mT) / 2


class Ensemble(Measurements):
    """Rank-one measurements on a device: A_i = x_i x_iᵀ, or (x_i y_iᵀ + y_i x_iᵀ)/2 with partners y_i.

    Parameters
    ----------
    vectors : torch.Tensor, shape (m, d)
        The x_i.
    d : int
    partners : torch.Tensor, shape (m, d), optional
        The y_i; by default every vector is its own partner.
    digest, number, counts
        See :class:`algoreg.ensembles.base.Measurements`.

    Raises
    ------
    ValueError
        If ``vectors`` is not m × d with m at least 1, ``partners`` has another shape, or a number is not finite.
    """

    provides = frozenset({"gradient", "descend", "prefixes", "single measurements", "truncation"})

    block_rows = BLOCK_ROWS
    # The kind in the name of the random stream, and how many vectors a measurement takes from it.
    kind, sides = "rank-one", 1

    def __init__(
        self,
        vectors: torch.Tensor,
        d: int,
        partners: torch.Tensor | None = None,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != d or len(vectors) == 0:
            raise ValueError(f"vectors have shape {tuple(vectors.shape)}; allowed is (m, {d}) with m at least 1")
        _refuse_not_finite("vectors", vectors)
        if partners is not None:
            if partners.shape != vectors.shape:
                raise ValueError(f"partners have shape {tuple(partners.shape)}; allowed is {tuple(vectors.shape)}")
            _refuse_not_finite("partners", partners)
        super().__init__(d, len(vectors), vectors.device, vectors.dtype, digest, number, counts)
        self.vectors, self.partners = vectors, partners

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
        """Draw ensemble number ``ensemble`` in float64, hash it and cast it block by block.

        Measurements are drawn one after the other from one named stream (a vector, then its partner if there is one),
        so that a longer ensemble begins with the shorter one.
        """
        numbers = torch.empty(m, cls.sides, d, device=device, dtype=dtype)
        generator = stream("ensemble", kind=cls.kind, d=d, seed=seed, ensemble=ensemble)
        digest = fill(numbers, normal_blocks(generator, m, (cls.sides, d), BLOCK_ROWS))
        vectors, *others = numbers.unbind(1)
        return cls(vectors, d, others[0] if others else None, digest=digest, number=ensemble)

    def select(self, indices: torch.Tensor) -> Self:
        """Return a new ensemble that contains the measurements with these indices (a copy of their vectors)."""
        partners = None if self.partners is None else self.partners[indices]
        return self._part(len(indices), vectors=self.vectors[indices], partners=partners)

    def _vectors(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the x_i and the y_i of a block."""
        x = self.vectors[start:stop]
        return x, x if self.partners is None else self.partners[start:stop]

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the measurements ⟨A_i, X⟩ = x_iᵀXy_i; see :class:`algoreg.ensembles.base.Measurements`."""
        flat, measured = matrices.reshape(-1, self.d), matrices.new_empty(len(matrices), self.m)
        for start in range(0, self.m, BLOCK_ROWS):
            x, y = self._vectors(start, start + BLOCK_ROWS)
            measured[:, start : start + BLOCK_ROWS] = _inner(_seen(flat, x, self.d), y.T)
        return measured

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i A_i; see :class:`algoreg.ensembles.base.Measurements`."""
        total = weights.new_zeros(len(weights) * self.d, self.d)
        for start in range(0, self.m, BLOCK_ROWS):
            x, y = self._vectors(start, start + BLOCK_ROWS)
            _add(total, weights[:, start : start + BLOCK_ROWS], x.T, y)
        return _symmetric_part(total.view(-1, self.d, self.d))

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M of every run, reading every vector once; see :class:`algoreg.ensembles.base.Ensemble`."""
        flat = matrices.reshape(-1, self.d)
        total = flat.new_zeros(flat.shape)
        for start, stop, runs in self._segments:
            x, y = self._vectors(start, stop)
            part = slice(None if runs is None else runs * self.d)
            residual = _inner(_seen(flat[part], x, self.d), y.T).sub_(labels[:runs, start:stop])
            _add(total[part], residual, x.T, y)
        total = total.view(len(matrices), -1).div_(self._divisor)
        return _symmetric_part(total.view(matrices.shape))

    def factored_gradient(
        self, factors: torch.Tensor, labels: torch.Tensor, levels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return M·U for X = UUᵀ, shape (B, d, k), in O(m d k) per run; see :meth:`gradient`.

        Let x_i and y_i be the rows of X and Y, and V = XU, W = YU. Then ⟨A_i, UUᵀ⟩ = Σ_k V_ik W_ik, and for residuals r
        M·U = (Xᵀ(rW) + Yᵀ(rV))/(2m), or Xᵀ(rV)/m without partners.

        Parameters
        ----------
        factors : torch.Tensor, shape (B, d, k)
        labels : torch.Tensor, shape (B, m)
        levels : torch.Tensor, shape (B, 1), optional
            Truncation [LMZ18, Algorithm 1]: measurements with ⟨A_i, UUᵀ⟩ above a run's level are left out of its sum,
            but count in its m.
        """
        width = factors.shape[2]
        # With partners, this method takes four products of m × d by d × k. The general method takes two of m × d by
        # d × d, and UUᵀ and MU.
        if levels is None and self.partners is not None and 2 * self.m * width > self.d * (self.m + width):
            return super().factored_gradient(factors, labels)
        # The rows are ordered by run, then by column, so that the leading runs are leading rows.
        flat = factors.mT.reshape(-1, self.d)
        total = flat.new_zeros(flat.shape)
        for start, stop, runs in self._segments:
            x, y = self._vectors(start, stop)
            part = slice(None if runs is None else runs * width)
            v = _seen(flat[part], x, width)
            w = v if y is x else _seen(flat[part], y, width)
            residual = _inner(v, w)
            beyond = None if levels is None else residual > levels[:runs]
            residual.sub_(labels[:runs, start:stop])
            if beyond is not None:
                residual.masked_fill_(beyond, 0)
            _add(total[part], residual, w, x)
            if y is not x:
                _add(total[part], residual, v, y)
        total = total.view(len(factors), -1).div_(self._divisor if self.partners is None else 2 * self._divisor)
        return total.view(factors.mT.shape).mT.contiguous()
