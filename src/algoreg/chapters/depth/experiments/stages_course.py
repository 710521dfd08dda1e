"""The course of descent on a product of factors: the leading eigenvalues of X by η·t."""

from itertools import product

import numpy as np
import torch
from pydantic import PositiveInt

from algoreg.chapters.depth.experiments import stages
from algoreg.engine.observers import Observer


class Options(stages.Options):
    """Options of the experiment."""

    every: PositiveInt = 5
    targets: PositiveInt = 1


KEYS = {
    "depth": "N, the number of factors",
    "time": ("η·t", "η·t at which the run is read"),
    "s": ("the rank s", "number of the eigenvalue, the largest first"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "alpha": "size of the start: X₀ = α²·I",
    "eigenvalue": "eigenvalue s of X_t",
    "planted": "eigenvalue s of X*",
}


class Course(Observer):
    """The leading eigenvalues at recorded iterations: ``memory["eigenvalues"]``, shape (K, B, R)."""

    def __init__(self, iterations, rank):
        self.iterations, self.rank = iterations, rank

    def prepare(self, batch):
        """Allocate the memory."""
        self.memory = {"eigenvalues": np.full((len(self.iterations), len(batch.runs), self.rank), np.nan)}

    def observe(self, snapshot):
        """Record the eigenvalues."""
        if snapshot.iteration in self.iterations:
            spectrum = torch.linalg.eigvalsh(snapshot.estimate).flip(1)[:, : self.rank]
            self.memory["eigenvalues"][self.iterations.index(snapshot.iteration), snapshot.active] = (
                spectrum.cpu().numpy()
            )


def measure(options, context, number):
    """Return one row per depth, η·t, s, target and ensemble; see :mod:`algoreg.chapters.depth.experiments.stages`."""
    values, step = options["eigenvalues"], options["step"]
    looks = list(range(0, round(options["time"] / step) + 1, options["every"]))
    runs, seen = stages.descend(options, context, number, lambda goals: Course(looks, len(values)))
    shared = {"d": options["d"], "rank": len(values), "alpha": options["alpha"], "ensemble": number, "m": runs[0]["m"]}
    return [
        {**shared, "depth": run["depth"], "time": look * step, "s": s + 1, "target": run["target"]}
        | {"eigenvalue": seen.memory["eigenvalues"][k, place, s].item(), "planted": planted, "status": "converged"}
        for (place, run), (k, look), (s, planted) in product(enumerate(runs), enumerate(looks), enumerate(values))
    ]
