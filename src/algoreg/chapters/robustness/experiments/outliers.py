"""Labels of which some are far off: descent of the squared loss beside subgradient descent of the absolute one."""

from itertools import product
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, subgradient
from algoreg.engine.observers import LastErrors
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target, spoilt_labels
from algoreg.settings.base import ExperimentOptions, Several, misfit, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(2.0, ge=1)
    m_over_dr: PositiveFloat
    share: Several[Annotated[float, Field(ge=0, lt=1)]]
    size: PositiveFloat = 10.0
    alpha: PositiveFloat = 1.0e-6
    # η and T of the squared loss; η and ρ of the absolute one, whose steps are ηρ^t.
    step: PositiveFloat = 0.1
    absolute_step: PositiveFloat = 0.4
    decay: float = Field(0.99, gt=0, lt=1)
    iterations: PositiveInt
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_determined(self, self.m_over_dr, self.rank)
        if self.absolute_step < 25 * self.kappa * (1 - self.decay) / 3:
            raise misfit(
                self, "steps whose sum is at least 8κ: fewer do not leave the start", "absolute_step", "decay", "kappa"
            )
        return self


KEYS = {
    "loss": ("the loss", "`squared` or `absolute`"),
    "share": ("the share of outliers", "probability with which a label is an outlier"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F at T"),
}


def measure(options, context):
    """Return one row per loss, share of outliers, target and ensemble.

    An outlier has a normal number added, of ``size`` times the labels' root mean square as standard deviation. Both
    losses see the same labels, from αI [ma2023].
    """
    yield from context.by_ensemble(_rows, options, "{}", ("squared", "absolute"))


def _rows(options, context, number, loss):
    """Return the rows of one loss on one ensemble."""
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    m = round(options["m_over_dr"] * d * rank)
    goals = draw_targets(spectrum_target(rank, options["kappa"]), d, rank, context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    own = {"step": options["step"]}
    algorithm = factored.Algorithm
    if loss == "absolute":
        own, algorithm = {"step": options["absolute_step"], "decay": options["decay"]}, subgradient.Algorithm
    places = list(product(options["share"], range(count)))
    shared = {"m": m, "alpha": options["alpha"], "start": "identity", "iterations": options["iterations"]}
    runs = [{"target": target, **shared, **own} for _, target in places]
    asked = [{"share": share, "size": options["size"]} for share in options["share"]]
    # The places go through the targets of one share after the other.
    labels = torch.cat([spoilt_labels(ensemble, goals, rank, context.seed, outliers=one) for one in asked])
    seen, planted = LastErrors(), goals[[target for _, target in places]]
    status = context.run(ensemble, algorithm, runs, planted, [seen], labels=labels).status
    return [
        {"d": d, "rank": rank, "m": m, "ensemble": number, "loss": loss, "share": share, "target": target}
        | {"end_error": error, "status": ended}
        for (share, target), ended, error in zip(places, status, seen.memory["errors"].tolist(), strict=True)
    ]
