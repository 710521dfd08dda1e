"""Quadratic networks trained by Algorithm 1, with parts of it left out, with a wrong τ,
from any scale, at any width.
"""

import math
from itertools import product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from algoreg.algorithms.quadratic import Algorithm
from algoreg.chapters.li2018 import quadratic_network_bound, theorem_11_window
from algoreg.chapters.networks.variants import moments, run_of, seen_labels
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.diagnostics import generalisation_error
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.theory import geometric_spectrum
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    kappa: float = Field(1.0, ge=1)
    m: Several[PositiveInt]
    targets: int = Field(ge=2)
    variant: Several[
        Literal[
            "algorithm-1",
            "no-truncation",
            "level-2.5",
            "level-4",
            "level-6",
            "no-rescaling",
            "plain",
            "mean-label",
            "coefficient-4",
            "wrong-sign",
            "permuted-labels",
        ]
    ] = Field(description="of algoreg.chapters.networks.variants")
    alpha: Several[PositiveFloat]
    tau_error: Several[Annotated[float, Field(gt=-1)]] = Field([0.0], description="relative errors")
    width: Different[PositiveInt] = Field([], description="empty for d alone")
    step: PositiveFloat
    time: PositiveFloat = Field(description="η·t at the end, or its multiple of κ log(d/α) with until: window")
    until: Literal["time", "window"] = "time"
    record: PositiveInt = Field(1, description="how many iterations are recorded, log-spaced; 1 is the end alone")
    multiples: Different[PositiveFloat] = Field(
        [], description="further recorded iterations, over κ log(d/α)/η; beyond the end none"
    )
    look: NonNegativeInt = Field(
        0,
        description="how many iterations lie between two looks at whether a run has diverged or found half of X*, beside the recorded ones; 0 for these alone",
    )


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "variant": "variant of Algorithm 1, as `algoreg.chapters.networks.variants` names it",
    "alpha": None,
    "tau_error": "relative error of the τ that the rescaling step is told",
    "width": "hidden units, the columns of U",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "test_error": None,
    "generalisation_error": (
        "the generalisation error",
        "2‖Δ‖_F² + (tr Δ)², Δ = UUᵀ − X*: mean squared error on a fresh x ~ N(0, I)",
    ),
    "parameter_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
    "error_of_zero": "`generalisation_error` of the prediction 0, 2‖X*‖_F² + (tr X*)²",
    "bound": "dκα, Theorem 1.2's bound on `generalisation_error` with constant 1",
    "window": "upper / lower end of Theorem 1.2's window, 1/(κ log(d/α)·√(dκα)); below 1 there is no window",
    "ended": "`iteration`, or the first one looked at by which the run had diverged",
    "reached": "the first iteration looked at with `test_error` below 0.5 (empty if there is none yet)",
    "over_window": "`iteration` / (κ log(d/α)/η), the lower end of Theorem 1.2's window with constant 1",
}

# A relative test error above this is called divergence: nothing that passes it comes back.
DIVERGED_ABOVE = 1e3
# One below this has found half of X*: X = 0 has 1.
REACHED_BELOW = 0.5


def measure(options, context):
    """Return one row per run and recorded iteration.

    Targets have eigenvalues from 1 to 1/κ, in geometric progression. Bound and window are those of
    [LMZ18, Theorem 1.2]. A run that diverges has no errors from ``ended`` on.
    """
    axes = options["alpha"], options["width"] or [options["d"]]
    yield from context.by_ensemble(_rows, options, "alpha = {:g}, width = {}", *axes)


