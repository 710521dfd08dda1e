"""Iterations to a tolerance of factored descent at the rank's width, by momentum and condition number, at one step."""

from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.momentum.runs import descend
from algoreg.engine.observers import FirstBelow
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    m_over_dr: PositiveFloat = 6
    kappa: Several[Annotated[float, Field(ge=1)]]
    momentum: Several[Annotated[float, Field(ge=0, lt=1)]]
    step: PositiveFloat
    tolerance: PositiveFloat = 1e-6
    iterations: PositiveInt
    targets: int = Field(ge=2)


KEYS = {
    "method": "`momentum_μ` for every μ of the settings, 0 is plain descent; `theory`: μ = 1/(2000rκ), as small as theory asks for",
    "kappa": None,
    "tolerance": "relative error to which iterations are counted",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "step": None,
    "momentum": ("μ", "momentum μ"),
    "passes": (
        "the iterations to the tolerance",
        "iterations until the relative error is first below the tolerance, interpolated; each is one pass over "
        "the data (empty: not by T, or diverged)",
    ),
}
# Theory asks for a small constant over r and κ. This one is ours.
THEORY = 2000.0


def methods(options, kappa):
    """Return μ by method at a κ."""
    known = {f"momentum_{momentum:g}": momentum for momentum in options["momentum"]}
    return {**known, "theory": 1 / (THEORY * options["rank"] * kappa)}


def measure(options, context, number):
    """Return one row per method, κ, target and ensemble: iterations from the spectral start of width r.

    X* has r eigenvalues from 1 to 1/κ in equal ratios, m = ``m_over_dr``·dr; all methods have the same step η.
    """
    d, rank = options["d"], options["rank"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_dr"] * d * rank), number)
    planted = {
        kappa: draw_targets(spectrum_target(rank, kappa), d, rank, context, options["targets"])
        for kappa in options["kappa"]
    }
    own = {"alpha": 1.0, "start": "spectral", "width": rank, "rank": rank}
    own |= {"step": options["step"], "iterations": options["iterations"]}
    settings = [
        {**own, "kappa": kappa, "method": method, "momentum": momentum}
        for kappa in options["kappa"]
        for method, momentum in methods(options, kappa).items()
    ]
    seen = FirstBelow([options["tolerance"]])
    goals = torch.stack([planted[setting["kappa"]] for setting in settings])
    runs, status = descend(context, ensemble, settings, goals, [seen])
    rows = []
    for run, end, time in zip(runs, status, seen.memory["times"][:, 0].tolist(), strict=True):
        names = {key: run[key] for key in ("method", "kappa", "target", "rank", "m", "step", "momentum")}
        rows.append(
            {**names, "d": d, "ensemble": number, "tolerance": options["tolerance"], "passes": time, "status": end}
        )
    return rows
