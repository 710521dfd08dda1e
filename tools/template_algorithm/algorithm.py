"""The algorithm myalgorithm: factored gradient descent with weight decay, U_{t+1} = U_t − η(M_t + λI)U_t.

M_t = (1/m) Σ (⟨A_i, U_tU_tᵀ⟩ − y_i) A_i, and η multiplies it ("M-form"). λ = 0 is plain descent. Say here what yours
does.
"""

from typing import Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat

from algoreg.algorithms import factored
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """What a run can be told, beside its step and its iterations; what is wrong is refused before any job."""

    alpha: PositiveFloat
    start: Literal["identity"] = "identity"
    decay: NonNegativeFloat = Field(0.1, description="λ")


class Algorithm(factored.Algorithm):
    """A batch of descents with weight decay; see :class:`algoreg.algorithms.factored.Algorithm`.
    State: ``factor``, U.
    """

    # What it asks of an ensemble, what of X* it is told beside the labels, and where its estimates lie.
    requires = frozenset({"gradient"})
    prior_knowledge = ()
    estimates = "psd"

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps, each of them one pass over the data."""
        factor, decay = state["factor"], self.numbers("decay")
        for _ in range(count):
            gradient = self.ensemble.gradient(torch.bmm(factor, factor.mT), self.labels)
            factor = factor - self.steps * (torch.bmm(gradient, factor) + decay * factor)
        return {"factor": factor}
