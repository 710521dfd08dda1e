"""How far two factors get out of balance by descent with a finite step, from small and from larger starts."""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.asymmetric import Algorithm
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.problems import draw_rectangulars
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    # X is d × columns.
    d: int = Field(ge=2)
    columns: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(2.0, ge=1)
    # m over r(d + columns).
    m_over_freedom: float = Field(3.0, gt=1)
    alpha: Several[PositiveFloat]
    step: Several[Annotated[float, Field(gt=0, le=0.2)]]
    # η·t.
    time: PositiveFloat
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank > min(self.d, self.columns):
            raise misfit(self, "twice the rank at most the smaller side", "rank", "d", "columns")
        return self


KEYS = {
    "alpha": "initialisation scale α: L₀ = αG₁, R₀ = αG₂, entries iid N(0, 1/d1) and N(0, 1/d2)",
    "step": ("the step η", "step size η in M-form, as it ran"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "columns": "columns of X, which is d × columns",
    "rank": None,
    "kappa": None,
    "m": None,
    "start_imbalance": "‖LᵀL − RᵀR‖_F of the start",
    "imbalance": (
        "the largest imbalance along the run",
        "largest ‖LᵀL − RᵀR‖_F at an iteration up to T (empty: X has not left its start by T)",
    ),
    "test_error": "‖X − X*‖_F / ‖X*‖_F at T",
}
# A relative error above this at T is that of a start that was not left.
LEFT = 0.5


class Imbalance(Observer):
    """The first and the largest ‖LᵀL − RᵀR‖_F of every run, and its last error:
    memory ``first``, ``largest``, ``last`` (B,).
    """

    stride = 1
    per_run = begins(first=np.nan, largest=0.0, last=np.nan)

    def observe(self, snapshot):
        """Take in the imbalance."""
        left, right = snapshot.state["left"], snapshot.state["right"]
        apart = torch.linalg.matrix_norm(torch.bmm(left.mT, left) - torch.bmm(right.mT, right)).cpu().numpy()
        memory, runs = self.memory, snapshot.active
        if snapshot.iteration == 0:
            memory["first"][runs] = apart
        memory["largest"][runs] = np.maximum(memory["largest"][runs], apart)
        memory["last"][runs] = snapshot.test_error


def measure(options, context, number):
    """Return one row per α, η, target and ensemble; L and R have 2r columns [soltanolkotabi2023].

    Gradient flow conserves LᵀL − RᵀR. A run that T is too short for has no imbalance, and so is not judged.
    """
    d, columns, rank, count = (options[key] for key in ("d", "columns", "rank", "targets"))
    m = round(options["m_over_freedom"] * rank * (d + columns))
    goals = draw_rectangulars(d, columns, rank, options["kappa"], context, count)
    ensemble = Ensemble.draw(d, m, context.seed, number, context.device, context.dtype, columns)
    places = list(product(options["alpha"], options["step"], range(count)))
    shared = {"m": m, "width": 2 * rank, "balance": 1.0, "rule": "simultaneous", "damping": 0.0}
    runs = [
        {"alpha": alpha, "step": step, "target": target, "iterations": round(options["time"] / step), **shared}
        for alpha, step, target in places
    ]
    own, seen = goals[[target for *_, target in places]], Imbalance()
    status = context.run(ensemble, Algorithm, runs, own, [seen]).status
    sizes = {"d": d, "columns": columns, "rank": rank, "kappa": options["kappa"], "m": m, "ensemble": number}
    memory = (seen.memory[key].tolist() for key in ("first", "largest", "last"))
    return [
        {**sizes, "alpha": alpha, "step": step, "target": target, "status": ended, "start_imbalance": first}
        | {"imbalance": largest if error < LEFT else float("nan"), "test_error": error}
        for (alpha, step, target), ended, first, largest, error in zip(places, status, *memory, strict=True)
    ]
