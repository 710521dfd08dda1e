"""The smallest error along descent with fixed steps, by depth: those of published singular values [arora2019]."""

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.completion.factors import Factors, draw_target, largest_singular
from algoreg.chapters.completion.repeated import Repeated
from algoreg.engine.observers import Observer
from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.numerics.problems import stacked
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m: PositiveInt
    repeated: bool = Field(False, description="whether drawn entries are put back")
    depth: Several[Annotated[int, Field(ge=1, le=6)]]
    # The learning rate for the loss that is the mean of the squared residuals.
    rate: PositiveFloat
    start: float = Field(1e-3, gt=0, le=0.1)
    iterations: int = Field(ge=100)
    # A run ends when its mean of squared residuals is at most this.
    tolerance: PositiveFloat = 1e-6
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m >= self.d**2 and not self.repeated:
            raise misfit(self, "m below d²: all entries known leave nothing to complete", "m", "d")
        if self.iterations % 100:
            raise misfit(self, "a multiple of 100: so often a run is looked at", "iterations")
        return self


KEYS = {
    "method": ("the method", "`depth_N`, a product of N factors"),
    "target": None,
    "ensemble": "the number of the choice of known entries",
}
VALUES = {
    "d": None,
    "rank": None,
    "m": "known entries, those that were drawn twice counted twice",
    "distinct": ("the share of known entries", "different known entries over all"),
    "least_mse": ("the least mean squared error", "the least of ‖X − X*‖²_F/d² over every 100th step of the run"),
    "least_at": ("the step of the least error", "the step at which that is"),
    "mse": ("the mean squared error", "‖X − X*‖²_F/d² at the end, where X*'s entries have mean square 1"),
    "train_error": None,
    "escape": (
        "the step of the escape",
        "the first of every 100 steps at which the largest singular value is half of its last one, or more",
    ),
    "iterations": "steps that the run took",
}
# Steps between two snapshots, as published.
STRIDE = 100


def measure(options, context, number, depth):
    """Return one row per depth, target and ensemble: when a run was nearest to X*, and when it left the start.

    X* = UVᵀ with Gaussian U and V. W_k(0) = s₀^{1/N}·I, and all W_k descend on the mean of the squared residuals: its
    gradient in X is 2/d² times M. A run is ``converged`` where that mean is not above the ``tolerance``.
    """
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    ensemble = context.draw(Repeated if options["repeated"] else Ensemble, d, options["m"], number)
    planted = stacked((draw_target(d, rank, context.seed, target) for target in range(count)), context)
    shared = {"m": ensemble.m, "depth": depth, "size": options["start"], "begin": "identity", "rule": "fixed"}
    shared |= {"step": 2 * options["rate"] / d**2, "iterations": options["iterations"]}
    seen = Course(options["tolerance"])
    runs = [{"target": target, **shared} for target in range(count)]
    descent = context.run(ensemble, Factors, runs, planted, [seen])
    known = len({tuple(place) for place in ensemble.positions.tolist()})
    return [
        {"method": f"depth_{depth}", "target": target, "ensemble": number, "d": d, "rank": rank, "m": ensemble.m}
        | {"distinct": known / d**2, **seen.found(target), "iterations": taken, "status": status}
        for target, (taken, status) in enumerate(zip(descent.ended.tolist(), descent.status, strict=True))
    ]


class Course(Observer):
    """Records the squared error and the largest singular value along runs, and stops the runs that fit their labels.

    Memory: ``mse`` and ``largest`` (B, K), NaN after a run's end, and ``train_error`` (B,).

    Parameters
    ----------
    tolerance : float
        The mean of squared residuals at which a run fits.
    """

    stride = STRIDE
    reads_train_error = True

    def __init__(self, tolerance):
        self.tolerance = tolerance

    def prepare(self, batch):
        """Allocate the memory."""
        shape = len(batch.runs), int(batch.budgets.max()) // STRIDE + 1
        self.memory = {"mse": np.full(shape, np.nan), "largest": np.full(shape, np.nan)}
        self.memory["train_error"] = np.full(shape[0], np.nan)

    def observe(self, snapshot):
        """Record errors and singular values, and return which runs fit their labels."""
        place, d = snapshot.iteration // STRIDE, snapshot.targets.shape[-1]
        self.memory["mse"][snapshot.active, place] = snapshot.distance.square().cpu().numpy() / d**2
        self.memory["largest"][snapshot.active, place] = largest_singular(snapshot.estimate).cpu().numpy()
        self.memory["train_error"][snapshot.active] = snapshot.train_error
        # Labels are d times the entries.
        size = snapshot.algorithm.ensemble.label_size(snapshot.algorithm.labels).cpu().numpy() / d
        return (snapshot.train_error * size) ** 2 <= self.tolerance

    def found(self, run):
        """Return the table's values of a run."""
        errors, largest = (own[~np.isnan(own)] for own in (self.memory[name][run] for name in ("mse", "largest")))
        least = int(errors.argmin())
        return {
            "least_mse": errors[least],
            "least_at": STRIDE * least,
            "mse": errors[-1],
            "train_error": self.memory["train_error"][run],
            "escape": STRIDE * int((largest >= largest[-1] / 2).argmax()),
        }
