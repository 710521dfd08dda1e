"""The linear rate of descent on LRᵀ by the scale of its start, where labels determine X*."""

import math
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.asymmetric import Algorithm
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.problems import draw_rectangulars
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(2.0, ge=1)
    m_over_dimension: float = Field(3.0, gt=1, description="m/d²: labels determine X*, the rate alone is judged")
    width: Several[Literal["r", "2r"]] = Field(["r", "2r"])
    alpha: Several[PositiveFloat]
    balance: PositiveFloat = 1 / 3
    step: float = Field(0.3, gt=0, le=0.5)
    # ηα²·t.
    time: PositiveFloat
    # The relative errors between which the rate is read.
    tolerance: Different[Annotated[float, Field(gt=0, lt=1)]] = Field([1e-3, 1e-6], min_length=2)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank > self.d:
            raise misfit(self, "twice the rank at most d", "rank", "d")
        return self


KEYS = {
    "width": ("the width", "columns of both factors: r or 2r"),
    "alpha": "initialisation scale α: L₀ = αG₁, R₀ = αβG₂, entries iid N(0, 1/d)",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "kappa": None,
    "m": None,
    "balance": "β, the scale of the right start over that of the left",
    "budget": "T, the iterations after which the run is stopped",
    "rate": (
        "the rate",
        "decrease of log error per η·t, mean between the largest and the smallest tolerance (empty: not there by T)",
    ),
    "test_error": "‖X − X*‖_F / ‖X*‖_F when the run stopped, at T or below the last tolerance",
}


def measure(options, context, number):
    """Return one row per width, α, target and ensemble [xiong2024].

    The starts are the first columns of one pair of Gaussian matrices. T is ``time``/(ηα²). A rate that T is too short
    for is left empty, and so is not judged.
    """
    d, rank, count, step = (options[key] for key in ("d", "rank", "targets", "step"))
    m = round(options["m_over_dimension"] * d * d)
    goals = draw_rectangulars(d, d, rank, options["kappa"], context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    widths = {"r": rank, "2r": 2 * rank}
    places = list(product(options["width"], options["alpha"], range(count)))
    shared = {"m": m, "step": step, "balance": options["balance"], "rule": "simultaneous", "damping": 0.0}
    runs = [
        {"width": widths[width], "alpha": alpha, "target": target, **shared}
        | {"iterations": round(options["time"] / (step * alpha**2))}
        for width, alpha, target in places
    ]
    own = goals[[target for *_, target in places]]
    seen = FirstBelow(sorted(options["tolerance"], reverse=True))
    status = context.run(ensemble, Algorithm, runs, own, [seen]).status
    logs = math.log(seen.tolerances[0] / seen.tolerances[-1])
    rates = logs / (step * (seen.memory["times"][:, -1] - seen.memory["times"][:, 0]))
    sizes = {"d": d, "rank": rank, "kappa": options["kappa"], "m": m, "ensemble": number, "balance": options["balance"]}
    return [
        {**sizes, "width": width, "alpha": alpha, "target": target, "budget": run["iterations"], "status": ended}
        | {"rate": rate, "test_error": error}
        for (width, alpha, target), run, ended, rate, error in zip(
            places, runs, status, rates.tolist(), seen.memory["last"].tolist(), strict=True
        )
    ]
