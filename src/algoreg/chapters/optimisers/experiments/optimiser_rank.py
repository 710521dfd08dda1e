"""Adam's β₁ and the effective rank at the end, on a product of three factors."""

from itertools import product
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import DEFAULTS, descend
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import effective_rank
from algoreg.numerics.eigen import eigenvalues
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: PositiveFloat = 2.8
    depth: int = Field(3, ge=2)
    alpha: PositiveFloat = 1e-2
    beta: Several[Annotated[float, Field(ge=0, lt=1)]]
    form: Several[Literal["average", "after"]] = Field(["average", "after"])
    step: Several[PositiveFloat]
    iterations: PositiveInt


KEYS = {
    "beta": ("β₁", "β₁; 0 is RMSProp"),
    "form": (
        "the place of momentum",
        "`average`: before the normalisation, as Adam has it; `after`: an average of normalised directions",
    ),
    "step": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "depth": "factors of the product",
    "effective_rank": ("the effective rank", "exp(entropy) of the normalised absolute eigenvalues of X at the end"),
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F"),
}


def measure(options, context, number):
    """Return one row per β₁, place of momentum, step and draw: constant steps, X* of rank 1, from small factors."""
    d = options["d"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    factor = draw_factor(spectrum_target(1, 1), d, 1, context.seed, number)
    target = torch.from_numpy(factor @ factor.T).to(context.device, context.dtype)
    own = {**DEFAULTS, "geometry": "adam", "parametrisation": "product", "start": "gaussian", "target": number}
    own |= {"depth": options["depth"], "alpha": options["alpha"], "iterations": options["iterations"]}
    runs = [
        {**own, "momentum": beta, "momentum_form": form, "step": step}
        for beta, form, step in product(options["beta"], options["form"], options["step"])
    ]
    seen = Ends()
    status = descend(context, ensemble, runs, target.expand(len(runs), d, d), [seen])
    ends = seen.memory["estimates"]
    ranks = effective_rank(eigenvalues(ends).abs())
    errors = torch.linalg.matrix_norm(ends - target) / torch.linalg.matrix_norm(target)
    return [
        {"beta": run["momentum"], "form": run["momentum_form"], "step": run["step"], "target": number}
        | {"ensemble": number, "d": d, "m": ensemble.m}
        | {"depth": options["depth"], "effective_rank": rank, "end_error": error, "status": end}
        for run, rank, error, end in zip(runs, ranks.tolist(), errors.tolist(), status, strict=True)
    ]
