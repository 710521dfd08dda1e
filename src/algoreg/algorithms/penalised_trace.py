"""Penalised least trace with a falling penalty: proximal steps on 1/(2m) Σ (⟨A_i, X⟩ − y_i)² + λ tr X over X ⪰ 0.

X_{t+1} = P(Z_t − η(M(Z_t) + λ_tI)), Z_{t+1} = X_{t+1} + μ(X_{t+1} − X_t), from X_0 = 0; P is the projection on the PSD
cone. λ_0 is the largest eigenvalue of −M(0), above which 0 is the minimiser, and λ_{t+1} = ``decay``·λ_t, so that a run
follows the minimisers from large penalties to small ones. If held-out observations decide when to stop, they choose λ.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import eigenvalues, project
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    momentum: float = Field(0.5, ge=0, lt=1)
    decay: float = Field(0.85, gt=0, lt=1, description="λ after a step over λ before")


class Algorithm(base.Algorithm):
    """A batch of proximal descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``estimate``, X; ``ahead``, Z; ``penalty``, λ. λ_0 comes from the gradient that the first step uses.
    """

    requires = frozenset({"gradient"})
    error = "ripples"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.momentum, self.decay = self.numbers("momentum"), self.numbers("decay")
        self.eye = torch.eye(ensemble.d).to(labels)

    def initial(self) -> base.State:
        """Return X_0 = Z_0 = 0 of every run, shape (B, d, d) each, and λ_0, shape (B, 1, 1)."""
        zero = self.zeros()
        largest = eigenvalues(-self.ensemble.gradient(zero, self.labels))[:, -1:, None]
        return {"estimate": zero, "ahead": zero, "penalty": largest.clamp(min=0)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        current, ahead, penalty = state["estimate"], state["ahead"], state["penalty"]
        for _ in range(count):
            slope = self.ensemble.gradient(ahead, self.labels) + penalty * self.eye
            following = project(ahead - self.steps * slope)
            ahead = following + self.momentum * (following - current)
            current, penalty = following, self.decay * penalty
        return {"estimate": current, "ahead": ahead, "penalty": penalty}
