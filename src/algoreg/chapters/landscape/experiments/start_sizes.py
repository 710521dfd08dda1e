"""Gradient descent from random starts of several sizes on rank-one measurements: which are at X* in time."""

from itertools import product

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.engine.observers import ErrorsByTime
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt = 1
    m_over_d: Several[PositiveInt]
    width: Several[PositiveInt]
    alpha: Several[PositiveFloat]
    step: PositiveFloat
    time: PositiveFloat
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.rank, *self.width) > self.d:
            raise misfit(self, "rank and widths at most d", "rank", "width", "d")
        if self.step > self.time:
            raise misfit(self, "step at most time", "step", "time")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m_over_d": None,
    "width": "columns k of U",
    "alpha": ("the start's size", "size α of the start: U₀ has iid N(0, α²/d) entries"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F at `time`, or where the run stopped, recovered or diverged",
    "recovered": ("the share of starts at X* by T", "1 where `test_error` is below 0.1 by `time`, else 0"),
}

RECOVERED = 0.1
# A run goes no further than to this error.
LEAVES = 1e-3
# η·t between two snapshots.
LOOK = 1.0


def measure(options, context, number):
    """Return one row per m/d, width, start's size, target and ensemble; a target has a start of its own.

    A run that diverged has not recovered.
    """
    d, rank, step = options["d"], options["rank"], options["step"]
    last = round(options["time"] / step)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    ensemble = context.draw(Ensemble, d, max(options["m_over_d"]) * d, number)
    names = list(product(options["m_over_d"], options["width"], options["alpha"], range(options["targets"])))
    runs = [
        {"m": ratio * d, "width": width, "alpha": alpha, "target": target, "start": "gaussian"}
        | {"step": step, "iterations": last}
        for ratio, width, alpha, target in names
    ]
    seen = ErrorsByTime([last], max(round(LOOK / step), 1), LEAVES)
    targets = torch.stack([planted[run["target"]] for run in runs])
    statuses = context.run(ensemble, factored.Algorithm, runs, targets, [seen]).status
    rows = []
    for (ratio, width, alpha, target), error, status in zip(
        names, seen.memory["errors"][:, 0].tolist(), statuses, strict=True
    ):
        own = {"d": d, "rank": rank, "m_over_d": ratio, "width": width, "alpha": alpha, "target": target}
        lost = status == "diverged" or not np.isfinite(error)
        values = {
            "m": ratio * d,
            "test_error": None if lost else error,
            "recovered": int(not lost and error < RECOVERED),
        }
        rows.append(own | {"ensemble": number, **values, "status": status})
    return rows
