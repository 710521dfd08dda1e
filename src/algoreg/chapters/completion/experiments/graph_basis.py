"""Whether a graph's eigenvectors change a product of factors: X = Φ(W_N…W_1)Ψᵀ beside X = W_N…W_1, step by step."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.chapters.completion.factors import Fitted
from algoreg.chapters.completion.graph import GraphFactors, draw_smooth_target
from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    band: PositiveInt
    share: float = Field(gt=0, lt=1)
    depth: Several[Annotated[int, Field(ge=2, le=6)]]
    graph: Several[Literal["path", "reordered"]]
    start: float = Field(1e-3, gt=0, le=0.1)
    step: float = Field(0.2, gt=0, le=0.5)
    iterations: int = Field(ge=10)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.band >= self.d:
            raise misfit(self, "a band below d", "band", "d")
        return self


KEYS = {
    "depth": "N, the number of factors",
    "graph": (
        "the graphs",
        "of the run in their eigenvectors. `path`: the path on both sides; `reordered`: on columns with its nodes in "
        "another order",
    ),
    "target": None,
    "ensemble": "the number of the choice of known entries",
}
VALUES = {
    "d": None,
    "rank": "band k: X* is of rank k",
    "m": "known entries",
    "difference": ("the difference to plain factors", "‖X_basis − X_plain‖_F/‖X*‖_F after as many steps"),
    "train_error": ("the training error", "that of the run in the basis"),
}


def measure(options, context, number, depth):
    """Return one row per depth, graph, target and ensemble.

    No run has a Dirichlet energy. The product W_N…W_1 starts as s₀·I, balanced, with and without the basis, and both
    runs take the same number of steps.
    """
    d, count = options["d"], options["targets"]
    ensemble = context.draw(Ensemble, d, round(options["share"] * d * d), number)
    goals = np.stack([draw_smooth_target(d, options["band"], context.seed, target) for target in range(count)])
    shared = {key: options[key] for key in ("step", "iterations")}
    shared |= {"m": ensemble.m, "depth": depth, "size": options["start"], "begin": "identity", "weight": 0.0}
    planted = torch.from_numpy(goals).to(context.device, context.dtype)

    def descended(graph, basis):
        runs = [{"target": target, "graph": graph, "basis": basis, **shared} for target in range(count)]
        seen = Fitted(0.0, stride=options["iterations"])
        status = context.run(ensemble, GraphFactors, runs, planted, [seen]).status
        return seen.memory["estimates"].cpu().numpy(), seen.memory["errors"].tolist(), status

    plain = descended("path", False)[0]
    return [
        {"depth": depth, "graph": graph, "target": target, "ensemble": number, "d": d, "rank": options["band"]}
        | {"m": ensemble.m, "difference": float(np.linalg.norm(estimate - plain[target]) / d)}
        | {"train_error": error, "status": ended}
        for graph in options["graph"]
        for target, (estimate, error, ended) in enumerate(zip(*descended(graph, True), strict=True))
    ]
