"""Entries of a symmetric matrix: matrix completion, in which every entry occurs at most once [candes2009].

In the packed coordinates of :mod:`algoreg.numerics.svec` the measurements are √D times different unit vectors,
D = d(d+1)/2: √D·X_ii and √(2D)·X_ij for i < j. The mean of (1/m) Σ ⟨A_i, X⟩² is therefore ‖X‖_F²; at m = D the sum
always equals it. Only the positions are stored.
"""

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from algoreg.ensembles.base import Measurements
from algoreg.numerics.seeds import stream
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def most_m(d: int) -> int:
        """Return the number of entries on and above the diagonal."""
        return d * (d + 1) // 2

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return 2 * m + d * (d + 1) // 2


class Entries(Measurements):
    """Measurements that read one entry each, of symmetric or of rectangular matrices.

    Attributes
    ----------
    positions : torch.Tensor of int, shape (m, 2)
        Row and column of every entry.

    For the other attributes see :class:`algoreg.ensembles.base.Measurements`.
    """

    kind: str
    block_rows = 2**30

    def __init__(
        self,
        positions: torch.Tensor,
        d: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
        columns: int | None = None,
    ) -> None:
        size = torch.tensor([d, columns or d], device=positions.device)
        if positions.ndim != 2 or positions.shape[1] != 2 or ((positions < 0) | (positions >= size)).any():
            raise ValueError(f"positions are rows and columns of {d} × {columns or d} matrices, shape (m, 2)")
        device = torch.device(device)
        super().__init__(d, len(positions), device, dtype, digest, number, counts)
        self.columns = columns or d
        self.positions = positions.to(device)
        # The factor by which an entry is multiplied, and the flat positions and the weight of the entries of A_i.
        self.scale, self.flat, self.weights = self._readings()

    def _readings(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        raise NotImplementedError

    @classmethod
    def _every_place(cls, d: int, columns: int) -> np.ndarray:
        raise NotImplementedError

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
        """Draw the positions of ensemble number ``ensemble``: the first m of all positions in a random order.

        Raises
        ------
        ValueError
            If there are fewer than m positions.
        """
        positions = cls._every_place(d, columns or d)
        if m > len(positions):
            raise ValueError(f"m = {m}: there are {len(positions)} entries")
        shape = {} if columns in (None, d) else {"columns": columns}
        order = stream("ensemble", kind=cls.kind, d=d, seed=seed, ensemble=ensemble, **shape).permutation(
            len(positions)
        )
        chosen = positions[order[:m]]
        digest = hashlib.sha256(np.ascontiguousarray(chosen, dtype="<i8").data).hexdigest()
        return cls(torch.from_numpy(chosen), d, device, dtype, digest, ensemble, columns=columns)

    def select(self, indices: torch.Tensor) -> Self:
        """Return a new ensemble that contains the measurements with these indices."""
        own = {name: getattr(self, name)[indices] for name in ("positions", "scale", "weights")}
        return self._part(len(indices), flat=self.flat[:, indices], **own)

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the scaled entries of matrices (B, d, columns), shape (B, m), in O(m)."""
        return matrices.flatten(1)[:, self.flat[0]] * self.scale

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i A_i of weights (B, m), shape (B, d, columns)."""
        total = weights.new_zeros(len(weights), self.d * self.columns)
        for flat in self.flat:
            total.index_add_(1, flat, weights * self.weights)
        return total.view(-1, self.d, self.columns)


class Ensemble(Entries):
    """Different entries on or above the diagonal, each read once."""

    kind = "entries"

    @classmethod
    def _every_place(cls, d: int, columns: int) -> np.ndarray:
        return np.stack(np.triu_indices(d), axis=1)

    def _scale(self) -> torch.Tensor:
        """Return the factor by which an entry is multiplied: √D on the diagonal, √(2D) off it."""
        off = self.positions[:, 0] != self.positions[:, 1]
        return (self.d * (self.d + 1) / 2 * (1 + off.to(self.dtype))).sqrt()

    def _readings(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (rows, columns), scale = self.positions.T, self._scale()
        # Both positions of an entry have half the scale. On the diagonal they coincide, and the halves add up.
        return scale, torch.stack([rows * self.d + columns, columns * self.d + rows]), scale / 2
