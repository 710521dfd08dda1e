"""The error along the whole window of Theorem 1.1, from α = d⁻⁵ to T₀ = 1/(η√(dκα)), with and without label noise."""

import math
from itertools import product

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.li2018 import theorem_11_window
from algoreg.chapters.theorem.runs import count_of, initial_factors, recorded
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, refuse_too_large


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    kappa: float = Field(ge=1)
    alpha_power: float = Field(5, gt=1, description="α is d to the minus that")
    label_noise: Several[NonNegativeFloat]
    m_over_dr: PositiveFloat
    step: PositiveFloat
    points: int = Field(ge=2)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_too_large(self, self.d, self.m_over_dr * self.d * self.rank)
        return self


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "step": None,
    "test_error": None,
    "smallest_error": "smallest `test_error` so far, looked at every 10 iterations",
    "smallest_at": "iteration of `smallest_error`",
}

# The error is looked at so often, and at every recorded iteration: it changes by under a percent between looks.
LOOK_EVERY = 10


class Smallest(Observer):
    """Test errors of every run at some iterations, and the smallest so far with its iteration.

    Memory: ``errors``, ``smallest`` and ``where`` (K, B); ``least`` and ``at`` (B,), so far.

    Parameters
    ----------
    iterations : list of int
        K of them, rising.
    """

    stride, from_start = LOOK_EVERY, False
    per_run = begins(least=np.inf, at=0)
    per_snapshot = begins(errors=np.nan, smallest=np.nan, where=0)

    def __init__(self, iterations):
        self.iterations = iterations

    def observe(self, snapshot):
        """Record the errors."""
        memory = self.memory
        better = snapshot.test_error < memory["least"][snapshot.active]
        memory["least"][snapshot.active[better]] = snapshot.test_error[better]
        memory["at"][snapshot.active[better]] = snapshot.iteration
        if snapshot.iteration in self.iterations:
            k = self.iterations.index(snapshot.iteration)
            memory["errors"][k, snapshot.active] = snapshot.test_error
            memory["smallest"][k], memory["where"][k] = memory["least"], memory["at"]


def noisy_labels(ensemble, goals, runs, context):
    """Return the labels of every run with its noise, a standard deviation over the labels' own, shape (B, m)."""
    labels = ensemble.label(goals)
    for row, run in zip(labels, runs, strict=True):
        axes = {"d": ensemble.d, "seed": context.seed, "target": run["target"], "ensemble": ensemble.number}
        noise = torch.from_numpy(stream("label_noise", **axes).standard_normal(ensemble.m)).to(row)
        row += run["noise"] * row.square().mean().sqrt() * noise
    return labels


def measure(options, context, number):
    """Return one row per noise, recorded iteration, target and ensemble: the error, and the smallest one so far.

    ``noise`` is the standard deviation of what is added to the labels, over the labels' own; ``smallest_at`` is
    the iteration of the smallest error. The last iteration recorded is T₀.
    """
    d, rank, kappa, step = (options[key] for key in ("d", "rank", "kappa", "step"))
    alpha, m = float(d) ** -options["alpha_power"], count_of(options["m_over_dr"], d, rank)
    last = max(round(theorem_11_window(d, kappa, alpha, step)[1]), 1)
    axes = product(options["label_noise"], range(options["targets"]))
    runs = [{"noise": noise, "target": target, "m": m, "step": step} for noise, target in axes]
    factors = draw_factors(spectrum_target(rank, kappa), d, rank, context, options["targets"])
    planted = [factors[run["target"]] for run in runs]
    goals = torch.stack([factor @ factor.T for factor in planted])
    ensemble = context.draw(Ensemble, d, m, number)
    seen = Smallest(recorded(last, options["points"]))
    timed = [{**run, "alpha": alpha, "start": "identity", "iterations": last} for run in runs]
    labels, start = noisy_labels(ensemble, goals, runs, context), initial_factors(timed, planted, context.seed)
    context.run(ensemble, Algorithm, timed, goals, [seen], labels=labels, start=start, diverges_above=math.inf)
    rows, shared = [], {"d": d, "rank": rank, "kappa": kappa, "alpha": alpha, "ensemble": number}
    columns = [seen.memory[name].tolist() for name in ("errors", "smallest", "where")]
    for iteration, *values in zip(seen.iterations, *columns, strict=True):
        for run, error, least, at in zip(runs, *values, strict=True):
            finite = math.isfinite(error)
            found = {"test_error": error if finite else None, "smallest_error": least if finite else None}
            status = "budget" if finite else "diverged"
            rows.append(shared | run | {"iteration": iteration, **found, "smallest_at": at, "status": status})
    return rows
