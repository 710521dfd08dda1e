"""From how many measurements on the least trace is at X*: the first m of each draw, beside its mean in theory."""

import numpy as np
from pydantic import PositiveInt

from algoreg.chapters.sharp_constants.predictions import mean_first_count
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.theory import degrees_of_freedom, symmetric_dimension
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[PositiveInt]
    rank: Several[PositiveInt]


KEYS = {"d": None, "rank": None, "target": None, "ensemble": "number of the draw: target and measurements"}
VALUES = {
    "first_m": ("the first m", "the smallest m from which on the matrix of least trace that fits is X*"),
    "predicted": "its mean: the statistical dimension of the least trace, plus a half",
    "over": ("the first m over the prediction", "`first_m` / `predicted`"),
    "over_freedom": ("the first m over the degrees of freedom", "`first_m` over those of X*"),
}
# The least trace is at X* where its relative error is below this: elsewhere it is of order 1.
FOUND = 1e-3


def first_count(finds, low, high):
    """Return the smallest count in [low, high] at which ``finds(count)`` is true; it must be so at ``high``."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle + 1, high)
    return high


def measure(options, context, number, d, rank):
    """Return one row per d, rank and draw.

    The m of a draw share their first measurements, so that what fits at m + 1 fits at m, and X* once found stays so.
    """
    ensemble = context.draw(Ensemble, d, symmetric_dimension(d), number)
    target = draw_targets(spectrum_target(rank, 1), d, rank, context, 1, first=number)
    labels = ensemble.label(target)[0].double().cpu().numpy()
    rows, star = ensemble.rows.double().cpu().numpy(), target[0].double().cpu().numpy()

    def finds(m):
        found, _ = minimum_trace(rows[:m], d, labels[:m], "clarabel")
        return found is not None and np.linalg.norm(found - star) < FOUND * np.linalg.norm(star)

    # With fewer measurements than X* has degrees of freedom, others of its rank fit, some of them with less trace.
    freedom = degrees_of_freedom(d, rank)
    first = first_count(finds, freedom, symmetric_dimension(d))
    predicted = mean_first_count(d, rank)
    yield {
        "d": d,
        "rank": rank,
        "target": number,
        "ensemble": number,
        "first_m": first,
        "predicted": predicted,
        "over": first / predicted,
        "over_freedom": first / freedom,
        "status": "converged",
    }
