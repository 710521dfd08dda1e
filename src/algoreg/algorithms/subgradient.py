"""Subgradient descent of the absolute loss on U: U_{t+1} = U_t − η_t(1/m) Σ sign(⟨A_i, U_tU_tᵀ⟩ − y_i)A_iU_t [ma2023].

η_t = ηρ^t, and the step follows half the subgradient of (1/m) Σ |⟨A_i, UUᵀ⟩ − y_i|, in which an outlier weighs no more
than any other observation. Steps of constant size do not converge. The sum η/(1 − ρ) of the step sizes has to reach
from the initialisation to X*: a few times log(1/α).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat

from algoreg.algorithms import base, factored
from algoreg.ensembles.base import Measurements
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"
    decay: float = Field(0.99, gt=0, le=1, description="ρ, by which the step shrinks")


class Algorithm(factored.Algorithm):
    """A batch of subgradient descents; see :class:`algoreg.algorithms.factored.Algorithm`. State: ``factor``, U."""

    ensemble: Measurements
    requires = frozenset({"gradient", "single measurements"})
    error = "ripples"

    def __init__(
        self, ensemble: Measurements, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int
    ) -> None:
        super().__init__(ensemble, labels, runs, seed)
        column: dict[str, Any] = {"dtype": torch.float64, "device": labels.device}
        self.decays = torch.tensor([run["decay"] for run in runs], **column)[:, None, None]
        counts = torch.tensor([run["m"] for run in runs], device=labels.device)[:, None]
        self.is_measured = torch.arange(ensemble.m, device=labels.device) < counts
        self.counts = counts[:, :, None].to(labels)

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        factor = state["factor"]
        for number in range(iteration, iteration + count):
            residual = self.ensemble.measure(torch.bmm(factor, factor.mT)) - self.labels
            pull = torch.bmm(self.ensemble.adjoint(torch.where(self.is_measured, residual.sign(), 0.0)), factor)
            lengths = (self.steps * self.decays**number).to(factor) / self.counts
            factor = factor - lengths * pull
        return {"factor": factor}
