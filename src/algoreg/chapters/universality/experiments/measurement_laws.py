"""Descents from measurements of several laws with the same first two moments, m on a grid around the threshold."""

import math
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.chapters.universality.ensembles import student_t
from algoreg.engine.observers import ErrorsByTime, FirstBelow
from algoreg.ensembles import gaussian, gaussian_bfloat16, rank_one_pairs, signs
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit

ENSEMBLES = {
    "gaussian": gaussian,
    "gaussian_bfloat16": gaussian_bfloat16,
    "signs": signs,
    "student_t": student_t,
    "rank_one_pairs": rank_one_pairs,
}


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[PositiveInt]
    law: Several[Literal["gaussian", "gaussian_bfloat16", "signs", "student_t", "rank_one_pairs"]]
    rank: PositiveInt
    ratios: Different[PositiveFloat] = Field(min_length=2, description="m over d times the rank")
    alpha: PositiveFloat
    step: PositiveFloat
    time: PositiveFloat
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.step > self.time:
            raise misfit(self, "a step at most the time", "step", "time")
        if 2 * max(self.ratios) * self.rank >= min(self.d) + 1:
            raise misfit(self, "m below d(d+1)/2, where linear algebra does not find X*", "ratios", "rank", "d")
        return self


KEYS = {
    "d": None,
    "law": ("the law of the measurements", "the ensemble: all have E⟨A, X⟩ = 0 and E⟨A, X⟩² = ‖X‖²_F"),
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m_over_dr": None,
    "test_error": ("the test error", "‖X − X*‖_F / ‖X*‖_F where the run ended"),
    "iterations": ("the iterations until the error is 0.1", "those of a run that does not get there: all that it has"),
}
# The relative error at which thresholds and times are read, and a tenth of it, below which a run has recovered X* and
# stops.
TOLERANCE = 0.1
RECOVERED = TOLERANCE / 10
# η·t between two snapshots of the errors.
LOOK = 0.5


def measure(options, context, number, d, law):
    """Return a row per m and target. X* has r eigenvalues 1, and runs start at U₀ = αI.

    A run that knows m measurements knows the first m of the ensemble. One whose error is below 0.01 has recovered X*.
    """
    rank, step = options["rank"], options["step"]
    sizes = {max(round(ratio * d * rank), 1): ratio for ratio in sorted(options["ratios"])}
    ensemble = context.draw(ENSEMBLES[law].Ensemble, d, max(sizes), number)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    last, look = round(options["time"] / step), max(round(LOOK / step), 1)
    common = {"rank": rank, "alpha": options["alpha"], "start": "identity", "step": step, "iterations": last}
    runs = [common | {"m": m, "target": target} for target in range(options["targets"]) for m in sizes]
    targets = torch.cat([planted[run["target"]][None] for run in runs])
    seen, first = ErrorsByTime([last], look, RECOVERED), FirstBelow([TOLERANCE, RECOVERED])
    first.stride = look
    context.run(ensemble, factored.Algorithm, runs, targets, [seen, first], diverges_above=math.inf)
    ends, times = seen.memory["errors"][:, 0].tolist(), first.memory["times"][:, 0].tolist()
    for run, error, reached in zip(runs, ends, times, strict=True):
        finite = math.isfinite(error)
        yield {
            "d": d,
            "law": law,
            "m": run["m"],
            "target": run["target"],
            "ensemble": number,
            "m_over_dr": sizes[run["m"]],
            "test_error": error if finite else math.nan,
            "iterations": reached if math.isfinite(reached) else float(last),
            "status": "diverged" if not finite else "converged" if error < RECOVERED else "budget",
        }
