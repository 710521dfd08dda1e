"""The test error with and without momentum at one training error, from small starts of full width."""

import math
from itertools import product

import numpy as np
from pydantic import Field, PositiveFloat

from algoreg.chapters.momentum.runs import descend
from algoreg.engine.observers import Observer, begins, spaced_iterations
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: PositiveFloat = 2.5
    alpha: Several[PositiveFloat] = Field([0.01])
    momentum: float = Field(0.75, gt=0, lt=1)
    step: Several[PositiveFloat]
    train_error: PositiveFloat = 0.01
    # η times the iterations, of plain descent.
    time: PositiveFloat = 300
    targets: int = Field(ge=2)


KEYS = {
    "alpha": None,
    "step": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "momentum": ("μ", "momentum μ"),
    "train_error": "training error at which both are compared",
    "descent_error": "‖X − X*‖_F / ‖X*‖_F of plain descent there, interpolated between looks",
    "momentum_error": "that with momentum, at the same η",
    "ratio": ("the ratio of test errors", "the second over the first"),
}


class AtTraining(Observer):
    """The test error at which the training error falls through a level: memory ``errors``,
    ``trains``, ``tests`` (B,).
    """

    reads_train_error = True
    per_run = begins(errors=np.nan, trains=np.nan, tests=np.nan)

    def __init__(self, level):
        self.level = level

    def observed_iterations(self, last):
        """Return :func:`spaced_iterations`."""
        return spaced_iterations(last)

    def observe(self, snapshot):
        """Interpolate between the logarithms of both errors where the level was passed."""
        done = snapshot.train_error < self.level
        for place in np.flatnonzero(done):
            run, train, test = snapshot.active[place], snapshot.train_error[place], snapshot.test_error[place]
            old, before = self.memory["trains"][run], self.memory["tests"][run]
            share = math.log(self.level / train) / math.log(old / train) if old > self.level else 0.0
            self.memory["errors"][run] = test * (before / test) ** share if share else test
        self.memory["trains"][snapshot.active], self.memory["tests"][snapshot.active] = (
            snapshot.train_error,
            snapshot.test_error,
        )
        return done


def measure(options, context, number):
    """Return one row per α, step, target and ensemble: both test errors from αI at full width,
    at rank 1; m = ``m_over_d``·d.
    """
    d = options["d"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    own = {"start": "identity", "width": None}
    settings = [
        {**own, "alpha": alpha, "step": step, "momentum": momentum, "iterations": round(options["time"] / step)}
        for alpha in options["alpha"]
        for step in options["step"]
        for momentum in (0.0, options["momentum"])
    ]
    seen = AtTraining(options["train_error"])
    planted = draw_targets(spectrum_target(1, 1), d, 1, context, options["targets"])
    runs, _ = descend(context, ensemble, settings, planted, [seen])
    errors = {
        (run["alpha"], run["step"], run["momentum"], run["target"]): error
        for run, error in zip(runs, seen.memory["errors"].tolist(), strict=True)
    }
    rows = []
    for alpha, step, target in product(options["alpha"], options["step"], range(options["targets"])):
        plain, moved = (errors[alpha, step, momentum, target] for momentum in (0.0, options["momentum"]))
        names = {"alpha": alpha, "step": step, "target": target, "ensemble": number, "d": d, "m": ensemble.m}
        names |= {key: options[key] for key in ("momentum", "train_error")}
        values = {"descent_error": plain, "momentum_error": moved, "ratio": moved / plain}
        rows.append({**names, **values, "status": "budget" if math.isnan(moved / plain) else "converged"})
    return rows
