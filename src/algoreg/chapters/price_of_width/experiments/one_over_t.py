"""How the error falls along a long run of UUᵀ, by the width of U and the scale of its start,
where labels determine X*.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gram import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*, not of its factor.
    kappa: float = Field(2.0, ge=1)
    m_over_dimension: float = Field(
        5.0, gt=1, description="m/D, D = d(d+1)/2: labels determine X*, the rate alone is judged"
    )
    width: Several[Literal["r", "2r", "d"]] = Field(["r", "2r", "d"])
    alpha: Several[PositiveFloat]
    step: float = Field(0.2, gt=0, le=0.3)
    iterations: int = Field(ge=100)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank > self.d:
            raise misfit(self, "twice the rank at most d", "rank", "d")
        return self


KEYS = {
    "width": ("the width", "columns of the factor: r, 2r or d"),
    "alpha": "initialisation scale α: U₀ = αG, entries of G iid N(0, 1/d)",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "kappa": None,
    "m": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F; of a run that is below 10⁻¹⁰, that with which it left",
    "slope": (
        "the slope of log error in log t over a decade of t",
        "log₁₀ of the error at t over that at t/10; of a run that left, at its last look (empty: in the first decade, "
        "or X has not left its start)",
    ),
}
# Looks in every decade of t.
LOOKS = 6
# A run below this error leaves: rounding is near.
EXACT = 1e-10
# An error above this is that of a start that was not left.
LEFT = 0.5


def looks_of(last):
    """Return the iterations at which a run is looked at: ``LOOKS`` in every decade down from the last."""
    return sorted({round(last * 10 ** (-k / LOOKS)) for k in range(math.floor(LOOKS * math.log10(last)) + 1)})


class Falls(Observer):
    """The error at every look, and its slope over the decade before: memory ``errors`` and ``slopes`` (K, B).

    Parameters
    ----------
    iterations : list of int
        The K looks.
    """

    per_snapshot = begins(errors=np.nan, slopes=np.nan)

    def __init__(self, iterations):
        self.iterations = iterations

    def observe(self, snapshot):
        """Take in the errors; of a run that leaves they hold at all later looks."""
        k, runs, errors = self.iterations.index(snapshot.iteration), snapshot.active, snapshot.test_error
        self.memory["errors"][k:, runs] = errors
        if k >= LOOKS:
            decades = math.log10(snapshot.iteration / self.iterations[k - LOOKS])
            slopes = np.log10(errors / self.memory["errors"][k - LOOKS, runs]) / decades
            self.memory["slopes"][k:, runs] = np.where(errors < LEFT, slopes, np.nan)
        return errors < EXACT


def measure(options, context, number):
    """Return one row per width, α, look, target and ensemble [xiong2024].

    The starts are the first columns of one Gaussian matrix, and m is above D = d(d+1)/2.

    Raises
    ------
    ValueError
        If T is too short for the smallest start to reach X*.
    """
    needed = options["kappa"] * 2 * math.log(1 / min(*options["alpha"], 1)) / options["step"]
    if options["iterations"] < needed:
        raise ValueError(f"iterations = {options['iterations']}: allowed is at least 2κ·log(1/α)/η = {needed:.0f}")
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    m = round(options["m_over_dimension"] * symmetric_dimension(d))
    goals = draw_targets(spectrum_target(rank, options["kappa"]), d, rank, context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    widths = {"r": rank, "2r": 2 * rank, "d": d}
    places = list(product(options["width"], options["alpha"], range(count)))
    shared = {"m": m, "step": options["step"], "start": "gaussian", "iterations": options["iterations"]}
    runs = [{"width": widths[width], "alpha": alpha, "target": target, **shared} for width, alpha, target in places]
    own, looks = goals[[target for *_, target in places]], looks_of(options["iterations"])
    seen = Falls(looks)
    status = context.run(ensemble, Algorithm, runs, own, [seen]).status
    sizes = {"d": d, "rank": rank, "kappa": options["kappa"], "m": m, "ensemble": number}
    errors, slopes = (seen.memory[key].tolist() for key in ("errors", "slopes"))
    return [
        {**sizes, "width": width, "alpha": alpha, "target": target, "iteration": look, "status": status[run]}
        | {"test_error": errors[k][run], "slope": slopes[k][run]}
        for run, (width, alpha, target) in enumerate(places)
        for k, look in enumerate(looks)
    ]
