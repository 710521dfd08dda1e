"""Descent of full width on noisy labels along its course:
how near it is to the least-squares fits of ranks r − 1, r and r + 1.
"""

import math

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.noise.descents import descended, drawn
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    m: PositiveInt
    label_noise: Several[NonNegativeFloat]
    alpha: Several[PositiveFloat]
    step: PositiveFloat
    time: PositiveFloat
    look: PositiveFloat = 1.0
    points: int = Field(ge=2)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.rank >= self.d:
            raise misfit(self, "rank below d", "rank", "d")
        if self.m < (self.rank + 1) * self.d:
            raise misfit(self, "m of at least d(r + 1), as a factor of rank r + 1 is fitted", "m", "d", "rank")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "label_noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
    "alpha": None,
    "time": None,
    "target": None,
    "ensemble": None,
}
# Without noise the fits are X*, and what is measured by them is empty.
VALUES = {
    "test_error": None,
    "error_over_smallest": (
        "the test error over the smallest so far",
        "`test_error` over the smallest of the run up to this time",
    ),
    "to_fit": "‖X − X̂_r‖_F / ‖X̂_r − X*‖_F, X̂_k the least-squares fit of rank k",
    "to_fit_above": "‖X − X̂_{r+1}‖_F / ‖X̂_r − X*‖_F",
    "to_fit_below": "‖X − X̂_{r−1}‖_F / ‖X̂_r − X*‖_F",
    "closest": ("the smallest distance to the rank-r fit", "the smallest `to_fit` so far, over all looks"),
    "closest_above": ("the smallest distance to the fit of rank r + 1", "the smallest `to_fit_above` so far"),
    "closest_below": ("the smallest distance to the fit of rank r − 1", "the smallest `to_fit_below` so far"),
    "degrees": "(‖ε‖² − RSS)/σ² over rd − r(r−1)/2: degrees of freedom that the fit to the labels uses up",
}
DISTANCES = ("to_fit", "to_fit_above", "to_fit_below")
CLOSEST = ("closest", "closest_above", "closest_below")


def measure(options, context, number, label_noise):
    """Return one row per label noise, α, recorded time, target and ensemble;
    recorded times are spaced by their logarithm.
    """
    ensemble, fitted = drawn(options, context, number, label_noise)
    runs, seen, statuses = descended(options, context, ensemble, fitted)
    looks = len(seen.iterations)
    recorded = np.unique(np.round(np.geomspace(1, looks, options["points"])).astype(int)) - 1
    shared = {key: options[key] for key in ("d", "rank", "m")} | {"label_noise": label_noise, "ensemble": number}
    rows = []
    for place, ((alpha, target), status) in enumerate(zip(runs, statuses, strict=True)):
        course = _course(seen, place, fitted[target].problem, options)
        for k in recorded.tolist():
            values = {name: float(column[k]) if math.isfinite(column[k]) else None for name, column in course.items()}
            time = seen.iterations[k] * options["step"]
            rows.append(shared | {"alpha": alpha, "target": target, "time": time, **values, "status": status})
    return rows


def _course(seen, place, problem, options):
    """Return the columns of a run over all looks."""
    errors, nothing = seen.memory["errors"][:, place], np.full(len(seen.iterations), np.nan)
    course = {"test_error": errors, "error_over_smallest": errors / np.minimum.accumulate(errors)}
    if not problem.sigma:
        return course | dict.fromkeys((*DISTANCES, *CLOSEST, "degrees"), nothing)
    distances = seen.memory["distances"][:, place]
    used = (np.sum(problem.noise**2) - seen.memory["residuals"][:, place]) / problem.sigma**2
    return (
        course
        | dict(zip(DISTANCES, distances.T, strict=True))
        | dict(zip(CLOSEST, np.minimum.accumulate(distances).T, strict=True))
        | {"degrees": used / degrees_of_freedom(options["d"], options["rank"])}
    )
