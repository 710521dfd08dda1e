"""Completion of a smooth matrix by factors with a graph's Dirichlet energy, and by the energy alone [boyarski2019]."""

from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.completion.factors import Fitted
from algoreg.chapters.completion.graph import GraphFactors, draw_smooth_target, laplacians, smoothest_fit
from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    # X* lies in the span of this many lowest eigenvectors of the path.
    band: PositiveInt
    share: Several[Annotated[float, Field(gt=0, lt=1)]]
    graph: Several[Literal["path", "shuffled", "none"]]
    method: Several[Literal["factors", "convex"]]
    weight: PositiveFloat = 0.01
    depth: int = Field(2, ge=2, le=6)
    start: float = Field(1e-6, gt=0, le=0.1)
    step: float = Field(0.2, gt=0, le=0.5)
    iterations: int = Field(ge=100)
    tolerance: float = Field(1e-5, gt=0, lt=0.1)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.band >= self.d:
            raise misfit(self, "a band below d", "band", "d")
        if "convex" in self.method and self.graph == ["none"]:
            raise misfit(self, "a graph for the convex method: without one it has no energy", "method", "graph")
        return self


KEYS = {
    "method": ("the method", "`factors` with the energy, or `convex`, the energy alone"),
    "graph": (
        "the graph",
        "`path`, in which X* is smooth, `shuffled`, the same with its nodes in another order, or `none`, no energy",
    ),
    "share": ("the share of known entries", "known entries over all"),
    "target": None,
    "ensemble": "the number of the choice of known entries",
}
VALUES = {
    "d": None,
    "rank": "band k: X* is of rank k",
    "m": "known entries",
    "unseen_error": ("the error of unknown entries", "‖X − X*‖/‖X*‖, both over the unknown entries alone"),
    "train_error": None,
    "iterations": "steps that the run took; 0 without factors",
}


def measure(options, context, number, method, graph):
    """Return one row per method, graph, share, target and ensemble; the convex method has none without a graph.

    X* = Φ_kCΦ_kᵀ, Φ_k the path's k lowest eigenvectors: smooth in the path on both sides. Factors start as X_0 = s₀·I,
    which is balanced. A run is ``converged`` if its relative training error falls below ``tolerance``; with an energy
    it may not.
    """
    if (method, graph) == ("convex", "none"):
        return []
    d, count = options["d"], options["targets"]
    sizes = {round(share * d * d): share for share in options["share"]}
    ensemble = context.draw(Ensemble, d, max(sizes), number)
    goals = np.stack([draw_smooth_target(d, options["band"], context.seed, target) for target in range(count)])
    solve = _convex if method == "convex" else _factored
    rows = []
    for (m, target), (estimate, error, steps, status) in zip(
        product(sizes, range(count)), solve(options, context, ensemble, sizes, graph, goals), strict=True
    ):
        unseen = np.ones((d, d), bool)
        unseen[tuple(ensemble.positions[:m].cpu().numpy().T)] = False
        goal = goals[target]
        lost = np.linalg.norm((estimate - goal)[unseen]) / np.linalg.norm(goal[unseen])
        rows.append(
            {"method": method, "graph": graph, "share": sizes[m], "target": target, "ensemble": number}
            | {"d": d, "rank": options["band"], "m": m, "unseen_error": lost, "train_error": error}
            | {"iterations": steps, "status": status}
        )
    return rows


def _factored(options, context, ensemble, sizes, graph, goals):
    """Return ``(X, training error, steps, status)`` of descents for every m and target."""
    shared = {key: options[key] for key in ("depth", "step", "iterations")}
    shared |= {"size": options["start"], "begin": "identity", "basis": False}
    shared |= {"graph": "path", "weight": 0.0} if graph == "none" else {"graph": graph, "weight": options["weight"]}
    places = list(product(sizes, range(len(goals))))
    runs = [{"m": m, "target": target, **shared} for m, target in places]
    planted = torch.from_numpy(goals[[target for _, target in places]]).to(context.device, context.dtype)
    seen = Fitted(options["tolerance"])
    status = context.run(ensemble, GraphFactors, runs, planted, [seen]).status
    memory = seen.memory
    ends = (memory["errors"].tolist(), memory["ended"].tolist(), status)
    return zip(memory["estimates"].cpu().numpy(), *ends, strict=True)


def _convex(options, context, ensemble, sizes, graph, goals):
    """Return ``(X, training error, 0, status)`` of the convex programme for every m and target."""
    sides, found = laplacians(options["d"], graph, context.seed), []
    for m in sizes:
        places = ensemble.positions[:m].cpu().numpy()
        values = goals[:, places[:, 0], places[:, 1]]
        for fit, own in zip(smoothest_fit(places, values.T, sides, options["weight"]), values, strict=True):
            error = np.linalg.norm(fit[places[:, 0], places[:, 1]] - own) / np.linalg.norm(own)
            found.append((fit, float(error), 0, "converged"))
    return found
