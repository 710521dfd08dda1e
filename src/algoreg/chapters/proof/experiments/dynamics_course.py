"""Whole courses of signal, error, angle and singular values along gradient descent, thinned out for pictures."""

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.explicit import Algorithm
from algoreg.chapters.proof.experiments.rank_r_dynamics import Split, planted_factors
from algoreg.chapters.proof.experiments.rip import bracket, gram_matrix
from algoreg.engine.observers import Observer, begins
from algoreg.numerics.diagnostics import effective_rank
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=8)
    rank: Several[Annotated[int, Field(ge=1, le=6)]]
    kappa: float = Field(ge=1)
    alpha: PositiveFloat
    m_over_dr: Several[PositiveInt]
    step: float = Field(gt=0, le=0.5)
    iterations: PositiveInt
    every: PositiveInt
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.rank) >= self.d:
            raise misfit(self, "ranks below d", "rank", "d")
        if self.every > self.iterations:
            raise misfit(self, "every at most iterations", "every", "iterations")
        return self


KEYS = {"rank": None, "m_over_dr": None, "iteration": "iteration t, as it ran", "target": None, "ensemble": None}
VALUES = {
    "d": None,
    "m": None,
    "kappa": None,
    "alpha": None,
    "step": None,
    "delta_low": "lower end of the bracket of δ of rank 4r",
    "delta_up": None,
    "test_error": None,
    "effective_rank": None,
    "signal": "σ_min(U*ᵀZ_t), U* orthonormal, Z_t the signal part of U_t = Z_t + E_t",
    "error": "‖E_t‖, spectral norm",
    "error_frobenius": "‖E_t‖_F",
    "sine": "sine of the largest principal angle between S_t and span(U*)",
    "sigma_1": "largest singular value of U_t",
    "sigma_2": "2nd largest singular value of U_t",
    "sigma_3": "3rd largest singular value of U_t",
    "sigma_4": "4th largest singular value of U_t",
    "sigma_5": "5th largest singular value of U_t",
    "sigma_6": "6th largest singular value of U_t",
    "sigma_7": "7th largest singular value of U_t",
}
SINGULAR_VALUES = 7


class Spectra(Observer):
    """Errors and spectra of every run at every so many iterations.

    Memory: ``singular`` (K, B, d), ``effective`` and ``errors`` (K, B): singular values, effective rank and relative
    test error.

    Parameters
    ----------
    stride : int
    """

    per_snapshot = begins(effective=np.nan, errors=np.nan)

    def __init__(self, stride):
        self.stride = stride

    def prepare(self, batch):
        """Begin without spectra."""
        self.iterations = range(0, int(batch.budgets.max()) + 1, self.stride)
        super().prepare(batch)
        self.memory["singular"] = np.full((len(self.iterations), *batch.targets.shape[:2]), np.nan)

    def observe(self, snapshot):
        """Record the runs that have not diverged, if it is their turn."""
        good = ~snapshot.diverged
        if snapshot.iteration % self.stride or not good.any():
            return
        k, runs = snapshot.iteration // self.stride, snapshot.active[good]
        values = torch.linalg.svdvals(snapshot.state["factor"][snapshot.rows(good)])
        self.memory["singular"][k, runs] = values.cpu().numpy()
        self.memory["effective"][k, runs] = effective_rank(values.square()).cpu().numpy()
        self.memory["errors"][k, runs] = snapshot.test_error[good]


def measure(options, context, number, rank, m_over_dr):
    """Return a row per rank, m, kept iteration, target and ensemble.

    The split U_t = Z_t + E_t is along S_t, which moves with the run. Values are empty where a run diverged.
    """
    d, step, last = options["d"], options["step"], options["iterations"]
    m = m_over_dr * d * rank
    factors = planted_factors(options, rank, options["kappa"], context)
    targets, frames = factors @ factors.mT, torch.linalg.qr(factors)[0]
    ensemble = gram_matrix(d, m, context, number)
    low, up = bracket(ensemble, min(4 * rank, d), context.seed)
    timed = {"m": m, "step": step, "alpha": options["alpha"], "start": "identity", "iterations": last}
    runs = [{**timed, "target": target} for target in range(options["targets"])]
    split, kept = Split(factors, frames, step), Spectra(options["every"])
    descent = context.run(ensemble, Algorithm, runs, targets, [split, kept])
    shared = {"rank": rank, "m_over_dr": m_over_dr, "ensemble": number, "m": m, "delta_low": low, "delta_up": up}
    shared |= {name: options[name] for name in ("d", "kappa", "alpha", "step")}
    return [
        shared
        | {"iteration": iteration, "target": target, "status": descent.status[target]}
        | _measured(split, kept, iteration, target, descent.status[target] == "diverged")
        for target in range(options["targets"])
        for iteration in range(0, last + 1, options["every"])
    ]


def _measured(split, kept, iteration, target, lost):
    """Return what is measured of a run at a kept iteration; NaN where it diverged."""
    k, course = iteration // kept.stride, split.course(target, iteration)
    names = {"signal": "across_least", "error": "error", "error_frobenius": "error_frobenius", "sine": "sine"}
    measured = {
        "test_error": float(kept.memory["errors"][k, target]),
        "effective_rank": float(kept.memory["effective"][k, target]),
        **{name: float(course[quantity][iteration]) for name, quantity in names.items()},
        **{f"sigma_{i + 1}": float(kept.memory["singular"][k, target, i]) for i in range(SINGULAR_VALUES)},
    }
    return dict.fromkeys(measured, math.nan) if lost else measured
