"""Where L-BFGS ends on quadratic networks of given numbers of units of either sign,
beside the least loss that there is.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.landscape.minima import (
    least_squares_loss,
    loss_and_gradient,
    minimised,
    smallest_curvature,
)
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    labels: Literal["planted", "positive", "normal"] = "planted"
    rank: PositiveInt = 1
    positive: Several[PositiveInt]
    negative: Several[NonNegativeInt] = Field([0])
    size: PositiveFloat = 1.0
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.positive) > self.d or max(self.negative) > self.d:
            raise misfit(self, "at most d units of either sign", "positive", "negative", "d")
        return self


KEYS = {
    "d": None,
    "m": None,
    "positive": ("the units of sign +", "units of sign + in the network"),
    "negative": ("the units of sign −", "units of sign − in the network"),
    "target": "number of the start, and of X* where labels are planted",
    "ensemble": None,
}
VALUES = {
    "rank": "rank r of the planted X*, 0 where labels are not planted",
    "excess": "the loss at the end less the least one, over the loss at X = 0",
    "optimal": ("the share of ends at the least loss", "1 where `excess` is below 10⁻⁴, else 0"),
    "recovered": ("the share of ends at X*", "1 where ‖X − X*‖_F/‖X*‖_F is below 0.01, else 0; empty without X*"),
    "curvature": "smallest eigenvalue of the Hessian at the end, of one unit alone",
    "optimum_rank": "rank of the best PSD matrix, where no unit has the sign −",
}

# Ends within this of the least loss, over the loss at 0, and eigenvalues above this part of the largest.
OPTIMAL, RANK_TOLERANCE = 1e-4, 1e-3
RECOVERED = 0.01


def _labels(options, context, vectors, number, target):
    """Return the labels of a target's run and X* (None where labels have none)."""
    d, kind = options["d"], options["labels"]
    if kind == "planted":
        factor = draw_factor(spectrum_target(options["rank"], 1), d, options["rank"], context.seed, target)
        return np.sum((vectors @ factor) ** 2, axis=1), factor @ factor.T
    drawn = stream("labels", kind=kind, d=d, seed=context.seed, ensemble=number).standard_normal(len(vectors))
    return (drawn**2 if kind == "positive" else drawn), None


def _start(options, context, units, number, target):
    names = {"d": options["d"], "units": units, "seed": context.seed, "ensemble": number, "target": target}
    gaussian = stream("start of minima", **names).standard_normal((options["d"], units))
    return options["size"] * gaussian / math.sqrt(units)


def _least(options, context, vectors, labels, number):
    """Return the least loss and the rank of the X that has it (None over symmetric matrices)."""
    if max(options["negative"]) > 0:
        return least_squares_loss(vectors, labels), None
    d = options["d"]
    u, _ = minimised(_start(options, context, d, number, 0), np.ones(d), vectors, labels)
    values = np.linalg.eigvalsh(u @ u.T)
    return loss_and_gradient(u, np.ones(d), vectors, labels)[0], int(np.sum(values > RANK_TOLERANCE * values[-1]))


def measure(options, context, number):
    """Return one row per number of units of each sign, start and ensemble.

    The least loss is that over symmetric X where units of both signs are listed, else over PSD X: where d units end,
    for which all minima are global [du2018]. Starts have iid N(0, ``size``²/k) entries.
    """
    d, m = options["d"], options["m"]
    vectors = Ensemble.draw(d, m, context.seed, number).vectors.numpy()
    rows, known = [], None
    for target in range(options["targets"]):
        labels, x = _labels(options, context, vectors, number, target)
        if x is not None:
            known = (0.0, options["rank"])
        known = known or _least(options, context, vectors, labels, number)
        for positive, negative in product(options["positive"], options["negative"]):
            signs = np.repeat([1.0, -1.0], [positive, negative])
            u, status = minimised(_start(options, context, len(signs), number, target), signs, vectors, labels)
            names = {"d": d, "m": m, "positive": positive, "negative": negative, "target": target, "ensemble": number}
            rows.append(names | _values(u, signs, vectors, labels, x, known) | {"status": status})
    return rows


def _values(u, signs, vectors, labels, x, known):
    """Return what is measured at an end."""
    least, optimum_rank = known
    loss, _ = loss_and_gradient(u, signs, vectors, labels)
    excess = max((loss - least) / (np.sum(labels**2) / (4 * len(labels))), 0.0)
    error = None if x is None else np.linalg.norm((u * signs) @ u.T - x) / np.linalg.norm(x)
    return {
        "rank": 0 if x is None else optimum_rank,
        "excess": float(excess),
        "optimal": int(excess < OPTIMAL),
        "recovered": None if error is None else int(error < RECOVERED),
        "curvature": smallest_curvature(u[:, 0], vectors, labels) if len(signs) == 1 else None,
        "optimum_rank": optimum_rank,
    }
