"""Frank–Wolfe with the gradients of batches and of earlier iterates: errors by batch, delay and iteration."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.frank_wolfe import stochastic
from algoreg.chapters.frank_wolfe.runs import At
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: PositiveFloat = 8
    # A line search takes its γ by the residual at the earlier iterate, too.
    rule: Literal["open-loop", "line-search"] = "open-loop"
    # 0 stands for all measurements.
    batch: Several[NonNegativeInt]
    lag: Several[NonNegativeInt]
    at: Several[PositiveInt]
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.rule == "line-search" and self.batch != [0]:
            raise misfit(self, "batch [0] for a line search", "rule", "batch")
        return self


KEYS = {
    "batch": ("b", "b, measurements of a step, drawn with replacement; 0: all of them"),
    "lag": ("1 + τ", "1 + τ, where the gradient is that of the iterate τ steps earlier"),
    "iteration": ("k", "k, iterations of Frank–Wolfe"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "loss": ("the training loss", "Σ(⟨Aᵢ,X⟩ − yᵢ)² / Σyᵢ² over all measurements"),
    "test_error": None,
}


def measure(options, context, number, batch):
    """Return one row per batch, delay, iteration, target and ensemble, from X = 0 with the exact trace."""
    d, rank, count = options["d"], options["rank"], options["targets"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_dr"] * d * rank), number)
    own = {"step": 1.0, "m": ensemble.m, "iterations": max(options["at"]), "theta": float(rank), "batch": batch}
    own |= {"longest": max(options["lag"]), "rule": options["rule"]}
    runs = [{**own, "delay": delay, "target": target} for delay in options["lag"] for target in range(count)]
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, count).repeat(len(options["lag"]), 1, 1)
    seen = At(options["at"])
    context.run(ensemble, stochastic.Algorithm, runs, planted, [seen])
    return [
        {"d": d, "rank": rank, "m": ensemble.m, "ensemble": number, "batch": batch, "status": "budget"}
        | {"lag": run["delay"] + 1, "target": run["target"]}
        | {"iteration": point, "loss": train**2, "test_error": test}
        for run, course in zip(runs, seen.courses(), strict=True)
        for point, test, train in course
    ]
