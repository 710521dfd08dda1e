"""Projected gradient descent on X itself: X_{t+1} = P(X_t − ηM_t) [LMZ18, Appendix B, Figure 4].

P is the projection on the PSD cone. The step η multiplies M_t = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i ("M-form"). The gradient
of (1/m) Σ (·)² in X is 2M_t, so the published step 0.0025 is η = 0.005 here.
"""

from typing import Literal

import torch

from algoreg.algorithms import base
from algoreg.numerics.eigen import project
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    start: Literal["zero", "identity"] = "zero"


class Algorithm(base.Algorithm):
    """A batch of projected descents; see :class:`algoreg.algorithms.base.Algorithm`. State: ``estimate``, X."""

    requires = frozenset({"gradient"})

    def initial(self) -> base.State:
        """Return X_0 of every run, shape (B, d, d)."""
        eye = torch.eye(self.ensemble.d).to(self.labels)
        starts = [eye if run["start"] == "identity" else torch.zeros_like(eye) for run in self.runs]
        return {"estimate": torch.stack(starts)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        estimate = state["estimate"]
        for _ in range(count):
            estimate = project(estimate - self.steps * self.ensemble.gradient(estimate, self.labels))
        return {"estimate": estimate}
