"""Factored descent from other starts than αI: a right rotation of it, a Gaussian one, one of too low a rank."""

import math

import numpy as np
import torch
from pydantic import Field, PositiveFloat, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.li2018 import theorem_11_window
from algoreg.chapters.theorem.runs import count_of, initial_factors, recorded
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.settings.base import ExperimentOptions, misfit, refuse_too_large


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    kappa: float = Field(ge=1)
    alpha: PositiveFloat
    m_over_dr: PositiveFloat
    step: PositiveFloat
    time: PositiveFloat
    points: int = Field(ge=2)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.alpha >= self.d:
            raise misfit(self, "alpha below d", "alpha", "d")
        refuse_too_large(self, self.d, self.m_over_dr * self.d * self.rank)
        return self


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "start": "B: `identity`, `orthonormal` (Haar), its first r − 1 columns (`low_rank`) or `gaussian`, N(0, 1/d)",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "step": None,
    "test_error": None,
    "change": (
        "the largest change of X against the start αI",
        "largest ‖X_t − X'_t‖_F / ‖X*‖_F so far, X' the run from αI, over recorded iterations",
    ),
}

STARTS = ("identity", "orthonormal", "gaussian", "low_rank")


class Changes(Observer):
    """Test errors of every run at some iterations, and how far it has come from the run from αI on the same target.

    Memory: ``errors`` and ``changes`` (K, B), and ``largest`` (B,), the change so far.

    Parameters
    ----------
    iterations : list of int
        K of them, rising.
    targets : int
        The first so many runs are those from αI, one for each target; the others follow in the same order of targets.
    """

    per_run = begins(largest=0.0)
    # What a run that diverges has not is NaN.
    per_snapshot = begins(errors=np.nan, changes=np.nan)

    def __init__(self, iterations, targets):
        self.iterations, self.targets = iterations, targets

    def observe(self, snapshot):
        """Take in errors and changes."""
        k, largest = self.iterations.index(snapshot.iteration), self.memory["largest"]
        own = {run: place for place, run in enumerate(snapshot.active.tolist())}
        beside = [own.get(run % self.targets) for run in snapshot.active.tolist()]
        there = [place for place, reference in enumerate(beside) if reference is not None]
        reference = snapshot.estimate[[beside[place] for place in there]]
        apart = torch.linalg.matrix_norm(snapshot.estimate[there] - reference) / snapshot.norms[there]
        runs = snapshot.active[there]
        largest[runs] = np.maximum(largest[runs], apart.cpu().numpy())
        self.memory["errors"][k, snapshot.active] = snapshot.test_error
        self.memory["changes"][k, runs] = largest[runs]


def measure(options, context, number):
    """Return one row per start, recorded iteration, target and ensemble, up to iteration ``time``·κ log(d/α)/η.

    ``change`` is the largest ‖X_t − X'_t‖_F/‖X*‖_F so far, X' the run from αI on the same target and ensemble, over the
    recorded iterations. See :func:`algoreg.chapters.theorem.runs.initial_factor` for the starts.
    """
    d, rank, kappa, alpha, step = (options[key] for key in ("d", "rank", "kappa", "alpha", "step"))
    m, targets = count_of(options["m_over_dr"], d, rank), options["targets"]
    last = max(round(options["time"] * theorem_11_window(d, kappa, alpha, step)[0]), 1)
    looks = recorded(last, options["points"])
    factors = draw_factors(spectrum_target(rank, kappa), d, rank, context, targets)
    runs = [{"start": start, "target": target, "m": m, "step": step} for start in STARTS for target in range(targets)]
    planted = [factors[run["target"]] for run in runs]
    goals = torch.stack([factor @ factor.T for factor in planted])
    ensemble = context.draw(Ensemble, d, m, number)
    timed = [{**run, "alpha": alpha, "iterations": last} for run in runs]
    seen, start = Changes(looks, targets), initial_factors(timed, planted, context.seed)
    context.run(ensemble, Algorithm, timed, goals, [seen], start=start, diverges_above=math.inf)
    rows, shared = [], {"d": d, "rank": rank, "kappa": kappa, "alpha": alpha, "ensemble": number}
    for look, errors, changes in zip(
        looks, *(seen.memory[name].tolist() for name in ("errors", "changes")), strict=True
    ):
        for run, error, change in zip(runs, errors, changes, strict=True):
            finite = math.isfinite(error)
            values = {"test_error": error if finite else None, "change": change if finite else None}
            rows.append(shared | run | {"iteration": look, **values, "status": "budget" if finite else "diverged"})
    return rows