class Course(Observer):
    """The errors of every run at the recorded iterations, and when it had found half of X*.

    Memory: ``relative``, ``general`` and ``squared`` (K, B): the relative test error, a fresh example's squared error
    and ‖X − X*‖_F², NaN where a run has diverged; ``reached`` (B,), the first iteration looked at with a small error,
    NaN without one.

    Parameters
    ----------
    iterations : list of int
        The recorded ones, K of them, rising.
    stride : int
        Iterations between further looks; 0 for none.
    """

    from_start = False
    per_run = begins(reached=np.nan)
    per_snapshot = begins(relative=np.nan, general=np.nan, squared=np.nan)

    def __init__(self, iterations, stride):
        self.iterations, self.stride = iterations, stride

    def observe(self, snapshot):
        """Record the errors."""
        good, reached = ~snapshot.diverged, self.memory["reached"]
        first = snapshot.active[good & (snapshot.test_error < REACHED_BELOW)]
        reached[first] = np.where(np.isnan(reached[first]), snapshot.iteration, reached[first])
        if snapshot.iteration in self.iterations:
            k, runs = self.iterations.index(snapshot.iteration), snapshot.active[good]
            general = generalisation_error(snapshot.estimate, snapshot.targets).cpu().double().numpy()
            self.memory["relative"][k, runs] = snapshot.test_error[good]
            self.memory["general"][k, runs] = general[good]
            self.memory["squared"][k, runs] = snapshot.distance.square().cpu().double().numpy()[good]


def _rows(options, context, number, alpha, width):
    """Return the rows of all descents from one scale, at one width, on one ensemble."""
    d, rank, kappa, step = options["d"], options["rank"], options["kappa"], options["step"]
    planted = draw_targets(spectrum_target(rank, kappa), d, rank, context, options["targets"])
    targets, changes = range(len(planted)), product(options["m"], options["variant"], options["tau_error"])
    points = [(*change, target) for change in changes for target in targets]
    ensemble = context.draw(Ensemble, d, max(options["m"]), number)
    lower, upper = theorem_11_window(d, kappa, alpha, step)
    end = math.ceil(options["time"] * (lower if options["until"] == "window" else 1 / step))
    seen = Course(_shown(options, lower, end), options["look"])
    tau = sum(geometric_spectrum(rank, kappa))
    runs = [
        run_of(variant, tau, alpha, step, m, target, tau_error=error, width=width) | {"iterations": end}
        for m, variant, error, target in points
    ]
    labels = seen_labels(ensemble, planted, [(m, variant, target) for m, variant, _, target in points], context)
    goals = planted[[target for *_, target in points]]
    descent = context.run(ensemble, Algorithm, runs, goals, [seen], labels=labels, diverges_above=DIVERGED_ABOVE)
    shared = {"d": d, "rank": rank, "alpha": alpha, "width": width, "ensemble": number, "window": upper / lower}
    shared |= {"error_of_zero": error_of_zero(rank, kappa), "bound": quadratic_network_bound(d, kappa, alpha)}
    return [
        shared
        | {"m": m, "variant": variant, "tau_error": error, "target": target}
        | {"iteration": iteration, "over_window": iteration / lower}
        | _values(seen, k, i, descent)
        for k, iteration in enumerate(seen.iterations)
        for i, (m, variant, error, target) in enumerate(points)
    ]


def _shown(options, lower, end):
    """Return the recorded iterations, rising; ``lower`` is κ log(d/α)/η and ``end`` the last one."""
    further = {math.ceil(multiple * lower) for multiple in options["multiples"]}
    return sorted({*moments(end, options["record"]), *(moment for moment in further if moment <= end)})


def _values(seen, k, run, descent):
    """Return what is measured of a run at the recorded iteration number k."""
    memory, iteration = seen.memory, seen.iterations[k]
    lost = descent.status[run] == "diverged" and descent.ended[run] <= iteration
    reached = float(memory["reached"][run])
    return {
        "test_error": float(memory["relative"][k, run]),
        "generalisation_error": float(memory["general"][k, run]),
        "parameter_error": float(memory["squared"][k, run]),
        "ended": int(descent.ended[run]) if lost else iteration,
        "reached": reached if reached <= iteration else math.nan,
        "status": "diverged" if lost else "budget",
    }


def error_of_zero(rank, kappa):
    """Return the mean squared error of the prediction 0 on a fresh example: 2|X*|_F² + (tr X*)²."""
    spectrum = geometric_spectrum(rank, kappa)
    return 2 * sum(value**2 for value in spectrum) + sum(spectrum) ** 2
