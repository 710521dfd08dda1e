"""What descent from a small random start finds first: angles to the labels' eigenvectors and to X*,
and the smallest error.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.eigen import leading
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: PositiveFloat
    width: Several[Literal["r", "2r", "d"]] = Field(["r", "2r", "d"])
    alpha: Several[PositiveFloat]
    step: PositiveFloat = 0.5
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank > self.d:
            raise misfit(self, "twice the rank at most d", "rank", "d")
        refuse_determined(self, self.m_over_dr, self.rank)
        return self


KEYS = {
    "width": ("the width", "columns of the factor: r, 2r or d"),
    "alpha": "initialisation scale α: U₀ = αG, entries of G iid N(0, 1/d)",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "early": "first iteration t₁ at which ‖UUᵀ‖_F is above 0.001 (X* has eigenvalues 1)",
    "angle_to_labels": "sine of the largest angle between the r leading eigenvectors of X at t₁ and those of (1/m) Σ yᵢAᵢ",
    "angle_to_target": "the same to the eigenvectors of X*",
    "preference": (
        "the angle to the labels' eigenvectors over that to those of X*",
        "`angle_to_labels` over `angle_to_target`: 1 is no preference",
    ),
    "smallest_error": ("the smallest error along the run", "smallest ‖X − X*‖_F / ‖X*‖_F of all iterations"),
    "predicted": "2(1 − λ_{r+1}/λ̄) of N = (1/m) Σ yᵢAᵢ, λ̄ the mean of its r largest eigenvalues: the exponent of the error in α",
}
# ‖UUᵀ‖_F, of X* with eigenvalues 1, at which the angles are read.
EARLY = 1e-3
# A run below this error has no floor that is more than rounding.
EXACT = 1e-12


class Phase(Observer):
    """Angles at the first look with ‖UUᵀ‖_F above ``EARLY``, and the smallest error of all iterations.

    Memory: ``early`` (B,), ``angles`` (B, 2), NaN before; ``smallest`` (B,).

    Parameters
    ----------
    bases : tuple of torch.Tensor, each of shape (B, d, r)
        Orthonormal: the labels' eigenvectors, and those of X*.
    """

    stride = 1
    per_run = begins(early=np.nan, smallest=np.inf)

    def __init__(self, bases):
        self.bases = bases

    def prepare(self, batch):
        """Begin without angles."""
        super().prepare(batch)
        self.memory["angles"] = np.full((len(batch.runs), 2), np.nan)

    def observe(self, snapshot):
        """Take in errors, and angles where they are due."""
        memory, runs = self.memory, snapshot.active
        memory["smallest"][runs] = np.fmin(memory["smallest"][runs], snapshot.test_error)
        grown = torch.linalg.matrix_norm(snapshot.estimate).cpu().numpy() > EARLY
        due = np.flatnonzero(grown & np.isnan(memory["early"][runs]))
        if len(due):
            memory["early"][runs[due]] = snapshot.iteration
            memory["angles"][runs[due]] = self._angles(snapshot.estimate[due], torch.from_numpy(runs[due]))
        return snapshot.test_error < EXACT

    def _angles(self, estimates, runs):
        rank = self.bases[0].shape[2]
        _, own = leading(estimates, [rank] * len(estimates))
        return np.stack([sine(own, basis[runs].to(own)).cpu().numpy() for basis in self.bases], axis=1)


def sine(first, second):
    """Return the sine of the largest angle between orthonormal bases (B, d, r), shape (B,)."""
    apart = first - torch.bmm(second, torch.bmm(second.mT, first))
    return torch.linalg.matrix_norm(apart, ord=2)


def measure(options, context, number):
    """Return one row per width, α, target and ensemble; X* has r eigenvalues 1, κ = 1 [stoger2021].

    The starts are the first columns of one Gaussian matrix. T is 60 + 5 log(1/α) in units of 1/η: it covers the escape
    and the fall to the floor, after which the error rises.
    """
    d, rank, step, count = (options[key] for key in ("d", "rank", "step", "targets"))
    m = round(options["m_over_dr"] * d * rank)
    factors = draw_factors(spectrum_target(rank, 1), d, rank, context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    widths = {"r": rank, "2r": 2 * rank, "d": d}
    places = list(product(options["width"], options["alpha"], range(count)))
    runs = [
        {"width": widths[width], "alpha": alpha, "target": target, "m": m, "step": step, "start": "gaussian"}
        | {"iterations": round((60 + 5 * math.log(1 / alpha)) / step)}
        for width, alpha, target in places
    ]
    chosen = factors[[run["target"] for run in runs]]
    goals = torch.bmm(chosen, chosen.mT)
    labels = ensemble.label(goals)
    pulled = -ensemble.gradient(torch.zeros_like(goals), labels)
    values, vectors = leading(pulled, [rank + 1] * len(runs))
    predicted = 2 * (1 - values[:, rank] / values[:, :rank].mean(dim=1))
    seen = Phase((vectors[:, :, :rank], chosen))
    status = context.run(ensemble, Algorithm, runs, goals, [seen], labels=labels).status
    shared = {"d": d, "rank": rank, "m": m, "ensemble": number}
    memory = [seen.memory[key].tolist() for key in ("early", "angles", "smallest")]
    return [
        shared
        | {"width": width, "alpha": alpha, "target": target, "early": early, "status": ended}
        | {"angle_to_labels": own, "angle_to_target": other, "preference": own / other}
        | {"smallest_error": smallest, "predicted": expected}
        for (width, alpha, target), ended, early, (own, other), smallest, expected in zip(
            places, status, *memory, predicted.tolist(), strict=True
        )
    ]
