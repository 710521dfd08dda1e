"""Factored gradient descent that keeps its M_t: U_{t+1} = U_t − ηM_tU_t, to check statements about a single step.

Up to rounding it is the same descent as ``factored``, which is faster because it takes whole steps in compiled loops.
"""

from typing import Literal

import torch
from pydantic import PositiveFloat

from algoreg.algorithms import base, factored
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"


class Algorithm(factored.Algorithm):
    """A batch of factored descents.

    State: ``factor``, U_t, and from the last step ``gradient``, M_{t−1}, and ``pull``, M_{t−1}U_{t−1}.
    """

    requires = frozenset({"gradient"})

    def initial(self) -> base.State:
        """Return U_0 = αB of every run, shape (B, d, d); gradient and pull are 0 before the first step."""
        start = super().initial()["factor"]
        return {"factor": start, "gradient": torch.zeros_like(start), "pull": torch.zeros_like(start)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        for _ in range(count):
            factor = state["factor"]
            gradient = self.ensemble.gradient(torch.bmm(factor, factor.mT), self.labels)
            pull = torch.bmm(gradient, factor)
            state = {"factor": factor - self.steps * pull, "gradient": gradient, "pull": pull}
        return state
