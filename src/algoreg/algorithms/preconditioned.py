"""Preconditioned factored descent: U_{t+1} = U_t − ηM_tU_t(U_tᵀU_t + λ_tI)⁻¹, where η multiplies M ("M-form").

``damping: none`` has λ = 0: ScaledGD [tong2021] for positive semidefinite X*. ``constant`` has a constant λ:
ScaledGD(λ) [xu2023]. ``residual`` has λ_t = c·√((1/m) Σ (⟨A_i, X_t⟩ − y_i)²): PrecGD [zhang2021]. The loss there is
(1/m) Σ (·)², whose gradient in U is 4MU, so its step size is η/4 in terms of the η here, and λ_t = c·√loss. As λ → ∞
with η = λη', the descent becomes plain descent with step size η'.

The undamped step divides by the square of the factor, so from a small initialisation the first step has size 1/α,
whatever U_0 was. It needs a factor with the rank of X*, and the unscaled spectral initialisation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveFloat, model_validator

from algoreg.algorithms import base, factored
from algoreg.ensembles.base import Ensemble
from algoreg.settings.base import as_list, misfit


class Options(factored.Options):
    """Options of a run."""

    damping: Literal["none", "constant", "residual"] = "residual"
    coefficient: PositiveFloat = Field(1.0, description="λ if damping is constant, c if it is residual")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if "none" in as_list(self.damping):
            if {*as_list(self.start)} != {"spectral"} or {*as_list(self.alpha)} != {1.0}:
                allowed = "constant or residual, and none from start: spectral with alpha: 1 alone: a small start is forgotten"
                raise misfit(self, allowed, "damping")
            elif None in as_list(self.width):
                raise misfit(self, "none with a width, the target's rank: without it U has columns of 0", "damping")
        return self


class Algorithm(factored.Algorithm):
    """A batch of preconditioned descents; see :class:`algoreg.algorithms.factored.Algorithm`. State: ``factor``, U.

    A step takes one pass; with residual damping, the ensemble may take the forward and the adjoint pass one after the
    other, which reads the measurements twice. The k×k systems are solved in float64. A damping λ is at least the
    rounding error of UᵀU, so that a damped run that fits its labels to the last digit can continue. An undamped run
    whose U has lost a column becomes NaN.
    """

    requires = frozenset({"gradient"})

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.coefficients = self.numbers("coefficient").double()[:, 0, 0]
        self.undamped, self.follows = (self.runs_with("damping", name) for name in ("none", "residual"))
        self.any_follows = bool(self.follows.any())
        self.widths = torch.tensor([self.width(run) for run in runs], device=labels.device)

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        factor = state["factor"]
        for _ in range(count):
            estimate = torch.bmm(factor, factor.mT)
            gradient, damping = self._seen(estimate)
            factor = factor - self.steps * self._preconditioned(torch.bmm(gradient, factor), factor, damping)
        return {"factor": factor}

    def _seen(self, estimate: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return M and λ of every run, shape (B,), float64."""
        if not self.any_follows:
            return self.ensemble.gradient(estimate, self.labels), self.coefficients
        gradient, residual = self.ensemble.gradient_and_residual(estimate, self.labels)
        return gradient, torch.where(self.follows, self.coefficients * residual.double(), self.coefficients)

    def _preconditioned(self, pull: torch.Tensor, factor: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        """Return MU(UᵀU + λI)⁻¹ of every run, NaN where UᵀU + λI is singular."""
        wide = factor.double()
        square = torch.bmm(wide.mT, wide)
        diagonal = torch.diagonal(square, dim1=1, dim2=2)
        columns = torch.arange(square.shape[1], device=square.device)
        rounding = len(columns) * torch.finfo(torch.float64).eps * diagonal.sum(dim=1)
        damping = torch.maximum(damping, rounding).masked_fill(self.undamped, 0)
        # Padding columns are 0, and any positive number on the diagonal keeps them at 0.
        diagonal += torch.where(columns < self.widths[:, None], damping[:, None], 1.0)
        # Since UᵀU + λI is symmetric, the right inverse is applied by solving from the left and transposing.
        solved, failed = torch.linalg.solve_ex(square, pull.double().mT)
        return solved.mT.masked_fill((failed != 0)[:, None, None], torch.nan).to(factor.dtype)
