"""The Gram matrix of an ensemble: all that gradient descent on the squared loss needs of it [LMZ18, Section 2].

With the packed measurement matrices as the rows of A (m × D, D = d(d+1)/2), the gradient and the loss at X depend only
on G = AᵀA/m and, for labels y, on c = Aᵀy/m and s = |y|²/m. A step reads D² numbers instead of mD, which is less if
m > D, and multiplies with each of them once instead of twice.
"""

import hashlib
from collections.abc import Iterable
from typing import ClassVar, Self

import torch

from algoreg.engine.kernels import library, passes, whole_steps
from algoreg.ensembles import base
from algoreg.ensembles.base import Measurements, PackedRows
from algoreg.ensembles.gaussian import BLOCK_ROWS, packed_rows
from algoreg.numerics.draws import hashed
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    smallest_train_error: ClassVar = {"float32": 1e-3, "float64": 1e-7}

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores."""
        return (d * (d + 1) // 2) ** 2


def mean_outer_product(blocks: Iterable[torch.Tensor], d: int, m: int, device: torch.device | str) -> torch.Tensor:
    """Return Σ bᵀb / m over float64 blocks of rows, shape (D, D), holding one block at a time."""
    total = passes.padded_rows(symmetric_dimension(d), symmetric_dimension(d), torch.float64, device)
    for block in blocks:
        block = block.to(device)
        total.addmm_(block.mT, block)
    return total.div_(m)


def label_rows(ensemble: Measurements, labels: torch.Tensor) -> torch.Tensor:
    """Convert an ensemble's labels y (T, m), noisy or not, to labels (Aᵀy/m, |y|²/m) of its Gram matrix (T, D + 1)."""
    pulled = svec(ensemble.adjoint(labels)) / ensemble.m
    return torch.cat([pulled, labels.square().mean(dim=1, keepdim=True)], dim=1)


class Ensemble(base.CompiledSteps):
    """The Gram matrix of a Gaussian ensemble on a device; the measurements themselves are not stored.

    Attributes
    ----------
    gram : torch.Tensor, shape (D, D), D = d(d+1)/2
        G = AᵀA/m, symmetric to rounding.

    For the other attributes see :class:`algoreg.ensembles.base.Ensemble`. The digest covers the rows, so it equals the
    digest of the ensemble that stores its measurements.

    Raises
    ------
    ValueError
        If the Gram matrix does not have the shape (D, D).
    """

    provides = frozenset({"gradient", "descend", "isometry"})

    def __init__(self, gram: torch.Tensor, d: int, m: int, digest: str | None = None, number: int = 0) -> None:
        length = symmetric_dimension(d)
        if gram.shape != (length, length):
            raise ValueError(f"the Gram matrix for d = {d} is {length} × {length}, got shape {tuple(gram.shape)}")
        super().__init__(d, m, gram.device, gram.dtype, digest, number)
        self.gram = passes.as_padded(gram)

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
        """Draw the measurements of :meth:`algoreg.ensembles.gaussian.Ensemble.draw`, adding up G in float64.

        Stream and digest are the same; only one block of rows is in memory at a time.
        """
        sha = hashlib.sha256()
        gram = mean_outer_product(hashed(packed_rows(d, m, seed, ensemble), sha), d, m, device)
        return cls(passes.as_padded(gram, dtype), d, m, sha.hexdigest(), ensemble)

    @classmethod
    def of(cls, ensemble: PackedRows) -> Self:
        """Return the Gram matrix of a drawn :class:`algoreg.ensembles.base.PackedRows`, added up in float64.

        Raises
        ------
        ValueError
            If the runs of the ensemble know only prefixes of it.
        """
        if ensemble.counts is not None:
            raise ValueError(f"a Gram matrix does not contain prefixes, but runs know {ensemble.counts} measurements")
        blocks = (ensemble.packed(start, start + BLOCK_ROWS).double() for start in range(0, ensemble.m, BLOCK_ROWS))
        gram = mean_outer_product(blocks, ensemble.d, ensemble.m, ensemble.device)
        return cls(passes.as_padded(gram, ensemble.dtype), ensemble.d, ensemble.m, ensemble.digest, ensemble.number)

    def label(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the labels of targets (T, d, d): rows (c, s), (T, D + 1), with c = Gx*, s = x*ᵀGx*, x* = svec(X*)."""
        x, pulled = svec(targets), self._image(targets)
        return torch.cat([pulled, (pulled * x).sum(dim=1, keepdim=True)], dim=1)

    def train_error(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return √(Σ(⟨A_i, X⟩ − y_i)² / Σy_i²) per run [LMZ18, Appendix B].

        It is computed as √(max(xᵀGx − 2cᵀx + s, 0)/s), x = svec(X). The three terms cancel as X fits the labels: below
        about √eps (10⁻⁸ in float64, 3·10⁻⁴ in float32) the value consists of rounding error, and may be 0.
        """
        x, pulled, square = svec(matrices), labels[:, :-1], labels[:, -1]
        loss = ((self._image(matrices) - 2 * pulled) * x).sum(dim=1) + square
        return (loss.clamp(min=0) / square).sqrt()

    def label_size(self, labels: torch.Tensor) -> torch.Tensor:
        """Return √s of every run, s = x*ᵀG x*; see :class:`algoreg.ensembles.base.Ensemble`."""
        return labels[:, -1].sqrt()

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M = smat(G svec(X) − c) of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        return smat(self._image(matrices).sub_(labels[:, :-1]), self.d)

    def _image(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return G svec(X), shape (B, D)."""
        if not library.serve(self.device):
            return svec(matrices) @ self.gram
        image = matrices.new_empty(len(matrices), len(self.gram))
        passes.measure(self.gram, passes.pack(matrices, self.d), image)
        return image

    def _moved(
        self,
        factors: torch.Tensor,
        steps: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        momentum: whole_steps.Momentum | None = None,
    ) -> whole_steps.Steps:
        """Return the factors after ``count`` steps in the kernels' layout."""
        lanes = passes.lanes_for(self.gram.numel())
        moving = whole_steps.Steps(factors, self.d, steps, torch.ones_like(steps), lanes, momentum)
        if lanes == 1:
            moving.descend(self.gram, labels, count)
            return moving
        total, length = torch.zeros_like(moving.x), len(self.gram)

        def sums(x: torch.Tensor) -> torch.Tensor:
            passes.measure(self.gram, x, total[:, :length])
            # numpy subtracts, for the reason given in ``passes.Pass``.
            total.numpy()[:, :length] -= labels.numpy()[:, :length]
            return total

        moving.descend_by(sums, count)
        return moving

    def isometry_deviation(self) -> float:
        """Return the operator norm of G − I, in float64.

        It is the smallest δ with (1 − δ)|X|² ≤ (1/m) Σ⟨A_i, X⟩² ≤ (1 + δ)|X|² for all symmetric X, so it is an upper
        bound on the restricted isometry constant [LMZ18, Section 2] of every rank.
        """
        deviation = self.gram.double() - torch.eye(len(self.gram), device=self.device, dtype=torch.float64)
        return torch.linalg.eigvalsh(deviation).abs().max().item()
