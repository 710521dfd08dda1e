"""Where optimisers end in matrix sensing: the relative error by method, size, measurements, start and length."""

import math
from itertools import product

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.optimised import descend
from algoreg.chapters.optimisers.methods import MethodName, run_of
from algoreg.engine.observers import LastErrors
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target, stacked, target_numbers
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import Different, DrawnTargets, Several, misfit


class Options(DrawnTargets):
    """Options of the experiment."""

    d: Several[PositiveInt]
    rank: Several[PositiveInt] = Field([1])
    m_over_dr: Different[PositiveFloat]
    alpha: Several[PositiveFloat]
    methods: Several[MethodName]
    iterations: Several[PositiveInt]

    @model_validator(mode="after")
    def _below_linear_algebra(self):
        for d, rank in product(self.d, self.rank):
            if max(self.m_over_dr) * d * rank >= symmetric_dimension(d):
                raise misfit(self, "m below d(d+1)/2, where linear algebra finds X*", "m_over_dr", "d", "rank")
        return self


KEYS = {
    "method": "optimiser",
    "d": None,
    "rank": None,
    "m_over_dr": None,
    "alpha": "initialisation scale α: U₀ = αG, entries of G iid N(0, 1/d)",
    "iterations": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "step": "first step",
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F after all iterations"),
    "recovered": ("the share of runs that recover X*", "1 if that error is below 0.01, else 0"),
}
RECOVERED = 0.01


def measure(options, context, number, d):
    """Return one row per method, rank, m, α, length and draw: U is d × d, X* has r eigenvalues 1."""
    settings, factors = [], []
    for target, rank in product(target_numbers(options, number), options["rank"]):
        factor = draw_factor(spectrum_target(rank, 1), d, rank, context.seed, target)
        axes = product(options["methods"], options["m_over_dr"], options["alpha"], options["iterations"])
        for method, ratio, alpha, iterations in axes:
            own = {"alpha": alpha, "start": "gaussian", "target": target, "rank": rank, "m_over_dr": ratio}
            settings.append(run_of(method, iterations, m=round(ratio * d * rank), **own))
            factors.append(factor)
    ensemble = context.draw(Ensemble, d, max(run["m"] for run in settings), number)
    seen = LastErrors()
    targets = stacked((factor @ factor.T for factor in factors), context)
    status = descend(context, ensemble, settings, targets, [seen])
    rows = []
    for run, end, error in zip(settings, status, seen.memory["errors"].tolist(), strict=True):
        names = {key: run[key] for key in (*KEYS, "m", "step") if key in run}
        error = math.nan if end == "diverged" else error
        rows.append(
            {**names, "d": d, "ensemble": number, "end_error": error}
            | {"recovered": float(error < RECOVERED), "status": end}
        )
    return rows
