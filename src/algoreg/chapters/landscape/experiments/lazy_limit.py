"""From a small start to the lazy limit: descent on a centred output by the scale of its start, beside least squares."""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt = 1
    m_over_dimension: Several[Annotated[float, Field(gt=0, le=0.8)]]
    alpha: Several[PositiveFloat]
    iterations: PositiveInt
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if round(min(self.m_over_dimension) * self.d * (self.d + 1) / 2) < 1:
            raise misfit(self, "m of at least 1", "m_over_dimension", "d")
        return self


KEYS = {
    "m_over_dimension": ("m/D", "m over D = d(d+1)/2, the dimension of the symmetric matrices"),
    "alpha": ("α", "scale of the start αI, which is taken off the output: X = UUᵀ − α²I"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "test_error": "‖UUᵀ − α²I − X*‖_F / ‖X*‖_F at the end",
    "least_squares": (
        "the error of least squares",
        "‖X̂ − X*‖_F / ‖X*‖_F of the symmetric X̂ of least norm that fits the labels: the linearised network's end",
    ),
}
# η as a part of the step that α² and the measurements allow; and the least size of UUᵀ that it allows for.
PART, LEAST = 0.5, 2.0


def _least_squares(ensemble, m, targets):
    """Return the errors of least squares from the first m labels, shape (T,): X* less its part in the rows' span."""
    rows = ensemble.rows[:m]
    goals = svec(targets)
    found = torch.linalg.lstsq(rows, rows @ goals.mT, driver="gelsd").solution.mT
    missed = torch.linalg.matrix_norm(smat(found, ensemble.d) - targets)
    return (missed / torch.linalg.matrix_norm(targets)).tolist()


def measure(options, context, number):
    """Return one row per m/D, α, target and ensemble; X* has r eigenvalues 1.

    Descent from αI on the labels of X* + α²I is that of an output from which α²I has been taken.
    """
    d, rank = options["d"], options["rank"]
    dimension = symmetric_dimension(d)
    counts = {ratio: round(ratio * dimension) for ratio in options["m_over_dimension"]}
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    ensemble = context.draw(Ensemble, d, max(counts.values()), number)
    largest = {m: float(torch.linalg.matrix_norm(ensemble.rows[:m], 2)) ** 2 / m for m in counts.values()}
    missed = {m: _least_squares(ensemble, m, planted) for m in counts.values()}
    names = list(product(counts, options["alpha"], range(options["targets"])))
    runs = [
        {"m": counts[ratio], "alpha": alpha, "target": target, "start": "identity", "width": None}
        | {"step": PART / (largest[counts[ratio]] * max(4 * alpha**2, LEAST)), "iterations": options["iterations"]}
        for ratio, alpha, target in names
    ]
    shifts = torch.stack([run["alpha"] ** 2 * torch.eye(d).to(planted) for run in runs])
    goals, ends = planted[[run["target"] for run in runs]] + shifts, Ends()
    statuses = context.run(ensemble, factored.Algorithm, runs, goals, [ends]).status
    errors = torch.linalg.matrix_norm(ends.memory["estimates"] - goals).tolist()
    rows = []
    for (ratio, alpha, target), run, error, status in zip(names, runs, errors, statuses, strict=True):
        own = {"m_over_dimension": ratio, "alpha": alpha, "target": target, "ensemble": number}
        lost = status == "diverged" or not np.isfinite(error)
        values = {
            "test_error": None if lost else error / float(torch.linalg.matrix_norm(planted[target])),
            "least_squares": missed[run["m"]][target],
        }
        rows.append(own | {"d": d, "rank": rank, "m": run["m"], **values, "status": status})
    return rows
