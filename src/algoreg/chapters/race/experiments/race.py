"""Methods side by side: passes over the data until each has recovered the same targets from the same measurements."""

import math
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.race.methods import METHODS
from algoreg.chapters.race.runs import batch_of, raced
from algoreg.engine.observers import FirstBelow
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    kappa: Several[Annotated[float, Field(ge=1)]]
    # T at each κ: those that fall slowly with κ need more.
    budget: Several[PositiveInt]
    m_over_dr: PositiveFloat = 5
    method: Different[str] = Field([], description="none for all")
    targets: int = Field(ge=2)
    tuning_draws: PositiveInt = 2

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_budgets(self)
        refuse_determined(self, self.m_over_dr, self.rank)
        return self


def refuse_budgets(options):
    """Refuse options that do not have a budget for each κ."""
    if len(options.budget) != len(options.kappa):
        raise misfit(options, "a budget for each κ", "budget", "kappa")


KEYS = {
    "method": "a method of `algoreg.chapters.race.methods`",
    "told": (
        "what of X* the method is told: `nothing`, `rank`, `rank bound` (2r), `sigma_r` (its smallest "
        "eigenvalue that is not 0), `trace`, `rank and trace`"
    ),
    "kappa": None,
    "tolerance": "relative error to which the passes are counted",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "step": (
        "η",
        "step size η in M-form, for each ensemble the method's best of its grid by training error on draws of their "
        "own; the worst run counts, also at a step a quarter longer",
    ),
    "smallest_step": "smallest η that the method could choose",
    "largest_step": "largest η that the method could choose; one a quarter longer was tried, too",
    "momentum": ("μ", "momentum μ, chosen with the step or set (empty where the method has none)"),
    "budget": "T, the iterations after which the run is stopped",
    "iterations": (
        "the iterations to the tolerance",
        "iterations until the relative error is first below the tolerance, interpolated (empty: not by T, or diverged)",
    ),
    "passes": (
        "the passes over the data to the tolerance",
        "passes over the data by then: a gradient is one, measurements alone are half of one",
    ),
    "smallest_error": "smallest ‖X − X*‖_F / ‖X*‖_F at a look; runs stop below the last tolerance",
    "end_error": "‖X − X*‖_F / ‖X*‖_F when the run stopped",
}
# From where performance is counted to where a run has recovered.
TOLERANCES = (0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def measure(options, context):
    """Return one row per method, κ, tolerance, target and ensemble:
    the iterations and passes until the error is below it.

    X* has r eigenvalues from 1 to 1/κ in equal ratios; m = ``m_over_dr``·dr < d(d+1)/2. Every method has its own step
    on each ensemble, the best of its grid at each κ by its training error on ensembles and targets that are not judged,
    its worst run counting, at that step and at one a quarter longer; see :func:`algoreg.chapters.race.runs.tuned`. A
    row is ``converged`` if the tolerance was reached, ``budget`` if not by T, ``diverged`` if the run diverged before.
    """
    yield from raced(options, context, rows_of)


def rows_of(options, context, number, algorithm, runs):
    """Return the rows of methods of one algorithm on one ensemble."""
    seen = FirstBelow(TOLERANCES)
    batch = batch_of(options, context, number, algorithm, runs, [seen])
    descent = context.descend(batch)
    kept = zip(batch.runs, descent.status, *(seen.memory[key] for key in ("times", "smallest", "last")), strict=True)
    return [row | {"ensemble": number} for each in kept for row in _row(options, *each)]


def _row(options, run, status, times, smallest, last):
    """Yield the rows of a run, one for each tolerance."""
    method = METHODS[run["method"]]
    shared = {key: run[key] for key in ("method", "kappa", "target", "rank", "m", "step")} | {
        "told": method.prior_knowledge,
        "d": options["d"],
        "smallest_step": min(method.steps),
        "largest_step": max(method.steps),
        "momentum": run.get("momentum", math.nan),
        "budget": run["iterations"],
        "smallest_error": smallest,
        "end_error": last if math.isfinite(last) else math.nan,
    }
    for tolerance, time in zip(TOLERANCES, times.tolist(), strict=True):
        reached = not math.isnan(time)
        yield shared | {
            "tolerance": tolerance,
            "iterations": time,
            "passes": method.first_passes + method.passes * time,
            "status": "converged" if reached else "diverged" if status == "diverged" else "budget",
        }
