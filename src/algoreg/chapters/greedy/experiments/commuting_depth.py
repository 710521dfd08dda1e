"""Where a product of N diagonal factors ends when measurement matrices are diagonal and so commute, by depth and start.

There all factors stay equal and diagonal, X = diag(u^N), and gradient descent on them is u ← u(1 − ηu^{N−2}g), g the
diagonal of M. From vanishing starts it ends at the least trace, at every depth [arora2019, gunasekar2017].
"""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.algorithms.base import Algorithm
from algoreg.chapters.diagonals import Diagonals
from algoreg.engine.observers import Ends
from algoreg.numerics.problems import draw_flat_target
from algoreg.numerics.trace_minimisation import minimum_trace_diagonal
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    support: int = Field(ge=2)
    depth: Several[Annotated[int, Field(ge=2, le=4)]]
    # X_0 = s_0·I.
    start: Different[Annotated[float, Field(ge=1e-8, le=1)]] = Field(min_length=2)
    targets: int = Field(ge=2)
    step: float = Field(1.0, gt=0, le=1)
    most: PositiveInt = Field(40000, description="the largest number of steps")

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m >= self.d:
            raise misfit(self, "m below d: d diagonal matrices say all that diagonal matrices can say", "m", "d")
        # With far fewer, X ≥ 0 alone leaves nothing but X*, whatever the method.
        if 4 * self.support < self.m:
            raise misfit(self, "support at least m/4: below it X* is the only fit with X ≥ 0", "support", "m")
        if self.support > self.d:
            raise misfit(self, "support at most d", "support", "d")
        return self


KEYS = {
    "depth": "N, the number of factors",
    "start": ("the start s₀", "s₀ of the start X₀ = s₀·I"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "distance_to_min_trace": (
        "the distance to the least trace",
        "‖x − x̂‖/‖x*‖ of diagonals, x̂ Clarabel's non-negative one of least sum that fits the labels",
    ),
    "distance_to_target": ("the distance to X*", "‖x − x*‖/‖x*‖ of diagonals"),
    "gap_of_least": ("the distance of the least trace to X*", "‖x̂ − x*‖/‖x*‖"),
    "train_error": None,
    "iteration": "steps that it took",
}
# A run leaves at this training error; one that is above it after `most` steps has status budget.
FITTED = 1e-5


class EqualFactors(Algorithm):
    """Descent on N equal diagonal factors, X = diag(u^N), on :class:`Diagonals`; all runs have the same N.

    Steps are relative: η = ``step``/(N·max u^{N−2}·max(‖g‖, max x)). State: ``root``, u, shape (B, d).
    """

    requires = frozenset({"single measurements"})

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        self.depth = runs[0]["depth"]

    def initial(self):
        """Return u with X = s_0·I of every run."""
        starts = np.array([run["start"] for run in self.runs])
        return {"root": torch.from_numpy(np.repeat(starts[:, None] ** (1 / self.depth), self.ensemble.d, axis=1))}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        root, vectors, labels = (x.numpy() for x in (state["root"], self.ensemble.vectors, self.labels))
        steps = self.steps[:, 0, 0].numpy()
        # No warning if a diverging run overflows, because its error already shows the divergence.
        with np.errstate(all="ignore"):
            for _ in range(count):
                power = self._power(root)
                diagonal = power * root * root
                pulled = (diagonal @ vectors.T - labels) @ vectors / self.ensemble.m
                size = np.maximum(np.linalg.norm(pulled, axis=1), diagonal.max(axis=1))
                root = root * (1 - (steps / (self.depth * power.max(axis=1) * size))[:, None] * power * pulled)
        return {"root": torch.from_numpy(root)}

    def _power(self, root):
        """Return u^{N−2}."""
        return np.ones_like(root) if self.depth == 2 else root if self.depth == 3 else root * root

    def estimate(self, state):
        """Return X of every run."""
        root = state["root"].numpy()
        return torch.diag_embed(torch.from_numpy(self._power(root) * root * root))


class Fits(Ends):
    """Lets runs go that fit their labels; see :class:`algoreg.engine.observers.Ends`."""

    stride, reads_train_error = 100, True

    def observe(self, snapshot):
        """Return which runs fit their labels."""
        return snapshot.train_error < FITTED


def descend(context, known, goals, depth, starts, options):
    """Return the diagonals that descent ends with, shape (B, d), and the steps that it took, shape (B,).

    Parameters
    ----------
    context : algoreg.engine.experiment.Context
    known : Diagonals
    goals : numpy.ndarray, shape (B, d)
        x* of every run.
    depth : int
        N.
    starts : sequence of float
        s_0 of every run.
    options : mapping
        ``step`` and ``most``.
    """
    shared = {"depth": depth, "step": options["step"], "iterations": options["most"], "m": known.m}
    runs = [{**shared, "start": start} for start in starts]
    planted, ends = torch.diag_embed(torch.from_numpy(goals)), Fits()
    descent = context.run(known, EqualFactors, runs, planted, [ends], diverges_above=np.inf)
    return ends.memory["estimates"].diagonal(dim1=1, dim2=2).numpy(), descent.ended


def measure(options, context, number):
    """Return one row per depth, start, target and ensemble.

    X* = diag(x*) has ``support`` entries of 1, drawn at random. Steps are relative,
    η = c/(N·max u^{N−2}·max(‖g‖, max x)), c being ``step``: growth from small factors would take too many fixed ones.
    """
    d, m, targets = options["d"], options["m"], range(options["targets"])
    known = Diagonals.draw(d, m, context.seed, number)
    vectors = known.vectors.numpy()
    flat = [draw_flat_target(d, options["support"], context.seed, target) for target in targets]
    planted = options["support"] * np.array([one.diagonal() for one in flat])
    solved = [minimum_trace_diagonal(vectors, vectors @ one, "clarabel")[0] for one in planted]
    least = np.array([np.full(d, np.nan) if one is None else one for one in solved])
    starts, own = zip(*product(options["start"], targets), strict=True)
    goals = planted[list(own)]
    labels = goals @ vectors.T
    rows = []
    for depth in options["depth"]:
        ends, taken = descend(context, known, goals, depth, starts, options)
        errors = np.linalg.norm(ends @ vectors.T - labels, axis=1) / np.linalg.norm(labels, axis=1)
        rows += [
            {"depth": depth, "start": start, "target": target, "ensemble": number, "d": d, "m": m}
            | _values(end, planted[target], least[target], error, count)
            for start, target, end, error, count in zip(starts, own, ends, errors, taken, strict=True)
        ]
    return rows


def _values(end, planted, least, error, count):
    """Return what is measured of one run."""
    if not (np.isfinite(least).all() and np.isfinite(end).all()):
        return {name: None for name in VALUES if name not in ("d", "m")} | {"status": "diverged"}
    norm = np.linalg.norm(planted)
    goals = {"distance_to_min_trace": end - least, "distance_to_target": end - planted, "gap_of_least": least - planted}
    return {name: float(np.linalg.norm(apart) / norm) for name, apart in goals.items()} | {
        "train_error": float(error),
        "iteration": int(count),
        "status": "converged" if error < FITTED else "budget",
    }
