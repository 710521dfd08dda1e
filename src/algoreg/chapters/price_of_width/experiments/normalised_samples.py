"""How many measurements XΘXᵀ with orthonormal columns needs by its width, beside descent on UUᵀ from a small start."""

from itertools import product
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.price_of_width.experiments.normalised_rates import METHODS
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target, stacked
from algoreg.settings import options as declared
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=3)
    rank: PositiveInt
    kappa: float = Field(2.0, ge=1)
    m_over_dr: Different[PositiveFloat]
    method: Several[Literal["normalised", "small"]]
    width: Several[Literal["2r", "4r", "6r", "d"]]
    iterations: int = Field(ge=100)

    @model_validator(mode="after")
    def _fits_together(self):
        if 6 * self.rank > self.d:
            raise misfit(self, "six times the rank at most d", "rank", "d")
        return self


KEYS = {
    "method": (
        "the method",
        "`normalised`: XΘXᵀ from Haar columns and Θ = 0; `small`: UUᵀ from Gaussian entries at α = 10⁻⁶",
    ),
    "width": ("the width", "columns of X or U: 2r, 4r, 6r or d"),
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {"d": None, "rank": None, "kappa": None, "m_over_dr": None, "test_error": None}
# A run below this error has recovered and leaves: a tenth of the tolerance of the claims.
RECOVERED = 5e-3
# The step of every method: with few measurements M is larger, and the steps of `normalised_rates` would be too long.
STEPS = {"normalised": 0.5, "small": 0.2}
STRIDE = 10


def measure(options, context, number):
    """Return one row per method, width, m and draw; runs know the first m measurements."""
    d, rank = options["d"], options["rank"]
    counts = {ratio: round(ratio * d * rank) for ratio in options["m_over_dr"]}
    factor = draw_factor(spectrum_target(rank, options["kappa"]), d, rank, context.seed, number)
    ensemble = context.draw(Ensemble, d, max(counts.values()), number)
    places, columns = list(product(options["width"], counts)), {"2r": 2 * rank, "4r": 4 * rank, "6r": 6 * rank, "d": d}
    goals = stacked([factor @ factor.T] * len(places), context)
    names = {"target": number, "ensemble": number, "d": d, "rank": rank, "kappa": options["kappa"]}
    for method in options["method"]:
        name, algorithm, own = METHODS[method]
        shared = {**declared.of_runs(name), **own, "step": STEPS[method], "iterations": options["iterations"]}
        runs = [{**shared, "width": columns[width], "m": counts[ratio], "target": number} for width, ratio in places]
        seen = FirstBelow([RECOVERED])
        seen.stride = STRIDE
        status = context.run(ensemble, algorithm, runs, goals, [seen]).status
        for (width, ratio), end, error in zip(places, status, seen.memory["last"].tolist(), strict=True):
            named = {"method": method, "width": width, "m": counts[ratio], **names, "m_over_dr": ratio}
            yield {**named, "test_error": error, "status": end}
