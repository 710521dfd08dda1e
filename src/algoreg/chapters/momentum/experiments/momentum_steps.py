"""Momentum beside plain descent at the same step and at one that is 1/(1 − μ) times as long."""

import math
from typing import Annotated

from pydantic import Field, PositiveFloat

from algoreg.chapters.momentum.runs import descend
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: PositiveFloat = 6
    step: Several[PositiveFloat]
    momentum: Several[Annotated[float, Field(gt=0, lt=1)]]
    tolerance: PositiveFloat = 1e-4
    # η times the iterations.
    time: PositiveFloat = 60
    targets: int = Field(ge=2)


KEYS = {
    "step": None,
    "momentum": ("μ", "momentum μ"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "iterations": "iterations with momentum until the relative error is first below the tolerance, interpolated",
    "same_step": "those of plain descent at the same η",
    "longer_step": "those of plain descent at η/(1 − μ)",
    "speed_up": ("the speed-up", "iterations of plain descent at the same η over those with momentum"),
    "factor_to_longer": (
        "the factor to descent with the step η/(1 − μ)",
        "iterations with momentum over those of plain descent at η/(1 − μ), or their inverse: the larger",
    ),
    "factor_to_same": ("the factor to descent with the same step", "the speed-up or its inverse: the larger"),
}
# A step beyond this is not taken: descent's largest stable one is near 0.8 here.
LARGEST_STEP = 0.45


def _settings(options):
    own = {"alpha": 1.0, "start": "gaussian", "width": 1, "rank": 1}
    found = []
    for step in options["step"]:
        iterations = round(options["time"] / step)
        pairs = [(step, 0.0), *((step, momentum) for momentum in options["momentum"])]
        pairs += [
            (step / (1 - momentum), 0.0) for momentum in options["momentum"] if step / (1 - momentum) < LARGEST_STEP
        ]
        found += [{**own, "step": eta, "momentum": momentum, "iterations": iterations} for eta, momentum in pairs]
    return found


def measure(options, context, number):
    """Return one row per step, μ, target and ensemble, from a random start of width 1 and norm 1, at rank 1.

    Empty where a run did not get to the tolerance, or where η/(1 − μ) is beyond the steps that are stable.
    """
    d = options["d"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    seen = FirstBelow([options["tolerance"]])
    settings = _settings(options)
    planted = draw_targets(spectrum_target(1, 1), d, 1, context, options["targets"])
    runs, _ = descend(context, ensemble, settings, planted, [seen])
    times = {
        (run["step"], run["momentum"], run["target"]): time
        for run, time in zip(runs, seen.memory["times"][:, 0].tolist(), strict=True)
    }
    return [
        {"d": d, "m": ensemble.m, "step": step, "momentum": momentum, "target": target, "ensemble": number}
        | _compared(times, step, momentum, target)
        for step in options["step"]
        for momentum in options["momentum"]
        for target in range(options["targets"])
    ]


def _compared(times, step, momentum, target):
    own, same = times[step, momentum, target], times[step, 0.0, target]
    longer = times.get((step / (1 - momentum), 0.0, target), math.nan)
    reached = not math.isnan(own)
    return {
        "iterations": own,
        "same_step": same,
        "longer_step": longer,
        "speed_up": same / own,
        "factor_to_longer": max(own / longer, longer / own) if not math.isnan(own / longer) else math.nan,
        "factor_to_same": max(own / same, same / own) if not math.isnan(own / same) else math.nan,
        "status": "converged" if reached else "budget",
    }
