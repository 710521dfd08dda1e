"""Matrix completion by descent from its spectral start: whether a projection of the factor's rows would ever act."""

from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.entries import Ensemble
from algoreg.numerics.problems import draw_factors, spectrum_target, target_numbers
from algoreg.settings.base import DrawnTargets, Several, misfit


class Options(DrawnTargets):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=3)]]
    rank: PositiveInt
    share: list[Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1, description="one for each d")
    start: Several[Literal["spectral", "spiky"]]
    spike: PositiveFloat = 1.0
    bound: float = Field(1.4142135623730951, gt=1)
    step: PositiveFloat = 0.5
    iterations: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if len(self.share) != len(self.d):
            raise misfit(self, "a list of numbers above 0 and at most 1, one for each d", "share")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "share": ("the share of entries", "share of the entries on and above the diagonal that is known"),
    "start": (
        "the start",
        "`spectral`: of the known entries over their share; `spiky`: its first row made of length `spike`",
    ),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "acts": (
        "the share of runs in which a row is ever too long",
        "1 where at some step after the start a row of U is longer than `bound` times X*'s longest, else 0",
    ),
    "clipped": "share of the steps after the start at which that holds; empty for a run that diverged",
    "too_long_at_start": "1 where that holds at the start, else 0",
    "longest": "the longest row of U of all steps after the start, over `bound` times X*'s longest; empty for a run that diverged",
    "to_end": (
        "the iterations to 10⁻⁵",
        "iterations to ‖X − X*‖_F ≤ 10⁻⁵ ‖X*‖_F, where a run stops; empty if it does not",
    ),
    "arrived": ("the share of runs that arrive", "1 where `to_end` is there, else 0"),
}
ARRIVED = 1e-5


class Rows(Observer):
    """The longest row of every U. Memory, each (B,): ``over`` and ``steps``,
    steps beyond the bound and all; ``first``; ``longest``.

    Parameters
    ----------
    bounds : torch.Tensor, shape (B,)
    """

    stride = 1
    per_run = begins(over=0.0, steps=0.0, first=0.0, longest=0.0, end=np.nan)

    def __init__(self, bounds):
        self.bounds = bounds

    def observe(self, snapshot):
        """Take in the rows; runs that have arrived leave."""
        rows = torch.linalg.vector_norm(snapshot.state["factor"], dim=2).amax(dim=1)
        over = (rows / self.bounds[torch.from_numpy(snapshot.active)]).cpu().numpy()
        memory, done = self.memory, snapshot.test_error <= ARRIVED
        if snapshot.iteration == 0:
            memory["first"][snapshot.active] = over > 1
        else:
            # What is not a number is beyond any bound.
            memory["over"][snapshot.active] += ~(over <= 1)
            memory["steps"][snapshot.active] += 1
            memory["longest"][snapshot.active] = np.fmax(memory["longest"][snapshot.active], over)
        memory["end"][snapshot.active[done]] = snapshot.iteration
        return done


def measure(options, context, number, d):
    """Return one row per d, start, target and ensemble; X* has r eigenvalues 1 [ma2020].

    Nothing is clipped: rows are only looked at. A run that diverges has had rows that are too long.
    """
    share = options["share"][options["d"].index(d)]
    rank, numbers = options["rank"], target_numbers(options, number)
    ensemble = context.draw(Ensemble, d, round(share * d * (d + 1) / 2), number)
    names = list(product(options["start"], numbers))
    planted = draw_factors(spectrum_target(rank, 1), d, rank, context, len(numbers), numbers[0])
    factors = planted[[target - numbers[0] for _, target in names]]
    targets = factors @ factors.mT
    labels = ensemble.label(targets)
    shared = {"m": ensemble.m, "step": options["step"], "iterations": options["iterations"]}
    runs = [{**shared, "alpha": 1.0, "start": "spectral", "width": rank, "target": target} for _, target in names]
    state = factored.Algorithm(ensemble, labels, runs, context.seed).initial()
    for place, (start, _) in enumerate(names):
        if start == "spiky":
            row = state["factor"][place, 0]
            row *= options["spike"] / torch.linalg.vector_norm(row)
    seen = Rows(options["bound"] * torch.linalg.vector_norm(factors, dim=2).amax(dim=1))
    statuses = context.run(ensemble, factored.Algorithm, runs, targets, [seen], labels=labels, start=state).status
    own = {"d": d, "rank": rank, "share": share, "ensemble": number, "m": ensemble.m}
    return [
        own | {"start": start, "target": target, **_values(seen.memory, place, status), "status": status}
        for place, ((start, target), status) in enumerate(zip(names, statuses, strict=True))
    ]


def _values(memory, place, status):
    """Return what was measured of a run."""
    longest = memory["longest"][place]
    return {
        "acts": int(memory["over"][place] > 0),
        "clipped": None if status == "diverged" else memory["over"][place] / memory["steps"][place],
        "too_long_at_start": int(memory["first"][place]),
        "longest": None if status == "diverged" else float(longest),
        "to_end": float(memory["end"][place]) if status == "converged" else None,
        "arrived": int(status == "converged"),
    }
