"""Gradient descent on X itself from 0 fits the measurements and recovers nothing that they do not say;
on its factor it does.
"""

import math
from typing import Literal

import torch
from pydantic import Field, PositiveInt

from algoreg.algorithms import factored, unprojected
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_targets
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m: Several[PositiveInt]
    # What descends: X itself, or U of X = UUᵀ from a small start.
    of: Literal["X", "U"] = "X"
    targets: int = Field(ge=2)
    iterations: PositiveInt


KEYS = {"d": None, "rank": None, "m": None, "target": None, "ensemble": None}
VALUES = {
    "m_over_dimension": ("m/D", "m/D, D = d(d+1)/2 the dimension of the symmetric matrices"),
    "train_error": None,
    "test_error": None,
    "predicted_error": ("√(1 − m/D)", "√(1 − m/D), the mean `test_error` in the limit (0 for m ≥ D)"),
}
# A training error below which the fit is taken as reached: what is left moves the test error by less than that.
FITTED = 1e-4
# The start of U, αI. Its step is a quarter of that of X: a step of U moves X twice, once from each side, and X grows
# beyond X*.
ALPHA, SHARE = 1e-3, 0.25


def _descent(options, known, m):
    """Return the algorithm that descends, and its runs without their targets."""
    step = float(m / torch.linalg.matrix_norm(known.rows, 2) ** 2)
    own = {"m": m, "step": step, "iterations": options["iterations"]}
    if options["of"] == "X":
        return unprojected.Algorithm, own
    return factored.Algorithm, own | {"step": SHARE * step, "alpha": ALPHA, "start": "identity", "width": None}


def measure(options, context, number, m):
    """Return one row per m, target and ensemble: the errors of X after ``iterations`` steps X ← X − ηM from X = 0,
    or U ← U − ηMU.

    The step of X is 1/λ_max of AᵀA/m. Its limit is the projection of X* on the span of the measurements, at relative
    error √(1 − m/D) in the mean, D = d(d+1)/2.
    """
    d, rank, targets = options["d"], options["rank"], range(options["targets"])
    planted = draw_targets({"kind": "columns"}, d, rank, context, len(targets))
    known = context.draw(Ensemble, d, m, number)
    labels, ends = known.label(planted), Ends()
    algorithm, own = _descent(options, known, m)
    runs = [own | {"target": target} for target in targets]
    context.run(known, algorithm, runs, planted, [ends], labels=labels)
    estimates = ends.memory["estimates"]
    train, test = known.train_error(estimates, labels).tolist(), test_error(estimates, planted).tolist()
    share = m / symmetric_dimension(d)
    shared = {"d": d, "rank": rank, "m": m, "ensemble": number, "m_over_dimension": share}
    return [
        shared
        | {"target": target, "train_error": train[target], "test_error": test[target]}
        | {"predicted_error": max(1 - share, 0.0) ** 0.5, "status": status_of(train[target])}
        for target in targets
    ]


def status_of(train_error):
    """Return whether a descent fits its labels (``converged``), not yet (``budget``), or never will (``diverged``)."""
    return "converged" if train_error < FITTED else "budget" if train_error < math.inf else "diverged"
