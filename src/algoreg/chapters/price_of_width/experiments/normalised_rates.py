"""How soon XΘXᵀ with orthonormal columns and descent on UUᵀ reach small errors, by width, where labels determine X*."""

from itertools import product
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from algoreg.algorithms import factored, preconditioned, stiefel
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gram import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings import options as declared
from algoreg.settings.base import ExperimentOptions, Several, misfit

# Algorithm, its own options, and a step near the longest with which all runs on tuning draws arrived.
METHODS = {
    "normalised": ("stiefel", stiefel.Algorithm, {"step": 1.0}),
    "plain": ("factored", factored.Algorithm, {"start": "gaussian", "alpha": 1.0, "step": 0.3}),
    "small": ("factored", factored.Algorithm, {"start": "gaussian", "alpha": 1e-6, "step": 0.4}),
    "damped": (
        "preconditioned",
        preconditioned.Algorithm,
        {"start": "gaussian", "alpha": 1.0, "damping": "residual", "step": 0.5},
    ),
}


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=3)
    rank: PositiveInt
    kappa: float = Field(2.0, ge=1)
    m_over_dimension: float = Field(5.0, gt=1, description="m/D, D = d(d+1)/2: labels determine X*")
    method: Several[Literal["normalised", "plain", "small", "damped"]]
    width: Several[PositiveInt]
    iterations: int = Field(ge=100)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if not self.rank < min(self.width) <= max(self.width) < self.d:
            raise misfit(self, "widths above the rank and below d", "width", "rank", "d")
        return self


KEYS = {
    "method": (
        "the method",
        "`normalised`: XΘXᵀ from Haar columns and Θ = 0; `plain`: UUᵀ from α = 1; `small`: UUᵀ from α = 10⁻⁶; "
        "`damped`: preconditioned, λ the root mean square residual, from α = 1",
    ),
    "width": ("the width", "columns of X or U"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "kappa": None,
    "m": None,
    "step": None,
    "escape": ("the iterations to 0.1", "iterations until the relative error is below 0.1"),
    "growth": (
        "the growth of the iterations per decade",
        "iterations from a relative error of 10⁻² to one of 10⁻³ over those from 0.1 to 10⁻²",
    ),
    "late": ("the iterations from 10⁻³ to 10⁻⁶", "iterations from a relative error of 10⁻³ to one of 10⁻⁶"),
    "iterations": ("the iterations to 10⁻⁶", "iterations until the relative error is below 10⁻⁶ (empty: not by T)"),
    "test_error": None,
}
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-6)


def measure(options, context, number):
    """Return one row per method, width, target and ensemble [wei2025]; starts are as in the algorithms."""
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    m = round(options["m_over_dimension"] * symmetric_dimension(d))
    goals = draw_targets(spectrum_target(rank, options["kappa"]), d, rank, context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    places = list(product(options["width"], range(count)))
    sizes = {"d": d, "rank": rank, "kappa": options["kappa"], "m": m, "ensemble": number}
    rows = []
    for method in options["method"]:
        name, algorithm, own = METHODS[method]
        shared = {**declared.of_runs(name), **own, "m": m, "iterations": options["iterations"]}
        runs = [{**shared, "width": width, "target": target} for width, target in places]
        seen = FirstBelow(TOLERANCES)
        status = context.run(ensemble, algorithm, runs, goals[[target for _, target in places]], [seen]).status
        for (width, target), end, times, error in zip(
            places, status, seen.memory["times"], seen.memory["last"], strict=True
        ):
            first, second, third, last = times.tolist()
            rows.append(
                {**sizes, "method": method, "width": width, "target": target, "step": own["step"], "status": end}
                | {"escape": first, "growth": (third - second) / (second - first), "late": last - third}
                | {"iterations": last, "test_error": float(error)}
            )
    return rows
