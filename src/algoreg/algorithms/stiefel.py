"""Descent on X = QΘQᵀ with orthonormal columns Q (d × k) and symmetric Θ (k × k): weight normalisation [wei2025].

With M = (1/m) Σ (⟨A_i, QΘQᵀ⟩ − y_i) A_i a step takes Θ to Θ − ηcQᵀMQ, and Q to the polar factor of Q − ηG with
G = MQΘ − Q·sym(QᵀMQΘ), the part of the gradient that is tangent to the Stiefel manifold of such Q. Both are computed
from the old Q and Θ. η multiplies M ("M-form"), and c = ``magnitude``. Q_0 has Haar columns and Θ_0 = 0, so the first
step changes only Θ. With k = d every symmetric matrix is QΘQᵀ for any Q.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms import base
from algoreg.algorithms.factored import side_by_side, start_matrix
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import spectral
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("width",)
    width: PositiveInt | None = Field(None, description="null for d")
    magnitude: PositiveFloat = Field(0.5, description="c: the step of Θ over that of Q")


class Algorithm(base.Algorithm):
    """A batch of descents on Q and Θ; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``directions``, Q, and ``magnitudes``, Θ. Runs of a batch may differ in width: narrower Q are padded with
    columns of 0. A step takes one pass and the decomposition of a k × k matrix.
    """

    requires = frozenset({"gradient"})
    estimates = "symmetric"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.widths = torch.tensor([run["width"] or ensemble.d for run in runs], device=labels.device)
        self.magnitude_steps = self.steps * self.numbers("magnitude")

    def initial(self) -> base.State:
        """Return Q_0 and Θ_0 of every run, shapes (B, d, k) and (B, k, k)."""
        drawn = [
            start_matrix("orthonormal", self.ensemble.d, self.seed, run["target"])[:, :width]
            for run, width in zip(self.runs, self.widths.tolist(), strict=True)
        ]
        directions = side_by_side(drawn).to(self.labels)
        return {"directions": directions, "magnitudes": torch.zeros_like(torch.bmm(directions.mT, directions))}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        directions, magnitudes = state["directions"], state["magnitudes"]
        # Padding columns are 0, and a 1 on the diagonal of their square keeps them at 0.
        columns = torch.arange(directions.shape[2], device=directions.device)
        lacking = torch.diag_embed((columns >= self.widths[:, None]).to(directions))
        for _ in range(count):
            gradient = self.ensemble.gradient(self.estimate(state), self.labels)
            pull = torch.bmm(gradient, directions)
            turn = torch.bmm(pull, magnitudes)
            magnitudes = magnitudes - self.magnitude_steps * symmetric(torch.bmm(directions.mT, pull))
            tangent = turn - torch.bmm(directions, symmetric(torch.bmm(directions.mT, turn)))
            moved = directions - self.steps * tangent
            square = torch.bmm(moved.mT, moved) + lacking
            directions = torch.bmm(moved, spectral(square, torch.rsqrt))
            state = {"directions": directions, "magnitudes": magnitudes}
        return state

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X = QΘQᵀ of every run."""
        return torch.bmm(torch.bmm(state["directions"], state["magnitudes"]), state["directions"].mT)


def symmetric(matrices: torch.Tensor) -> torch.Tensor:
    """Return the symmetric part of matrices (B, k, k)."""
    return (matrices + matrices.mT) / 2
