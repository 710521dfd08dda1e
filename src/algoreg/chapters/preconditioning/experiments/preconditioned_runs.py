"""Plain and preconditioned descent side by side: iterations to an error, the smallest error, the last one."""

import math
from collections import defaultdict
from itertools import product
from typing import Annotated

from pydantic import Field, PositiveFloat, model_validator

from algoreg.chapters.preconditioning.methods import METHODS
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target, stacked
from algoreg.settings.base import ExperimentOptions, Several, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    # Of X*, not of its factor.
    kappa: Several[Annotated[float, Field(ge=1)]]
    alpha: Several[PositiveFloat] = Field([1.0e-6])
    m_over_dr: Several[PositiveFloat] = Field([5.0])
    method: Several[str]
    tolerance: Several[Annotated[float, Field(gt=0, lt=1)]]
    # η·t; times κ for plain descent.
    time: PositiveFloat
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_determined(self, max(self.m_over_dr), self.rank)
        return self


KEYS = {
    "method": "a method of `algoreg.chapters.preconditioning.methods`",
    "kappa": None,
    "alpha": "initialisation scale α of a small start; a spectral start has none",
    "m": None,
    "tolerance": "relative error to which iterations are counted",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "step": None,
    "budget": "T, the iterations after which the run is stopped",
    "passes": (
        "the iterations to the tolerance",
        "iterations until the relative error is first below the tolerance, interpolated; each is a pass (empty: not by T)",
    ),
    "smallest_error": ("the smallest error along the run", "smallest ‖X − X*‖_F / ‖X*‖_F at a look"),
    "test_error": "‖X − X*‖_F / ‖X*‖_F when the run stopped, at T or below the last tolerance",
}


def measure(options, context):
    """Return one row per method, κ, α, m, tolerance, target and ensemble.

    X* has r eigenvalues from 1 to 1/κ in equal ratios. All methods see the same targets and measurements; Gaussian
    starts are the first columns of one matrix. A row is ``converged`` if the error came below the tolerance.
    """
    if not METHODS.keys() >= set(options["method"]):
        raise ValueError(f"method = {', '.join(options['method'])}: allowed are {', '.join(METHODS)}")
    needed = math.log(1 / min(options["alpha"])) - math.log(max(options["tolerance"]))
    if options["time"] < needed:
        raise ValueError(f"time = {options['time']:g}: allowed is at least log(1/α) + log(1/tolerance) = {needed:.1f}")
    groups = defaultdict(list)
    for name in options["method"]:
        groups[METHODS[name].algorithm].append(name)
    for number, names in product(context.ensembles, groups.values()):
        yield from context.part(f"ensemble {number}, {' '.join(names)}", _rows, options, context, number, names)


def _runs(options, names):
    """Return the runs of methods without their targets; one that starts spectrally knows no α, and runs once."""
    runs = []
    for name, kappa, ratio, target in product(names, options["kappa"], options["m_over_dr"], range(options["targets"])):
        method = METHODS[name]
        for alpha in options["alpha"] if method.start == "gaussian" else [1.0]:
            own = method.settings(options["d"], options["rank"], kappa, alpha)
            m = round(ratio * options["d"] * options["rank"])
            iterations = method.iterations(options["time"], kappa)
            runs.append({"method": name, "kappa": kappa, "m": m, "target": target, "iterations": iterations, **own})
    return runs


def _rows(options, context, number, names):
    """Return the rows of methods of one algorithm on one ensemble."""
    d, rank, runs = options["d"], options["rank"], _runs(options, names)
    most = max(run["m"] for run in runs)
    ensemble = context.draw(Ensemble, d, most, number)
    kinds = {kappa: spectrum_target(rank, kappa) for kappa in options["kappa"]}
    factors = [draw_factor(kinds[run["kappa"]], d, rank, context.seed, run["target"]) for run in runs]
    goals = stacked((u @ u.T for u in factors), context)
    seen = FirstBelow(sorted(options["tolerance"], reverse=True))
    status = context.run(ensemble, METHODS[names[0]].algorithm, runs, goals, [seen]).status
    kept = zip(runs, status, *(seen.memory[key].tolist() for key in ("times", "smallest", "last")), strict=True)
    return [row | {"d": d, "ensemble": number} for each in kept for row in _row(rank, seen.tolerances, *each)]


def _row(rank, tolerances, run, status, times, smallest, last):
    """Yield the rows of a run, one for each tolerance."""
    names = {key: run[key] for key in ("method", "kappa", "alpha", "m", "target", "step")}
    ends = {"smallest_error": smallest, "test_error": math.nan if status == "diverged" else last}
    for tolerance, time in zip(tolerances.tolist(), times, strict=True):
        ended = "converged" if not math.isnan(time) else "diverged" if status == "diverged" else "budget"
        yield {**names, "rank": rank, "budget": run["iterations"], "tolerance": tolerance} | {
            "passes": time,
            **ends,
            "status": ended,
        }
