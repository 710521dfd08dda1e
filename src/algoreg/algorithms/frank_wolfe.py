"""Frank–Wolfe over {X ⪰ 0, tr X ≤ θ} from X_0 = 0: X_{t+1} = X_t + γ_t(S_t − X_t), one eigenvector a step [jaggi2013].

S = θvvᵀ, where v is the eigenvector of the largest eigenvalue of −M, M = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i; if no eigenvalue
is positive, S = 0. ``rule: open-loop`` has γ_t = 2/(t+2), ``line-search`` the γ of least loss on the segment. ``rule:
rank-k`` has as S the matrix of rank k and trace θ nearest to X − ηM, and γ = ``weight`` [allenzhu2017]: in terms of
their β and their η = γ, the η here is 1/(βγ). Only this rule uses the step size, and only this rule uses a rank, unless
``keep`` is ``all``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import decomposed
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    rule: Literal["open-loop", "line-search", "rank-k"] = "open-loop"
    trace_factor: PositiveFloat = Field(1.0, description="θ over the target's trace")
    theta: PositiveFloat | None = Field(None, description="θ; null for trace_factor times the target's trace")
    keep: PositiveInt | Literal["all"] | None = Field(None, description="k; all for d, null for the target's rank")
    weight: float = Field(0.5, gt=0, le=1)


def on_simplex(values: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
    """Return the non-negative vectors with given sums (B,) that are nearest to vectors with falling entries (B, K).

    Entries of −∞ become 0.
    """
    excess = values.cumsum(1) - totals[:, None]
    levels = excess / torch.arange(1, values.shape[1] + 1, device=values.device)
    # The entries that stay positive are those above the level by which they would be lowered; −∞ never is.
    last = (values > levels).sum(1, keepdim=True).clamp(min=1) - 1
    return (values - levels.gather(1, last)).clamp(min=0)


class Algorithm(base.Algorithm):
    """A batch of Frank–Wolfe descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``estimate``, X, and ``gradient``, M at X. A step takes a pass and a decomposition, also with a line search,
    because the gradient at the new X follows from the gradients at X and at S.
    """

    requires = frozenset({"gradient"})
    prior_knowledge = ("trace", "rank")

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        thetas = [run["theta"] or run["trace_factor"] * run["trace"] for run in runs]
        self.thetas = self._column(thetas)
        self.weights = self._column([run["weight"] for run in runs])[:, None, None]
        self.rules = {
            rule: self.runs_with("rule", rule)[:, None, None] for rule in ("open-loop", "line-search", "rank-k")
        }
        self.any_searching = bool(self.rules["line-search"].any())
        if any(run["rule"] != "line-search" for run in runs):
            # Weights of 2/(t + 2), or constant ones, do not depend on the error, and from 0 they reach the trace θ
            # whatever the step size.
            self.error = "anyhow"
        kept = [self._kept(run) for run in runs]
        self.beyond = torch.arange(ensemble.d, device=labels.device) >= self._column(kept)[:, None]

    def _kept(self, run: Mapping[str, Any]) -> int:
        """Return k of a run, the largest rank that S may have."""
        if run["rule"] != "rank-k":
            return 1
        return self.ensemble.d if run["keep"] == "all" else run["keep"] or run["rank"]

    def _column(self, numbers: Sequence[float]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float64, device=self.labels.device)

    def initial(self) -> base.State:
        """Return X_0 = 0 of every run and the gradient there, shape (B, d, d) each; this takes a pass."""
        zero = self.zeros()
        return {"estimate": zero, "gradient": self.ensemble.gradient(zero, self.labels)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        estimate, gradient = state["estimate"], state["gradient"]
        searching = self.rules["line-search"]
        for number in range(iteration, iteration + count):
            goal = self._goal(estimate, gradient)
            weights = torch.where(self.rules["rank-k"], self.weights, 2 / (number + 2)).to(estimate)
            ahead = estimate + weights * (goal - estimate)
            seen = self.ensemble.gradient(torch.where(searching, goal, ahead), self.labels)
            if self.any_searching:
                best = self._best(goal - estimate, gradient, seen)
                ahead = torch.where(searching, estimate + best * (goal - estimate), ahead)
                seen = torch.where(searching, gradient + best * (seen - gradient), seen)
            estimate, gradient = ahead, seen
        return {"estimate": estimate, "gradient": gradient}

    def _goal(self, estimate: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return S of every run, shape (B, d, d)."""
        centre = torch.where(self.rules["rank-k"], estimate - self.steps * gradient, -gradient)
        values, vectors = (rising.flip(-1) for rising in decomposed(centre))
        sizes = on_simplex(values.masked_fill(self.beyond, -torch.inf), self.thetas)
        useless = ~self.rules["rank-k"][:, :, 0] & (values[:, :1] <= 0)
        sizes = torch.where(useless, 0.0, sizes)
        return torch.bmm(vectors * sizes[:, None, :], vectors.mT).to(estimate)

    @staticmethod
    def _best(direction: torch.Tensor, gradient: torch.Tensor, beyond: torch.Tensor) -> torch.Tensor:
        """Return the γ of least loss along a direction, shape (B, 1, 1), from the gradients at both of its ends."""
        slope = -(direction * gradient).sum((1, 2), keepdim=True)
        curvature = (direction * (beyond - gradient)).sum((1, 2), keepdim=True)
        return torch.where(curvature > 0, slope / curvature, 0.0).clamp(0, 1)
