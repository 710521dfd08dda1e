"""Where several noisy descents move from one and the same fit: the trace of the Hessian, and the nearest fits."""

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms.factored import Algorithm as Descent
from algoreg.algorithms.stochastic import Algorithm as Stochastic
from algoreg.chapters.late_phase.fits import LastFactor, Problem
from algoreg.chapters.late_phase.methods import LabelNoise, SharpnessAware
from algoreg.ensembles.gaussian import Ensemble
from algoreg.settings.base import Different, ExperimentOptions


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: Different[PositiveFloat]
    step: PositiveFloat = 0.1
    single_step: PositiveFloat = 0.02
    noise: PositiveFloat = 1.0
    radius: PositiveFloat = 0.1
    fit_iterations: PositiveInt
    iterations: PositiveInt


KEYS = {
    "method": (
        "the method",
        "`descent`, `single` (one measurement at each step), `label_noise` (of all measurements), `sharpness_aware` "
        "(one measurement at each step), `sharpness_aware_full`",
    ),
    "m_over_d": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "step": None,
    "fit_residual": "the training error of the fit from which all of them move",
    "residual": "the training error at the end, after descent without noise",
    "excess_left": (
        "the share of the excess that is left",
        "⟨W, X⟩ less its least value over the fits, at the end over that at the fit; W = (1/m) Σ A_i²",
    ),
    "to_flattest": ("the distance from the flattest fit", "‖X − F‖_F / ‖X*‖_F, F the fit of least ⟨W, ·⟩"),
    "to_trace": ("the distance from the fit of least trace", "‖X − T‖_F / ‖X*‖_F, T the fit of least trace"),
    "apart": ("the distance between both", "‖F − T‖_F / ‖X*‖_F"),
    "nearer": ("the distance from the flattest fit over that from least trace", "`to_flattest` / `to_trace`"),
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F"),
}


def methods(options):
    """Return the algorithm of every method, and its options."""
    full, single = {"step": options["step"]}, {"step": options["single_step"]}
    return {
        "descent": (Descent, full),
        "single": (Stochastic, {**single, "batch_size": 1}),
        "label_noise": (LabelNoise, {**full, "noise": options["noise"]}),
        "sharpness_aware": (SharpnessAware, {**single, "radius": options["radius"], "single": True}),
        "sharpness_aware_full": (SharpnessAware, {**full, "radius": options["radius"], "single": False}),
    }


def measure(options, context, number, m_over_d):
    """Return one row per method, m and draw: X* has rank 1 and norm 1, descent first fits from U₀ = I."""
    d = options["d"]
    ensemble = context.draw(Ensemble, d, round(m_over_d * d), number)
    problem = Problem(ensemble, context, number)
    fit, _ = problem.descend(options["step"], options["fit_iterations"])
    labels, begun = ensemble.label(problem.target), problem.excess(fit @ fit.mT)
    for name, (algorithm, own) in methods(options).items():
        seen = LastFactor()
        (end,) = problem.run(algorithm, [{**own, "iterations": options["iterations"]}], [seen], fit)
        factor, (last,) = problem.descend(options["step"], options["fit_iterations"], seen.memory["factor"])
        x = factor @ factor.mT
        norm = torch.linalg.matrix_norm
        goals = (problem.flattest, problem.least_trace, problem.target[0])
        flattest, trace, error = (float(norm(x[0] - goal)) for goal in goals)
        found = {
            "fit_residual": float(ensemble.train_error(fit @ fit.mT, labels)[0]),
            "residual": float(ensemble.train_error(x, labels)[0]),
            "excess_left": float(problem.excess(x)[0] / begun[0]),
            "to_flattest": flattest,
            "to_trace": trace,
            "apart": float(norm(problem.flattest - problem.least_trace)),
            "nearer": flattest / trace,
            "end_error": error,
        }
        there = "diverged" not in (end, last)
        yield {
            "method": name,
            "m_over_d": m_over_d,
            "target": number,
            "ensemble": number,
            "d": d,
            "m": ensemble.m,
            "step": own["step"],
            "status": end,
            **{key: value if there else float("nan") for key, value in found.items()},
        }
