"""Whether a product of factors goes from its start to X* rank by rank: how near it comes to X*'s truncations.

Measurements are so many that AᵀA/m is near the identity: below that the stages are those of the labels' best fits.
"""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.deep import Algorithm
from algoreg.chapters.depth.words import LEARNED
from algoreg.engine.observers import Observer
from algoreg.ensembles.wishart import Ensemble
from algoreg.numerics.diagnostics import effective_rank
from algoreg.numerics.problems import draw_factors, truncations
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    # Eigenvalues of X*, falling.
    eigenvalues: Different[Annotated[float, Field(gt=0, le=1)]] = Field(min_length=2)
    m_over_dr: PositiveFloat
    depth: Several[Annotated[int, Field(ge=2, le=6)]]
    alpha: float = Field(gt=0, le=0.1)
    step: float = Field(0.1, gt=0, le=0.2)
    time: PositiveFloat
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        values = self.eigenvalues
        if any(4 * values[k + 1] > 3 * values[k] for k in range(len(values) - 1)):
            raise misfit(self, "each at most 3/4 of the one before: equal ones are learned together", "eigenvalues")
        if len(values) > self.d:
            raise misfit(self, "at most d eigenvalues", "eigenvalues", "d")
        if 2 * self.m_over_dr * len(values) < self.d + 1:
            raise misfit(self, "m at least d(d+1)/2", "m_over_dr", "eigenvalues", "d")
        return self


KEYS = {
    "depth": "N, the number of factors",
    "s": ("the rank s", "rank of the truncation of X*, below that of X*"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "alpha": "size of the start: X₀ = α²·I",
    "nearest": (
        "the smallest distance to X* truncated to rank s",
        "smallest ‖X_t − X*_s‖_F / ‖X*_s‖_F on the way, X*_s being X* with its s largest eigenvalues alone",
    ),
    "passed": "η·t at which X_t is nearest to X*_s",
    "reached": "η·t at which eigenvalue s of X_t is first above 0.9 of that of X*",
    "rank_excess": (
        "effective rank over that of X*_s",
        "effective rank of X_t when eigenvalue s has come to 0.9 of that of X*, over the effective rank of X*_s",
    ),
}


class Stages(Observer):
    """The smallest relative distance to some matrices, and the effective rank when each eigenvalue is learned.

    Memory: ``nearest``, ``passed``, ``reached`` and ``ranks`` (B, R); iterations, NaN where never.

    Parameters
    ----------
    goals : torch.Tensor, shape (B, R, d, d)
    values : torch.Tensor, shape (R,)
        X*'s eigenvalues, falling.
    """

    stride = 1

    def __init__(self, goals, values):
        self.goals, self.norms, self.values = goals, torch.linalg.matrix_norm(goals), values

    def prepare(self, batch):
        """Initialise the distances as infinite and everything else as NaN."""
        shape = self.norms.shape
        self.memory = {name: np.full(shape, np.nan) for name in ("passed", "reached", "ranks")}
        self.memory["nearest"] = np.full(shape, np.inf)

    def observe(self, snapshot):
        """Record the smallest distances, and the eigenvalues that are learned for the first time."""
        runs = torch.from_numpy(snapshot.active)
        apart = torch.linalg.matrix_norm(snapshot.estimate[:, None] - self.goals[runs]) / self.norms[runs]
        self._put(
            snapshot,
            apart.cpu().numpy() < self.memory["nearest"][snapshot.active],
            nearest=apart,
            passed=snapshot.iteration,
        )
        spectrum = torch.linalg.eigvalsh(snapshot.estimate)
        learned = spectrum.flip(1)[:, : len(self.values)] >= LEARNED * self.values
        first = learned.cpu().numpy() & np.isnan(self.memory["reached"][snapshot.active])
        self._put(snapshot, first, reached=snapshot.iteration, ranks=effective_rank(spectrum)[:, None])

    def _put(self, snapshot, where, **found):
        for name, values in found.items():
            values = values.cpu().numpy() if isinstance(values, torch.Tensor) else values
            self.memory[name][snapshot.active] = np.where(where, values, self.memory[name][snapshot.active])


def descend(options, context, number, observer):
    """Run all depths and targets of an ensemble; ``observer`` is called with the truncations of X*, shape (B, R, d, d).

    Returns
    -------
    tuple
        The runs, and the observer after the runs.
    """
    d, values, count = (options[key] for key in ("d", "eigenvalues", "targets"))
    factors = draw_factors({"kind": "spectrum", "eigenvalues": values}, d, len(values), context, count)
    m = round(options["m_over_dr"] * d * len(values))
    ensemble = context.draw(Ensemble, d, m, number)
    runs = [
        {"depth": depth, "form": "product", "rule": "fixed", "alpha": options["alpha"], "target": target, "m": m}
        | {"step": options["step"], "iterations": round(options["time"] / options["step"])}
        for depth, target in product(options["depth"], range(count))
    ]
    own = [run["target"] for run in runs]
    goals = torch.bmm(factors, factors.mT)
    labels, seen = ensemble.label(goals), observer(truncations(factors)[own])
    context.run(ensemble, Algorithm, runs, goals[own], [seen], labels=labels[own])
    return runs, seen


def measure(options, context, number):
    """Return one row per depth, s below the rank of X*, target and ensemble.

    Descent on a product of N factors from X_0 = α²·I at a fixed step [gissin2020]; see :mod:`algoreg.algorithms.deep`.
    A row is ``converged`` if eigenvalue s is learned by η·t = ``time``.
    """
    # The last truncation is X* itself, and the distance to it ends in rounding errors.
    values = torch.tensor(options["eigenvalues"][:-1], dtype=context.dtype, device=context.device)
    runs, seen = descend(options, context, number, lambda goals: Stages(goals[:, :-1], values))
    ideal = [effective_rank(values[None, : s + 1]).item() for s in range(len(values))]
    rows = []
    for (place, run), s in product(enumerate(runs), range(len(values))):
        nearest, passed, reached, effective = (
            seen.memory[name][place, s].item() for name in ("nearest", "passed", "reached", "ranks")
        )
        rows.append(
            {"depth": run["depth"], "s": s + 1, "target": run["target"], "ensemble": number}
            | {"d": options["d"], "rank": len(values) + 1, "m": run["m"], "alpha": run["alpha"], "nearest": nearest}
            | {"passed": passed * run["step"], "reached": reached * run["step"], "rank_excess": effective / ideal[s]}
            | {"status": "converged" if reached == reached else "budget"}
        )
    return rows
