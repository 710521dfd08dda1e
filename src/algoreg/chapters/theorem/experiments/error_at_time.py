"""The error of factored descent at multiples of κ log(d/α)/η, where Theorem 1.1 has it below α√d/κ²."""

import math
from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.li2018 import theorem_11_constant, theorem_11_error, theorem_11_window
from algoreg.chapters.theorem.runs import count_of, ensembles_of, initial_factors
from algoreg.engine.observers import Observer
from algoreg.numerics.isometry_bounds import isometry_bounds
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit, refuse_too_large


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]]
    rank: PositiveInt
    kappa: Several[Annotated[float, Field(ge=1)]]
    alpha: Several[PositiveFloat]
    m_over_dr: Several[PositiveFloat]
    time: Several[PositiveFloat]
    step: PositiveFloat
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.alpha) >= min(self.d):
            raise misfit(self, "alphas below every d", "alpha", "d")
        if len(self.alpha) * len(self.d) < 3:
            raise misfit(self, "at least three alphas or dimensions: an exponent needs them", "alpha", "d")
        refuse_too_large(self, max(self.d), max(self.m_over_dr) * max(self.d) * self.rank, gram=True)
        return self


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "m_over_dr": None,
    "alpha": None,
    "time": "iteration over κ log(d/α)/η, the lower end of Theorem 1.1's window",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "iteration": "iteration t, as it ran",
    "last_iteration": "1/(η√(dκα)), the upper end of Theorem 1.1's window, in iterations",
    "in_window": "1 if `iteration` is at most `last_iteration`, else 0",
    "squared_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
    "over_bound": (
        "the squared error over the bound α√d/κ²",
        "`squared_error` / (α√d/κ²), Theorem 1.1's bound with constant 1",
    ),
    "delta_low": "lower end of the bracket of δ of rank 4r",
    "delta_up": "its upper end, ‖G − I‖ (empty for m below d(d+1)/2)",
    "least_constant": "least c for which Theorem 1.1's hypothesis holds, at `delta_up` or else at `delta_low`",
}


class SquaredErrors(Observer):
    """‖X − X*‖_F² of every run at iterations of its own; memory: ``squared`` (B, K).

    Parameters
    ----------
    iterations : list of list of int
        Of each run, K of them.
    """

    def __init__(self, iterations):
        self.iterations = np.array(iterations)

    def prepare(self, batch):
        """Begin with infinity: what a run that diverges before has at all later times."""
        self.memory = {"squared": np.full(self.iterations.shape, np.inf)}

    def observed_iterations(self, last):
        """Return the iterations of all runs."""
        return set(self.iterations.flatten().tolist())

    def observe(self, snapshot):
        """Take in the errors of those whose time it is."""
        now = self.iterations[snapshot.active] == snapshot.iteration
        squares = snapshot.distance.square().cpu().double().numpy()
        mine = self.memory["squared"][snapshot.active]
        self.memory["squared"][snapshot.active] = np.where(now, squares[:, None], mine)


def measure(options, context, number, d):
    """Return one row per d, κ, m/dr, α, time, target and ensemble: ‖UUᵀ − X*‖_F² at iteration ``time``·κ log(d/α)/η.

    Targets have eigenvalues from 1 to 1/κ in equal ratios, and descent starts from αI. ``last_iteration`` is the upper
    end 1/(η√(dκα)) of the theorem's window and ``in_window`` is 1 for a row not after it; ``over_bound`` is the squared
    error over α√d/κ². For the last three columns see the experiment ``iterations``.
    """
    rank, step, count = options["rank"], options["step"], options["targets"]
    factors = {k: draw_factors(spectrum_target(rank, k), d, rank, context, count) for k in options["kappa"]}
    counts = {per: count_of(per, d, rank) for per in sorted(options["m_over_dr"], reverse=True)}
    rows = []
    for ensemble, known in ensembles_of(d, counts.values(), context, number):
        bounds = {m: isometry_bounds(ensemble, m, rank, context.seed) for m in known}
        axes = product(counts.items(), options["kappa"], options["alpha"], range(count))
        runs = [
            {"d": d, "rank": rank, "kappa": kappa, "m_over_dr": per, "alpha": alpha, "target": target, "m": m}
            for (per, m), kappa, alpha, target in axes
            if m in known
        ]
        planted = [factors[run["kappa"]][run["target"]] for run in runs]
        for run, course in zip(runs, _follow(context, ensemble, runs, planted, options), strict=True):
            rows += [_row(run, step, *point, bounds[run["m"]]) | {"ensemble": number} for point in course]
    return rows


def _row(run, step, time, iteration, squared, bounds):
    """Return the row of a run at a time but for its ensemble."""
    d, kappa, alpha = run["d"], run["kappa"], run["alpha"]
    last = theorem_11_window(d, kappa, alpha, step)[1]
    (low, high), finite = bounds, squared < math.inf
    return run | {
        "time": time,
        "iteration": iteration,
        "last_iteration": last,
        "in_window": float(iteration <= last),
        "squared_error": squared if finite else None,
        "over_bound": squared / theorem_11_error(d, kappa, alpha) if finite else None,
        "delta_low": low,
        "delta_up": high,
        "least_constant": theorem_11_constant(d, run["rank"], kappa, alpha, step, low if high is None else high),
        "status": "budget" if finite else "diverged",
    }


def _follow(context, ensemble, runs, planted, options):
    """Return (time, iteration, squared error) of every run at every time."""
    step, times = options["step"], sorted(options["time"])
    firsts = [theorem_11_window(run["d"], run["kappa"], run["alpha"], step)[0] for run in runs]
    looks = [[round(time * first) for time in times] for first in firsts]
    seen, goals = SquaredErrors(looks), torch.stack([factor @ factor.T for factor in planted])
    timed = [
        {**run, "start": "identity", "step": step, "iterations": own[-1]} for run, own in zip(runs, looks, strict=True)
    ]
    start = initial_factors(timed, planted, context.seed)
    context.run(ensemble, Algorithm, timed, goals, [seen], start=start, diverges_above=math.inf)
    return [
        list(zip(times, own, values, strict=True))
        for own, values in zip(looks, seen.memory["squared"].tolist(), strict=True)
    ]
