"""Projected gradient descent on {X ⪰ 0, tr X = θ} with momentum: X_{t+1} = P(Z_t − ηM(Z_t)), from X_0 = 0.

Z_{t+1} = X_{t+1} + μ(X_{t+1} − X_t). P projects the eigenvalues on the simplex of sum θ. The algorithm knows the trace
and not the rank: among the matrices that fit, the trace alone selects X*, as least trace does without knowing it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field, PositiveFloat

from algoreg.algorithms import base
from algoreg.algorithms.frank_wolfe import on_simplex
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import decomposed
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    momentum: float = Field(0.7, ge=0, lt=1)
    theta: PositiveFloat | None = Field(None, description="θ; null for the target's trace")


class Algorithm(base.Algorithm):
    """A batch of projected descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``estimate``, X, and ``ahead``, Z.
    """

    requires = frozenset({"gradient"})
    prior_knowledge = ("trace",)
    # From 0 the first step leads to a matrix of trace θ, whatever the step size.
    error = "anyhow"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.momentum = self.numbers("momentum")
        thetas = [run["theta"] or run["trace"] for run in runs]
        self.thetas = torch.tensor(thetas, dtype=torch.float64, device=labels.device)

    def initial(self) -> base.State:
        """Return X_0 = Z_0 = 0 of every run, shape (B, d, d) each."""
        zero = self.zeros()
        return {"estimate": zero, "ahead": zero}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        current, ahead = state["estimate"], state["ahead"]
        for _ in range(count):
            moved = ahead - self.steps * self.ensemble.gradient(ahead, self.labels)
            values, vectors = (rising.flip(-1) for rising in decomposed(moved))
            sizes = on_simplex(values, self.thetas)
            following = torch.bmm(vectors * sizes[:, None, :], vectors.mT).to(current)
            ahead = following + self.momentum * (following - current)
            current = following
        return {"estimate": current, "ahead": ahead}
