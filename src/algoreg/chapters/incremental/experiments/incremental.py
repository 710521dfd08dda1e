"""What descent passes on its way: the best fits of rank 1, 2, … of the labels, or the truncations of X*."""

import math
from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.engine.observers import Ends, Observer
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factors, truncations
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    # Of X*, falling.
    eigenvalues: Different[PositiveFloat] = Field(min_length=2)
    m_over_dr: PositiveFloat
    width: Several[Literal["r", "d"]] = Field(["r", "d"])
    alpha: Several[PositiveFloat]
    step: PositiveFloat = 0.4
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        values = self.eigenvalues
        if any(4 * values[k + 1] > 3 * values[k] for k in range(len(values) - 1)):
            raise misfit(self, "each at most 3/4 of the one before: equal ones are learned together", "eigenvalues")
        if len(values) > self.d:
            raise misfit(self, "at most d eigenvalues", "eigenvalues", "d")
        if 2 * self.m_over_dr * len(values) >= self.d + 1:
            raise misfit(self, "m below d(d+1)/2, where linear algebra finds X*", "m_over_dr", "eigenvalues", "d")
        return self


KEYS = {
    "width": ("the width", "columns of the factor: r or d"),
    "alpha": "initialisation scale α: U₀ = αG, entries of G iid N(0, 1/d)",
    "s": ("the rank s", "rank of the fit X_s and of the truncation"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "nearest_to_fit": (
        "the smallest distance to the best fit of rank s",
        "smallest ‖X_t − X_s‖_F / ‖X_s‖_F of all iterations, X_s the fit of rank s to the labels",
    ),
    "nearest_to_truncation": (
        "the smallest distance to X* truncated to rank s",
        "the same to X* with its s largest eigenvalues alone",
    ),
    "passed": "iteration t at which X_t is nearest to X_s",
    "apart": "‖X_s − X* truncated to rank s‖_F / ‖X_s‖_F",
}
# Iterations from the spectral start of width s to X_s, in units of 1/(ησ_r).
FITTING = 40


class Nearest(Observer):
    """The smallest relative distance of all iterations to each of some matrices of every run.

    Memory: ``nearest`` and ``when`` (B, K).

    Parameters
    ----------
    goals : torch.Tensor, shape (B, K, d, d)
    """

    stride = 1

    def __init__(self, goals):
        self.goals, self.norms = goals, torch.linalg.matrix_norm(goals)

    def prepare(self, batch):
        """Begin far away."""
        self.memory = {"nearest": np.full(self.norms.shape, np.inf), "when": np.zeros(self.norms.shape)}

    def observe(self, snapshot):
        """Take in the distances."""
        runs = torch.from_numpy(snapshot.active)
        apart = torch.linalg.matrix_norm(snapshot.estimate[:, None] - self.goals[runs]) / self.norms[runs]
        apart = apart.cpu().numpy()
        nearer = apart < self.memory["nearest"][snapshot.active]
        self.memory["nearest"][snapshot.active] = np.where(nearer, apart, self.memory["nearest"][snapshot.active])
        self.memory["when"][snapshot.active] = np.where(
            nearer, snapshot.iteration, self.memory["when"][snapshot.active]
        )


def best_fits(ensemble, labels, goals, rank, options, context):
    """Return X_s of every target, s = 1 … rank: descent of width s from the spectral start, shape (T, rank, d, d)."""
    count, step = len(goals), options["step"]
    last = round(FITTING / (step * min(options["eigenvalues"])))
    runs = [
        {"width": s, "start": "spectral", "alpha": 1.0, "target": target, "m": ensemble.m, "step": step}
        | {"iterations": last}
        for target, s in product(range(count), range(1, rank + 1))
    ]
    places = [run["target"] for run in runs]
    ends = Ends()
    context.run(ensemble, Algorithm, runs, goals[places], [ends], labels=labels[places])
    return ends.memory["estimates"].reshape(count, rank, *goals.shape[1:])


def drawn(options, context, number):
    """Return an ensemble, X*'s factors, X* and the labels of all targets, and their :func:`best_fits`."""
    d, values, count = (options[key] for key in ("d", "eigenvalues", "targets"))
    rank = len(values)
    factors = draw_factors({"kind": "spectrum", "eigenvalues": values}, d, rank, context, count)
    goals = torch.bmm(factors, factors.mT)
    m = round(options["m_over_dr"] * d * rank)
    ensemble = context.draw(Ensemble, d, m, number)
    labels = ensemble.label(goals)
    return ensemble, factors, goals, labels, best_fits(ensemble, labels, goals, rank, options, context)


def iterations_of(options, alpha):
    """Return T of a run from α: it covers X*'s last eigenvalue."""
    return round((16 + math.log(1 / alpha)) / (options["step"] * min(options["eigenvalues"])))


def measure(options, context, number):
    """Return one row per width, α, s, target and ensemble.

    X_s is what descent of width s finds from the spectral start, the best fit of rank s to the labels [jin2023]. The
    distance is the smallest of all iterations. T is log(1/α) + 16 in units of 1/(ησ_r): it covers X*'s last eigenvalue.
    """
    d, step, count, rank = options["d"], options["step"], options["targets"], len(options["eigenvalues"])
    ensemble, factors, goals, labels, fits = drawn(options, context, number)
    m = ensemble.m
    cut = truncations(factors)
    places = list(product(options["width"], options["alpha"], range(count)))
    runs = [
        {"width": rank if width == "r" else d, "alpha": alpha, "target": target, "m": m, "step": step}
        | {"start": "gaussian", "iterations": iterations_of(options, alpha)}
        for width, alpha, target in places
    ]
    own = [run["target"] for run in runs]
    seen = Nearest(torch.cat([fits[own], cut[own]], dim=1))
    status = context.run(ensemble, Algorithm, runs, goals[own], [seen], labels=labels[own]).status
    apart = torch.linalg.matrix_norm(fits - cut) / torch.linalg.matrix_norm(fits)
    rows = []
    for place, (width, alpha, target) in enumerate(places):
        nearest, when = (seen.memory[key][place].tolist() for key in ("nearest", "when"))
        for s in range(rank):
            names = {"width": width, "alpha": alpha, "s": s + 1, "target": target, "ensemble": number}
            sizes = {"d": d, "rank": rank, "m": m, "apart": apart[target, s].item(), "status": status[place]}
            distances = {"nearest_to_fit": nearest[s], "nearest_to_truncation": nearest[rank + s]}
            rows.append({**names, **sizes, **distances, "passed": when[s]})
    return rows
