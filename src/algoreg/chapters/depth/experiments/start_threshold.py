"""How small a start must be for factors to learn one eigenvalue before the next, by the gap between them."""

import math
from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.deep import Algorithm
from algoreg.chapters.depth.words import LEARNED
from algoreg.engine.observers import Observer
from algoreg.ensembles.wishart import Ensemble
from algoreg.numerics.problems import draw_factor, stacked
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_dr: PositiveFloat
    depth: Several[Annotated[int, Field(ge=2, le=6)]]
    closeness: Different[Annotated[float, Field(ge=1, le=16)]] = Field(min_length=2)
    # X_0 = s_0·I.
    start: Different[Annotated[float, Field(gt=0, le=0.1)]] = Field(min_length=2)
    step: float = Field(0.1, gt=0, le=0.3)
    most: PositiveInt = Field(5000, description="the largest number of steps")
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 4 * self.m_over_dr < self.d + 1:
            raise misfit(self, "m at least d(d+1)/2", "m_over_dr", "d")
        if min(self.start) < 1e-24:
            raise misfit(self, "numbers of at least 1e-24: below, rounding replaces the start", "start")
        return self


KEYS = {
    "depth": "N, the number of factors",
    "closeness": ("1/(ρ − 1)", "1/(ρ − 1), X* having the eigenvalues ρ and 1"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "smallness": (
        "1/s₀",
        "1/s₀ of the largest start X₀ = s₀·I from which the first eigenvalue is learned before the second",
    ),
    "log_smallness": ("ln(1/s₀)", "its natural logarithm"),
}
# Below this, the second eigenvalue does not count as being learned.
BEGUN = 0.1


class Second(Observer):
    """Records eigenvalue 2 of X when eigenvalue 1 reaches a level, and stops the run.

    Memory: ``behind`` (B,), NaN until then, and ``last`` (B, 2), the two eigenvalues of the previous snapshot.

    Parameters
    ----------
    levels : numpy.ndarray, shape (B,)
    """

    stride = 1

    def __init__(self, levels):
        self.levels = levels

    def prepare(self, batch):
        """Initialise the memory, with no eigenvalue learned."""
        self.memory = {"behind": np.full(len(batch.runs), np.nan), "last": np.ones((len(batch.runs), 2))}

    def observe(self, snapshot):
        """Record both eigenvalues, and interpolate the log of the second linearly in the first between snapshots."""
        now = torch.linalg.eigvalsh(snapshot.estimate)[:, -2:].flip(1).cpu().numpy()
        before, level = self.memory["last"][snapshot.active], self.levels[snapshot.active]
        there = now[:, 0] >= level
        for place in np.flatnonzero(there):
            firsts, seconds = (np.array([before[place, k], now[place, k]]) for k in (0, 1))
            share = np.interp(level[place], firsts, np.log(seconds))
            self.memory["behind"][snapshot.active[place]] = np.exp(share)
        self.memory["last"][snapshot.active] = now
        return there


def largest_start(starts, behind):
    """Return the largest s_0 below which eigenvalue 2 stays behind, None where that is not on the grid.

    ``behind`` is eigenvalue 2 when eigenvalue 1 is learned, at rising starts s_0, shape (P,) each.
    """
    above = np.flatnonzero(~(behind < BEGUN))
    if not len(above) or above[0] == 0 or not np.isfinite(behind[: above[0] + 1]).all():
        return None
    pair = slice(above[0] - 1, above[0] + 1)
    return math.exp(np.interp(math.log(BEGUN), np.log(behind[pair]), np.log(starts[pair])))


def measure(options, context, number):
    """Return one row per depth, 1/(ρ − 1), target and ensemble.

    ρ is learned before 1 from a start if eigenvalue 2 of X is below 0.1 when eigenvalue 1 reaches 0.9ρ [gissin2020].
    The threshold is interpolated on the grid ``start``, linearly in the logs of that eigenvalue and s_0. Steps are
    relative (:mod:`algoreg.algorithms.deep`). Status ``budget``: the threshold is not on the grid, or a run had not
    reached 0.9ρ after ``most`` steps.
    """
    d, count, starts = options["d"], options["targets"], sorted(options["start"])
    m = round(options["m_over_dr"] * d * 2)
    ensemble = context.draw(Ensemble, d, m, number)
    cells = list(product(options["depth"], options["closeness"], range(count)))
    runs, planted = [], []
    for (depth, closeness, target), start in product(cells, starts):
        values = [1 + 1 / closeness, 1.0]
        factor = draw_factor({"kind": "spectrum", "eigenvalues": values}, d, 2, context.seed, target)
        planted.append(factor @ factor.T)
        runs.append(
            {"depth": depth, "form": "product", "rule": "relative", "alpha": math.sqrt(start), "target": target}
            | {"m": m, "step": options["step"], "iterations": options["most"], "level": LEARNED * values[0]}
        )
    seen = Second(np.array([run["level"] for run in runs]))
    context.run(ensemble, Algorithm, runs, stacked(planted, context), [seen])
    behind = seen.memory["behind"].reshape(len(cells), len(starts))
    return [
        {"depth": depth, "closeness": closeness, "target": target, "ensemble": number, "d": d, "m": m}
        | _values(largest_start(np.array(starts), course))
        for (depth, closeness, target), course in zip(cells, behind, strict=True)
    ]


def _values(start):
    """Return the values and status of a threshold, or of one that is not on the grid."""
    if start is None:
        return {"smallness": None, "log_smallness": None, "status": "budget"}
    return {"smallness": 1 / start, "log_smallness": -math.log(start), "status": "converged"}
