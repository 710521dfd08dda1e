"""Where descents with momentum end, with labels as they are and with noise."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from algoreg.chapters.momentum.runs import descend
from algoreg.engine.observers import LastErrors
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target, spoilt_labels
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: int = Field(ge=2)
    m_over_dr: PositiveFloat = 6
    kappa: float = Field(2, ge=1)
    momentum: Several[Annotated[float, Field(ge=0, lt=1)]]
    label_noise: Several[NonNegativeFloat]
    step: PositiveFloat
    iterations: PositiveInt
    targets: int = Field(ge=2)


KEYS = {
    "momentum": ("μ", "momentum μ"),
    "label_noise": "standard deviation of the labels' noise over their root mean square",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "kappa": None,
    "step": None,
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F after all iterations"),
}
# Below this an error is rounding.
ROUNDING = 1e-14


def measure(options, context, number):
    """Return one row per μ, noise, target and ensemble, from the spectral start of width r; see ``momentum_kappa``.

    Errors below rounding are written as ``ROUNDING``.
    """
    d, rank = options["d"], options["rank"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_dr"] * d * rank), number)
    planted = draw_targets(spectrum_target(rank, options["kappa"]), d, rank, context, options["targets"])
    own = {"alpha": 1.0, "start": "spectral", "width": rank, "rank": rank}
    own |= {"step": options["step"], "iterations": options["iterations"]}
    settings = [{**own, "momentum": momentum} for momentum in options["momentum"]]
    rows = []
    for noise in options["label_noise"]:
        labels = spoilt_labels(ensemble, planted, rank, context.seed, label_noise=noise).repeat(len(settings), 1)
        seen = LastErrors()
        runs, status = descend(context, ensemble, settings, planted, [seen], labels)
        for run, end, error in zip(runs, status, seen.memory["errors"].tolist(), strict=True):
            names = {key: run[key] for key in ("momentum", "target", "rank", "m", "step")}
            rows.append(
                {**names, "d": d, "kappa": options["kappa"], "label_noise": noise, "ensemble": number}
                | {"end_error": max(error, ROUNDING) if end != "diverged" else float("nan"), "status": end}
            )
    return rows
