"""Errors of plain Frank–Wolfe along the iterations, by step rule and by the trace that it is told."""

from itertools import product
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import frank_wolfe
from algoreg.chapters.frank_wolfe.runs import At
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: PositiveFloat = 8
    rule: Several[Literal["open-loop", "line-search"]]
    trace_factor: Several[PositiveFloat]
    first: PositiveInt
    last: PositiveInt
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.first >= self.last:
            raise misfit(self, "first below last", "first", "last")
        return self


KEYS = {
    "rule": "`open-loop`: γ = 2/(k + 2), or `line-search`: the γ of least loss",
    "trace_factor": ("θ over the trace", "θ over the trace of X*: what the method is told"),
    "iteration": ("k", "k, iterations of Frank–Wolfe"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "loss": ("the training loss", "Σ(⟨Aᵢ,X⟩ − yᵢ)² / Σyᵢ²"),
    "test_error": None,
}
# How many iterations are looked at.
POINTS = 9


def measure(options, context, number):
    """Return one row per rule, θ, iteration, target and ensemble, from X = 0 with the full gradient.

    X* has r eigenvalues 1, m = ``m_over_dr``·dr. Iterations are nine from ``first`` to ``last`` in equal ratios.
    """
    d, rank, count = options["d"], options["rank"], options["targets"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_dr"] * d * rank), number)
    points = np.unique(np.geomspace(options["first"], options["last"], POINTS).round().astype(int)).tolist()
    own = {"step": 1.0, "m": ensemble.m, "iterations": points[-1], "theta": None, "keep": None, "weight": 0.5}
    runs = [
        {**own, "rule": rule, "trace_factor": factor, "target": target}
        for rule, factor, target in product(options["rule"], options["trace_factor"], range(count))
    ]
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, count).repeat(len(runs) // count, 1, 1)
    seen = At(points)
    context.run(ensemble, frank_wolfe.Algorithm, runs, planted, [seen])
    return [
        {"d": d, "rank": rank, "m": ensemble.m, "ensemble": number, "status": "budget"}
        | {key: run[key] for key in ("rule", "trace_factor", "target")}
        | {"iteration": point, "loss": train**2, "test_error": test}
        for run, course in zip(runs, seen.courses(), strict=True)
        for point, test, train in course
    ]
