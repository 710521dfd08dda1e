"""Spectral networks where all commutes: x = Σ_l a_l tanh(u_l²) beside the least Σx that fits [chu2024]."""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.algorithms.base import Algorithm
from algoreg.chapters.diagonals import Diagonals
from algoreg.chapters.spectral.ends import LongEnds
from algoreg.engine.observers import begins
from algoreg.numerics.seeds import stream
from algoreg.numerics.trace_minimisation import minimum_trace_diagonal
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    support: PositiveInt
    size: Several[Annotated[float, Field(gt=0, le=20)]]
    start: Several[Annotated[float, Field(gt=0, le=0.5)]] = Field(description="tanh is linear there")
    blocks: PositiveInt = 3
    step: float = Field(0.02, gt=0, le=0.1)
    iterations: int = Field(ge=10)
    tolerance: float = Field(1e-3, gt=0, lt=0.1)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m >= self.d:
            raise misfit(self, "below d: else one x alone fits", "m")
        if self.support > self.d:
            raise misfit(self, "a support of at most d", "support", "d")
        return self


KEYS = {
    "size": ("the size of X*'s singular values", "singular values of X* are uniform between half and 3/2 of this"),
    "start": ("the size of the start", "u₀: every u_l starts as this"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "distance": (
        "the distance to the least nuclear norm",
        "‖x − x̂‖/‖x*‖, x̂ Clarabel's non-negative solution of least sum that fits",
    ),
    "train_error": None,
    "largest_shaped": "largest tanh(u_l²) at the end: 1 is saturated",
}


def draw_diagonal(d, support, seed, number):
    """Return x* of size 1, shape (d,)."""
    drawn = stream("target", kind="diagonal", d=d, rank=support, seed=seed, target=number)
    values = np.zeros(d)
    values[drawn.permutation(d)[:support]] = drawn.uniform(0.5, 1.5, support)
    return values


class Blocks(Algorithm):
    """Descent on the u_l and a_l of x = Σ_l a_l tanh(u_l²), on :class:`Diagonals`; X = diag(x).

    State: ``roots``, the u_l, shape (B, K, d), and ``weights``, the a_l, shape (B, K, 1).
    """

    requires = frozenset({"single measurements"})

    def initial(self):
        """Return u_l = u_0 and the drawn weights of every run."""
        starts = np.array([run["start"] for run in self.runs])
        weights = np.stack([run["weights"] for run in self.runs])[:, :, None]
        roots = np.tile(starts[:, None, None], (1, weights.shape[1], self.ensemble.d))
        return {"roots": torch.from_numpy(roots), "weights": torch.from_numpy(weights)}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        roots, weights = state["roots"].numpy(), state["weights"].numpy()
        rows, labels, step = self.ensemble.vectors.numpy(), self.labels.numpy(), self.steps.numpy()
        # No warning if a diverging run overflows, because its error already shows the divergence.
        with np.errstate(all="ignore"):
            for _ in range(count):
                shaped = np.tanh(roots**2)
                gradient = (((weights * shaped).sum(1) @ rows.T - labels) @ rows / len(rows))[:, None]
                pull = weights * gradient * (1 - shaped**2)
                weights = weights - step * (gradient * shaped).sum(2, keepdims=True)
                roots = roots - 2 * step * pull * roots
        return {"roots": torch.from_numpy(roots), "weights": torch.from_numpy(weights)}

    def estimate(self, state):
        """Return X of every run."""
        return torch.diag_embed(torch.from_numpy((state["weights"].numpy() * shaped(state)).sum(1)))


def shaped(state):
    """Return tanh(u_l²) of a state, shape (B, K, d)."""
    return np.tanh(state["roots"].numpy() ** 2)


class Saturation(LongEnds):
    """Keeps the largest tanh at the end too: memory ``largest`` (B,)."""

    per_run = begins(largest=np.nan)

    def stop_runs(self, snapshot, leaving):
        """Keep what the runs that leave end with."""
        super().stop_runs(snapshot, leaving)
        self.memory["largest"][snapshot.active[leaving]] = shaped(snapshot.state)[leaving].max(axis=(1, 2))


def measure(options, context, number):
    """Return one row per size, start, target and ensemble.

    Measurements are diagonal in X*'s singular vectors, with iid N(0, 1) entries; U and V start equal there, so that
    x ≥ 0. Weights a_l start uniform in (0, 1) and are trained. x* has ``support`` entries above 0. Steps are η over the
    size, where that is above 1. A run is ``converged`` if its relative training error is below ``tolerance``: where
    tanh saturates before the weights have grown it may not be.
    """
    d, m, count = (options[key] for key in ("d", "m", "targets"))
    rows = stream("ensemble", kind="diagonal", d=d, seed=context.seed, ensemble=number).standard_normal((m, d))
    drawn = [draw_diagonal(d, options["support"], context.seed, target) for target in range(count)]
    least = [minimum_trace_diagonal(rows, rows @ goal, "clarabel")[0] for goal in drawn]
    weights = [
        stream("weights", d=d, seed=context.seed, target=target).uniform(0, 1, options["blocks"])
        for target in range(count)
    ]
    places = list(product(options["size"], options["start"], range(count)))
    runs = [
        {"step": options["step"] / max(size, 1), "start": start, "weights": weights[target], "target": target}
        | {"iterations": options["iterations"], "m": m}
        for size, start, target in places
    ]
    goals, ends = np.stack([size * drawn[target] for size, _, target in places]), Saturation()
    labels, known = goals @ rows.T, Diagonals(torch.from_numpy(rows), number)
    planted = torch.diag_embed(torch.from_numpy(goals))
    context.run(known, Blocks, runs, planted, [ends], labels=torch.from_numpy(labels), diverges_above=np.inf)
    found, largest = ends.memory["estimates"].diagonal(dim1=1, dim2=2).numpy(), ends.memory["largest"].tolist()
    result = []
    for place, x, goal, label, most in zip(places, found, goals, labels, largest, strict=True):
        size, start, target = place
        left = float(np.linalg.norm(rows @ x - label) / np.linalg.norm(label))
        nearest = least[target]
        apart = None if nearest is None else float(np.linalg.norm(x - size * nearest) / np.linalg.norm(goal))
        status = "converged" if left < options["tolerance"] else "budget" if np.isfinite(left) else "diverged"
        result.append(
            {"size": size, "start": start, "target": target, "ensemble": number, "d": d, "m": m, "distance": apart}
            | {"train_error": left, "largest_shaped": most, "status": status}
        )
    return result
