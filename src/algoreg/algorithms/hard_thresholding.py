"""Iterative hard thresholding: X_{t+1} = P_r(Z_t − η_tM(Z_t)), Z_{t+1} = X_{t+1} + μ(X_{t+1} − X_t), from X_0 = 0.

P_r keeps the r largest positive eigenvalues. ``rule: fixed`` has η_t = η, which multiplies M ("M-form"): this is
singular value projection [jain2010] for positive semidefinite X*. ``rule: adaptive`` has
η_t = η‖H‖_F²/((1/m) Σ ⟨A_i, H⟩²), where H = P_T(M) is the part of M in the tangent space at X_t of the matrices of rank
r: at η = 1 this is normalised thresholding, after [tanner2013]. The momentum follows [khanna2018].
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import leading
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("keep",)
    keep: PositiveInt | None = Field(None, description="null for the target's rank")
    rule: Literal["fixed", "adaptive"] = "fixed"
    momentum: float = Field(0.0, ge=0, lt=1)


class Algorithm(base.Algorithm):
    """A batch of descents with thresholding; see :class:`algoreg.algorithms.base.Algorithm`.

    A step takes a pass and a decomposition in float64, and with the adaptive rule half a pass more, to measure H.
    State: ``estimate``, X; ``ahead``, Z; and ``basis``, whose first columns in a run are the eigenvectors that span X.
    With the adaptive rule, these are eigenvectors of −M(0) before the first step.
    """

    requires = frozenset({"gradient"})
    prior_knowledge = ("rank",)

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.ranks = [run["keep"] or run["rank"] for run in runs]
        if any(run["momentum"] for run in runs):
            self.error = "ripples"
        self.adaptive = self.runs_with("rule", "adaptive")
        self.any_adaptive = bool(self.adaptive.any())

    def initial(self) -> base.State:
        """Return X_0 = Z_0 = 0 of every run, shape (B, d, d) each, and the basis of the first step, shape (B, d, r)."""
        zero = self.zeros()
        basis = zero[:, :, : max(self.ranks)]
        if self.any_adaptive:
            basis = leading(-self.ensemble.gradient(zero, self.labels), self.ranks)[1].to(zero)
        return {"estimate": zero, "ahead": zero, "basis": basis.contiguous()}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        current, ahead, basis = state["estimate"], state["ahead"], state["basis"]
        momentum = self.numbers("momentum")
        for _ in range(count):
            gradient = self.ensemble.gradient(ahead, self.labels)
            values, vectors = leading(ahead - self._lengths(gradient, basis) * gradient, self.ranks)
            following = torch.bmm(vectors * values[:, None, :], vectors.mT).to(current)
            ahead = following + momentum * (following - current)
            current, basis = following, vectors.to(current)
        return {"estimate": current, "ahead": ahead, "basis": basis}

    def _lengths(self, gradient: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
        """Return η_t of every run, shape (B, 1, 1)."""
        if not self.any_adaptive:
            return self.steps
        rows = torch.bmm(basis.mT, gradient)
        one_side = torch.bmm(basis, rows)
        tangent = one_side + one_side.mT - torch.bmm(basis, torch.bmm(torch.bmm(rows, basis), basis.mT))
        size = torch.linalg.matrix_norm(tangent)[:, None, None]
        # The direction is scaled to norm 1, because the square of a tiny one would be 0.
        direction = torch.where(size > 0, tangent / size, 0.0)
        seen = self.ensemble.label_size(self.ensemble.label(direction))[:, None, None]
        normalised = torch.where(seen > 0, self.steps / seen.square(), self.steps)
        return torch.where(self.adaptive[:, None, None], normalised, self.steps)
