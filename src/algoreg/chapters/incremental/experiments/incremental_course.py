"""The course of descent by iteration: the eigenvalues of X, and its distance to the best fit of each rank."""

from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt

from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.incremental.experiments import incremental
from algoreg.engine.observers import Observer
from algoreg.numerics.eigen import leading


class Options(incremental.Options):
    """Options of the experiment."""

    # One of each, where the experiment of all starts takes lists.
    width: Literal["d"] = "d"  # type: ignore[assignment]
    alpha: PositiveFloat  # type: ignore[assignment]
    every: PositiveInt = 4
    targets: PositiveInt = 1


KEYS = {
    "iteration": "iteration t, as it ran",
    "s": ("the rank s", "number of the eigenvalue, the largest first, and rank of the fit X_s"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "alpha": "initialisation scale α: U₀ = αG, G of d columns, entries iid N(0, 1/d)",
    "eigenvalue": "eigenvalue s of X_t",
    "fitted": "eigenvalue s of X_s, the best fit of rank s to the labels",
    "distance": "‖X_t − X_s‖_F / ‖X_s‖_F",
}


class Course(Observer):
    """The leading eigenvalues of X, and its distance to some matrices, at recorded iterations.

    Memory: ``eigenvalues`` and ``distances`` (K, B, R).

    Parameters
    ----------
    iterations : list of int
    goals : torch.Tensor, shape (B, R, d, d)
    """

    def __init__(self, iterations, goals):
        self.iterations, self.goals = iterations, goals

    def prepare(self, batch):
        """Allocate the memory."""
        shape = (len(self.iterations), *self.goals.shape[:2])
        self.memory = {"eigenvalues": np.full(shape, np.nan), "distances": np.full(shape, np.nan)}

    def observe(self, snapshot):
        """Take in eigenvalues and distances."""
        k, rank, goals = self.iterations.index(snapshot.iteration), self.goals.shape[1], self.goals[snapshot.active]
        values, _ = leading(snapshot.estimate, [rank] * len(snapshot.active))
        apart = torch.linalg.matrix_norm(snapshot.estimate[:, None] - goals) / torch.linalg.matrix_norm(goals)
        self.memory["eigenvalues"][k, snapshot.active] = values.cpu().numpy()
        self.memory["distances"][k, snapshot.active] = apart.cpu().numpy()


def measure(options, context, number):
    """Return one row per recorded iteration, s, target and ensemble; see
    :mod:`algoreg.chapters.incremental.experiments.incremental`.
    """
    rank, step, alpha, count = len(options["eigenvalues"]), options["step"], options["alpha"], options["targets"]
    ensemble, _, goals, labels, fits = incremental.drawn(options, context, number)
    fitted = [leading(fits[:, s], [s + 1] * count)[0][:, s].tolist() for s in range(rank)]
    last = incremental.iterations_of(options, alpha)
    looks = [*range(0, last, options["every"]), last]
    runs = [
        {"alpha": alpha, "target": target, "m": ensemble.m, "step": step, "start": "gaussian", "iterations": last}
        for target in range(count)
    ]
    seen = Course(looks, fits)
    status = context.run(ensemble, Algorithm, runs, goals, [seen], labels=labels).status
    shared = {"d": ensemble.d, "rank": rank, "m": ensemble.m, "alpha": alpha, "ensemble": number}
    rows = []
    for (k, look), target, s in product(enumerate(looks), range(count), range(rank)):
        eigenvalue, distance = (seen.memory[key][k, target, s].item() for key in ("eigenvalues", "distances"))
        names = {"iteration": look, "s": s + 1, "target": target, "status": status[target]}
        rows.append(shared | names | {"eigenvalue": eigenvalue, "fitted": fitted[s][target], "distance": distance})
    return rows
