"""Factored descent with a sign per column: X = U·diag(s)·Uᵀ and U_{t+1} = U_t − ηM_tU_t·diag(s).

It fits X that are not definite. With columns of both signs X = VVᵀ − WWᵀ, the matrix form of u∘u − v∘v [woodworth2020].
By default half of the columns have the sign −, and both halves are initialised at αB, so that X_0 = 0. η multiplies M
("M-form").
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from algoreg.algorithms import base
from algoreg.algorithms.factored import side_by_side, start_matrix
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("width", "negative")
    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"
    width: PositiveInt | None = Field(None, description="columns of sign +; null for d")
    negative: NonNegativeInt | None = Field(None, description="columns of sign −; null for as many as of sign +")


class Algorithm(base.Algorithm):
    """A batch of signed descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``factor``, U, shape (B, d, k), and ``signs``, s, shape (B, 1, k), which are +1 and −1. Narrower runs are
    padded with columns of 0, whose sign is 0.
    """

    requires = frozenset({"gradient"})
    estimates = "symmetric"

    def initial(self) -> base.State:
        """Return U_0, the first columns of αB once for each sign, and the signs of every run."""
        d, starts, signs = self.ensemble.d, [], []
        for run in self.runs:
            positive = run["width"] or d
            negative = positive if run["negative"] is None else run["negative"]
            start = run["alpha"] * start_matrix(run["start"], d, self.seed, run["target"])
            starts.append(torch.cat([start[:, :positive], start[:, :negative]], dim=1))
            signs.append(torch.tensor([[1.0] * positive + [-1.0] * negative]))
        return {"factor": side_by_side(starts).to(self.labels), "signs": side_by_side(signs).to(self.labels)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        factor, signs = state["factor"], state["signs"]
        for _ in range(count):
            gradient = self.ensemble.gradient(self.estimate({"factor": factor, "signs": signs}), self.labels)
            factor = torch.addcmul(factor, self.steps * signs, torch.bmm(gradient, factor), value=-1)
        return {"factor": factor, "signs": signs}

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X = U·diag(s)·Uᵀ of every run."""
        return torch.bmm(state["factor"] * state["signs"], state["factor"].mT)
