"""Errors along descents on phase retrieval: a vector from a random start of any size,
and full width from αI, on one axis.
"""

from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.chapters.phase_retrieval.vectors import Vectors, parts, planted
from algoreg.engine.observers import Observer, begins
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=3)]]
    m_over_d: PositiveFloat
    width: Several[Literal["one", "full"]]
    alpha: PositiveFloat
    step: PositiveFloat = 0.1
    time: PositiveFloat
    look: PositiveFloat = 0.5
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if not self.step <= self.look <= self.time:
            raise misfit(self, "step at most look, look at most time", "step", "look", "time")
        return self


KEYS = {
    "d": None,
    "m_over_d": None,
    "width": ("the width", "`one`: U₀ is a vector of iid N(0, α²/d) entries; `full`: U₀ = αI"),
    "alpha": None,
    "time": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "test_error": None,
    "signal": "x*ᵀXx* over tr X − x*ᵀXx*, under a root: |xᵀx*| / ‖x − (xᵀx*)x*‖ at width one",
}


class Course(Observer):
    """Errors and signals at some iterations. Memory: ``errors`` and ``signals`` (K, B), NaN after a run has left.

    Parameters
    ----------
    stars : torch.Tensor, shape (B, d)
    iterations : list of int
    """

    per_snapshot = begins(errors=np.nan, signals=np.nan)

    def __init__(self, stars, iterations):
        self.stars, self.iterations = stars, iterations

    def observe(self, snapshot):
        """Take in all runs that are here."""
        k = self.iterations.index(snapshot.iteration)
        stars, factors = self.stars[torch.from_numpy(snapshot.active)], snapshot.state["factor"]
        # Column by column: the sums over columns of squares are x*ᵀXx*, and tr X less that.
        columns = factors.mT.flatten(0, 1)
        along, rest = parts(columns, stars.repeat_interleave(factors.shape[2], dim=0))
        of_runs = (len(snapshot.active), -1)
        signal = along.view(of_runs).norm(dim=1) / rest.reshape(of_runs).norm(dim=1)
        self.memory["errors"][k, snapshot.active] = snapshot.test_error
        self.memory["signals"][k, snapshot.active] = signal.cpu().numpy()


def measure(options, context, number, d):
    """Return one row per d, width, time, target and ensemble; runs go on to `time`."""
    m, count, stride = round(options["m_over_d"] * d), options["targets"], round(options["look"] / options["step"])
    iterations = list(range(0, round(options["time"] / options["step"]) + 1, stride))
    ensemble = context.draw(Vectors, d, m, number)
    names = list(product(options["width"], range(count)))
    stars = planted(d, context, count)
    timed = {"m": m, "step": options["step"], "alpha": options["alpha"], "iterations": iterations[-1]}
    courses = {}
    # Two batches: a vector beside full width would have all of its columns.
    for width in options["width"]:
        kind = {"width": 1, "start": "gaussian"} if width == "one" else {"width": d, "start": "identity"}
        runs = [{**timed, **kind, "target": target} for target in range(count)]
        seen = Course(stars, iterations)
        targets = stars[:, :, None] * stars[:, None, :]
        labels = (stars @ ensemble.vectors.mT).square()
        statuses = context.run(ensemble, factored.Algorithm, runs, targets, [seen], labels=labels).status
        courses[width] = (seen.memory, statuses)
    shared = {"d": d, "m_over_d": options["m_over_d"], "alpha": options["alpha"], "ensemble": number}
    return [
        shared
        | {"width": width, "time": iteration * options["step"], "target": target}
        | {"test_error": _known(courses[width][0]["errors"][k, target])}
        | {"signal": _known(courses[width][0]["signals"][k, target]), "status": courses[width][1][target]}
        for width, target in names
        for k, iteration in enumerate(iterations)
    ]


def _known(value):
    return float(value) if np.isfinite(value) else None
