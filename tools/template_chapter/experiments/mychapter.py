"""Test errors along factored gradient descent from starts of several sizes."""

from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms import factored
from algoreg.engine.observers import ErrorsByTime
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """What experiments.yaml may say of it, with defaults."""

    d: PositiveInt
    rank: PositiveInt = 1
    m: PositiveInt
    alpha: Several[PositiveFloat]
    # The step size η of U ← U − ηMU, as it runs.
    step: PositiveFloat
    iterations: Several[PositiveInt]
    targets: int = Field(ge=2)


# The columns that name a row, then those that are measured; None stands for the meaning that a column has everywhere.
KEYS = {"alpha": None, "iteration": ("the iterations", "iteration as it ran"), "target": None, "ensemble": None}
VALUES = {"d": None, "rank": None, "m": None, "test_error": None}


def measure(options, context, number):
    """Return one row per start, iteration, target and ensemble: the relative error of X = UUᵀ there."""
    d, rank, m, targets = (options[key] for key in ("d", "rank", "m", "targets"))
    iterations = sorted(options["iterations"])
    shared = {"m": m, "step": options["step"], "iterations": iterations[-1], "start": "identity", "width": None}
    runs = [{**shared, "alpha": alpha, "target": target} for alpha in options["alpha"] for target in range(targets)]
    planted = draw_targets({"kind": "columns"}, d, rank, context, targets)[[run["target"] for run in runs]]
    errors = ErrorsByTime(iterations, stride=0, recovered=0.0)
    descent = context.run(context.draw(Ensemble, d, m, number), factored.Algorithm, runs, planted, [errors])
    rows = []
    for run, status, found in zip(runs, descent.status, errors.memory["errors"].tolist(), strict=True):
        named = {"d": d, "rank": rank, "m": m, "alpha": run["alpha"], "target": run["target"], "ensemble": number}
        at = zip(iterations, found, strict=True)
        rows += [{**named, "iteration": one, "test_error": error, "status": status} for one, error in at]
    return rows
