"""Factored gradient descent with Polyak's step: U_{t+1} = U_t − η f/|∇f|² ∇f, for a loss f whose least value is 0.

With f = 1/(2m) Σ (⟨A_i, UUᵀ⟩ − y_i)² and ∇f = 2MU, M = (1/m) Σ (⟨A_i, UUᵀ⟩ − y_i) A_i, and ρ² = 2f the mean square of
the residual, a step is U − η ρ²/(4|MU|²) MU. η = 1 is Polyak's; no scale of the problem is in it. Near U = 0, a saddle,
∇f is small and f is not, so that a step from a small initialisation leaps away: the initialisation is spectral.
"""

from typing import Literal

import torch

from algoreg.algorithms import factored


class Options(factored.Options):
    """Options of a run, besides its step η and its iterations."""

    start: Literal["identity", "orthonormal", "gaussian", "spectral"] = "spectral"


class Algorithm(factored.Algorithm):
    """A batch of descents with Polyak's step. State: ``factor``, U."""

    requires = frozenset({"gradient"})
    # The loss may rise in a step: only the distance to a minimum falls, and only near one.
    error = "anyhow"

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps, each of them one pass over the data."""
        factor = state["factor"]
        for _ in range(count):
            gradient, residual = self.ensemble.gradient_and_residual(torch.bmm(factor, factor.mT), self.labels)
            direction = torch.bmm(gradient, factor)
            size = direction.square().sum((1, 2), keepdim=True)
            # Where the gradient is 0 the step is 0.
            length = residual.square()[:, None, None] / (4 * size).clamp(min=torch.finfo(size.dtype).tiny)
            factor = factor - self.steps * length * direction
        return {"factor": factor}
