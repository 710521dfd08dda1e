"""How many measurements two factors need by their columns: alternating steps with a pseudoinverse,
damped ones, and descent.
"""

from itertools import product
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.asymmetric import Algorithm
from algoreg.engine.observers import ErrorsByTime
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.problems import draw_rectangulars
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(1.0, ge=1)
    method: Several[Literal["alternating", "damped", "descent"]] = Field(["alternating", "damped", "descent"])
    # The columns of both factors over the rank.
    widths: Several[PositiveInt] = Field([1, 2, 4])
    # m over 2dr.
    ratios: Several[PositiveFloat]
    alpha: PositiveFloat = 1.0e-6
    # λ of damped steps over the smallest singular value of X*.
    damping: PositiveFloat = 1.0
    # Of alternating steps, damped or not, and of descent.
    alternating_step: float = Field(0.5, gt=0, le=1)
    descent_step: float = Field(0.4, gt=0, le=0.5)
    # η·t of alternating steps; of descent, κ times as long as needs to leave its start.
    alternating_time: PositiveFloat = 150.0
    descent_time: PositiveFloat = 200.0
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.widths) * self.rank > self.d:
            raise misfit(self, "as many columns as d at most", "widths", "rank", "d")
        if 2 * max(self.ratios) * self.rank >= self.d:
            raise misfit(self, "m below d², where linear algebra does not find X*", "ratios", "rank", "d")
        return self


KEYS = {
    "method": (
        "`alternating` (steps with a pseudoinverse), `damped` (the same with λ > 0 in its place) or `descent` (of both "
        "factors at once)"
    ),
    "k": ("the columns k", "columns k of both factors"),
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": "scale α of the start",
    "damping": "λ of damped steps, else 0",
    "step": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F when the run stopped, at T or once recovered",
}
# The relative error below which a run has recovered, and leaves.
RECOVERED = 1e-3
# Iterations between two snapshots.
STRIDE = 4


def measure(options, context, number, method):
    """Return one row per method, k, m, target and ensemble; steps as in :mod:`algoreg.algorithms.asymmetric` [jia2024].

    All methods see the same targets and measurements, of which a run knows the first m, and have the same starts: the
    first columns of one pair of Gaussian matrices.
    """
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    counts = [round(2 * ratio * d * rank) for ratio in options["ratios"]]
    goals = draw_rectangulars(d, d, rank, options["kappa"], context, count)
    ensemble = context.draw(Ensemble, d, max(counts), number)
    pace = "descent" if method == "descent" else "alternating"
    step, time = options[f"{pace}_step"], options[f"{pace}_time"]
    shared = {"alpha": options["alpha"], "step": step, "iterations": round(time / step), "balance": 1.0}
    shared["rule"] = "simultaneous" if method == "descent" else "alternating"
    shared["damping"] = options["damping"] / options["kappa"] if method == "damped" else 0.0
    places = list(product(options["widths"], counts, range(count)))
    runs = [{"width": width * rank, "m": m, "target": target, **shared} for width, m, target in places]
    own, seen = goals[[target for *_, target in places]], ErrorsByTime([shared["iterations"]], STRIDE, RECOVERED)
    status = context.run(ensemble, Algorithm, runs, own, [seen]).status
    sizes = {"method": method, "d": d, "rank": rank, "kappa": options["kappa"]}
    sizes |= {key: shared[key] for key in ("alpha", "damping", "step")}
    return [
        {**sizes, "k": run["width"], "m": run["m"], "target": run["target"], "ensemble": number, "status": ended}
        | {"test_error": error}
        for run, ended, error in zip(runs, status, seen.memory["errors"][:, 0].tolist(), strict=True)
    ]
