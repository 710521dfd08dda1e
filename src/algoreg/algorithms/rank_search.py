"""Hard thresholding that searches for the rank: it keeps one eigenvalue, and one more whenever the residual stalls.

X_{t+1} = P_k(Z_t − ηM(Z_t)), Z_{t+1} = X_{t+1} + μ(X_{t+1} − X_t), from X_0 = 0 with k = 1; P_k keeps the k largest
positive eigenvalues. Let ρ_t be the root mean square residual at Z_t. If ρ_t is above ``stall``·ρ_{t−1}, k grows by one
before step t is taken; at the step after a growth there is no comparison. The algorithm knows neither the rank nor a
bound on it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import decomposed
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    momentum: float = Field(0.5, ge=0, lt=1)
    stall: float = Field(
        0.99, gt=0, lt=1, description="the rank grows where a step leaves more of the residual than this"
    )


class Algorithm(base.Algorithm):
    """A batch of searches; see :class:`algoreg.algorithms.base.Algorithm`.

    A step takes a pass, which gives the residual with the gradient, and a decomposition in float64. State:
    ``estimate``, X; ``ahead``, Z; ``kept``, k; ``residual``, ρ of the step before, which is infinite if there is no
    comparison.
    """

    requires = frozenset({"gradient"})
    error = "ripples"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.momentum, self.stall = self.numbers("momentum"), self.numbers("stall")[:, 0, 0]
        self.indices = torch.arange(ensemble.d, device=labels.device)

    def initial(self) -> base.State:
        """Return X_0 = Z_0 = 0 of every run, shape (B, d, d) each, and k = 1 and ρ = ∞, shape (B,) each."""
        zero = self.zeros()
        kept = torch.ones(len(self.runs), dtype=torch.int64, device=zero.device)
        return {"estimate": zero, "ahead": zero, "kept": kept, "residual": torch.full_like(zero[:, 0, 0], torch.inf)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        current, ahead, kept, before = (state[name] for name in ("estimate", "ahead", "kept", "residual"))
        for _ in range(count):
            gradient, residual = self.ensemble.gradient_and_residual(ahead, self.labels)
            stalled = residual > self.stall * before
            kept = (kept + stalled).clamp(max=self.ensemble.d)
            before = torch.where(stalled, torch.inf, residual)
            values, vectors = (rising.flip(-1) for rising in decomposed(ahead - self.steps * gradient))
            sizes = torch.where(self.indices < kept[:, None], values.clamp(min=0), 0.0)
            following = torch.bmm(vectors * sizes[:, None, :], vectors.mT).to(current)
            ahead = following + self.momentum * (following - current)
            current = following
        return {"estimate": current, "ahead": ahead, "kept": kept, "residual": before}
