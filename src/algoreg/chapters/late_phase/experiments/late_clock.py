"""How long label noise takes to lower the trace of the Hessian along the fits, by its size and the step."""

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.late_phase.fits import Problem
from algoreg.chapters.late_phase.methods import LabelNoise
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.settings.base import Different, ExperimentOptions


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: PositiveFloat
    # All sizes at the first step, and all steps at the first size.
    noise: Different[PositiveFloat] = Field(min_length=1)
    step: Different[PositiveFloat] = Field(min_length=1)
    fit_step: PositiveFloat = 0.1
    fit_iterations: PositiveInt
    # Iterations times (η·σ)², at most.
    budget: PositiveFloat


KEYS = {
    "noise": ("σ", "standard deviation σ of the labels' noise, in units of a label's"),
    "step": ("η", "step size η"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "fit_residual": "the training error of the fit from which the noise begins",
    "fit_excess": "⟨W, X⟩ there over its least value over the fits, less 1; W = (1/m) Σ A_i²",
    "fitting": (
        "the iterations to the fit",
        "first iteration from U₀ = I, with this noise and step, with a training error of at most 1",
    ),
    "halved": ("the iterations of noise that halve the excess", "first iteration with at most half of that excess"),
}
# The training error at which the first fit is timed; noise keeps it from 0.
FITTED = 1.0


class Excess(FirstBelow):
    """When the excess first falls below shares of that at the start; see :class:`FirstBelow`."""

    stride = 10

    def __init__(self, tolerances, problem, begun):
        super().__init__(tolerances)
        self.problem, self.begun = problem, begun

    def errors(self, snapshot):
        """Return the share that is left, by run."""
        return (self.problem.excess(snapshot.estimate) / self.begun).clamp(min=0).cpu().numpy()


class Residual(FirstBelow):
    """When the training error first falls below tolerances; see :class:`FirstBelow`."""

    stride = 1
    reads_train_error = True

    def errors(self, snapshot):
        """Return the training error, by run."""
        return snapshot.train_error


def measure(options, context, number):
    """Return one row per noise, step and draw: X* has rank 1 and norm 1, descent first fits from U₀ = I."""
    d = options["d"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    problem = Problem(ensemble, context, number)
    factor, (fitted,) = problem.descend(options["fit_step"], options["fit_iterations"])
    x = factor @ factor.mT
    begun = float(problem.excess(x)[0])
    pairs = [(noise, options["step"][0]) for noise in options["noise"]]
    pairs += [(options["noise"][0], step) for step in options["step"][1:]]
    runs = [
        {"noise": noise, "step": step, "iterations": int(np.ceil(options["budget"] / (noise * step) ** 2))}
        for noise, step in pairs
    ]
    seen = Excess([0.5], problem, begun)
    status = problem.run(LabelNoise, runs, [seen], factor.expand(len(runs), d, d))
    first = Residual([FITTED])
    problem.run(LabelNoise, runs, [first])
    least = float((problem.weight * problem.flattest).sum())
    times = (observer.memory["times"][:, 0] for observer in (first, seen))
    for run, end, fitting, halved in zip(runs, status, *times, strict=True):
        yield {
            "noise": run["noise"],
            "step": run["step"],
            "target": number,
            "ensemble": number,
            "d": d,
            "m": ensemble.m,
            "fit_residual": float(ensemble.train_error(x, ensemble.label(problem.target))[0]),
            "fit_excess": begun / least,
            "fitting": float(fitting),
            "halved": float(halved) if end != "diverged" and fitted != "diverged" else float("nan"),
            "status": end,
        }
