"""The distance of descent from X* by condition number κ, m and start, in units of the smallest eigenvalue of X*."""

import math
from itertools import product
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, preconditioned
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target, stacked
from algoreg.settings import options as declared
from algoreg.settings.base import Different, ExperimentOptions, Several, refuse_determined

# The algorithm, its options, and whether the time of a run is multiplied by κ.
METHODS = {
    "small": ("factored", factored.Algorithm, {}, True),
    "spectral": ("factored", factored.Algorithm, {"start": "spectral", "alpha": 1.0}, True),
    "scaled": (
        "preconditioned",
        preconditioned.Algorithm,
        {"start": "spectral", "alpha": 1.0, "damping": "none"},
        False,
    ),
}


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: Several[PositiveInt]
    kappa: Several[float]
    method: Several[Literal["small", "spectral", "scaled"]]
    alpha: PositiveFloat = 1e-6
    m_over_dr: Different[PositiveFloat]
    step: PositiveFloat = 0.25
    # η·t at κ = 1.
    time: PositiveFloat

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_determined(self, max(self.m_over_dr), max(self.rank))
        return self


KEYS = {
    "method": (
        "the method",
        "`small`: descent at full width from αI; `spectral`: at width r from the spectral start; `scaled`: "
        "preconditioned descent without damping from there",
    ),
    "rank": None,
    "kappa": None,
    "m_over_dr": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "smallest_error": (
        "the error in units of the smallest eigenvalue",
        "‖X − X*‖_F / (√r·λ_r) at the end: at κ = 1 the relative error; 0.01 is small enough, and a run stops",
    ),
    "iterations": ("the iterations until that error is 0.1", "iterations until that error is below 0.1, if it is"),
}
TOLERANCE = 0.1
# η·t between two snapshots.
LOOK = 1.0


class SmallestErrors(FirstBelow):
    """Records when errors in units of the smallest eigenvalue fall below tolerances; see :class:`FirstBelow`.

    Parameters
    ----------
    tolerances : list of float
    units : numpy.ndarray, shape (B,)
        √r·λ_r/‖X*‖_F.
    """

    def __init__(self, tolerances, units):
        super().__init__(tolerances)
        self.units = units

    def errors(self, snapshot):
        """Return the errors of the runs in units of the smallest eigenvalue."""
        return snapshot.test_error / self.units[snapshot.active]


def measure(options, context, number):
    """Return one row per method, rank, κ, m and draw: X* has r eigenvalues from 1 to 1/κ."""
    d = options["d"]
    most = max(round(ratio * d * rank) for ratio, rank in product(options["m_over_dr"], options["rank"]))
    ensemble = context.draw(Ensemble, d, most, number)
    for method in options["method"]:
        name, algorithm, own, longer = METHODS[method]
        runs, factors = [], []
        for rank, kappa, ratio in product(options["rank"], options["kappa"], options["m_over_dr"]):
            time = options["time"] * (kappa if longer else 1)
            run = {**declared.of_runs(name), "alpha": options["alpha"], "step": options["step"], "rank": rank}
            run |= {"width": None if method == "small" else rank, "m": round(ratio * d * rank), "target": number, **own}
            runs.append({**run, "iterations": math.ceil(time / options["step"]), "kappa": kappa, "m_over_dr": ratio})
            factors.append(draw_factor(spectrum_target(rank, kappa), d, rank, context.seed, number))
        targets = stacked((factor @ factor.T for factor in factors), context)
        yield from _rows(context.run, ensemble, algorithm, runs, targets, method, number, options["step"])


def _rows(descend, ensemble, algorithm, runs, targets, method, number, step):
    """Return the rows of a method."""
    norms = [float((target**2).sum() ** 0.5) for target in targets]
    units = [run["rank"] ** 0.5 / run["kappa"] / norm for run, norm in zip(runs, norms, strict=True)]
    seen = SmallestErrors([TOLERANCE, TOLERANCE / 10], np.array(units))
    seen.stride = max(round(LOOK / step), 1)
    status = descend(ensemble, algorithm, runs, targets, [seen], diverges_above=math.inf).status
    for run, end, error, times in zip(runs, status, seen.memory["last"], seen.memory["times"], strict=True):
        finite = math.isfinite(error)
        yield {
            "method": method,
            "target": number,
            "ensemble": number,
            "d": ensemble.d,
            **{name: run[name] for name in ("rank", "kappa", "m_over_dr", "m")},
            "smallest_error": float(error) if finite else math.nan,
            "iterations": float(times[0]),
            "status": end if finite else "diverged",
        }
