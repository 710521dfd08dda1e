"""Rank at the end of descent on two factors, for random masks with few entries of a matrix of rank 1."""

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.connectivity.masks import descend, kind_of, rank_one
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    alpha: Several[PositiveFloat]
    step: PositiveFloat = 0.5
    fitted: PositiveFloat = 1e-4
    iterations: PositiveInt
    draws: PositiveInt = Field(description="masks per ensemble")

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m > self.d**2:
            raise misfit(self, "m at most d²", "m", "d")
        return self


KEYS = {
    "alpha": "size of the initialisation: factors αG with iid N(0, 1/d) entries of G",
    "kind": (
        "the connectivity of the known entries",
        "`connected`; `complete`: several components, each a full block; `parts`: several, of which one lacks entries",
    ),
    "target": "number of the draw",
    "ensemble": "the same: every draw has a mask, a target and an initialisation of its own",
}
VALUES = {
    "d": None,
    "m": None,
    "second": ("σ₂/σ₁", "the second singular value of X over the first at the end"),
    "low_rank": ("rank 1", "1 if σ₂/σ₁ is below 0.05 at the end"),
    "train_error": None,
}
LOW_RANK = 0.05


def drawn(d, m, seed, draw):
    """Return a mask of m entries, X* of rank 1 and norm 1, and the initial factors over α, shape (2, d, d)."""
    generator = stream("connectivity-random", d=d, m=m, seed=seed, draw=draw)
    mask = (generator.permutation(d * d) < m).reshape(d, d).astype(int)
    return mask, rank_one(d, generator), generator.standard_normal((2, d, d)) / np.sqrt(d)


def measure(options, context, number):
    """Return one row per α and draw."""
    d, m, count = (options[key] for key in ("d", "m", "draws"))
    numbers = range(number * count, (number + 1) * count)
    masks, targets, factors = map(np.stack, zip(*(drawn(d, m, context.seed, draw) for draw in numbers), strict=True))
    kinds = [kind_of(mask) for mask in masks]
    for alpha in options["alpha"]:
        layers = alpha * factors.swapaxes(0, 1)
        ends, errors = descend(masks, targets, layers, options["step"], options["iterations"], options["fitted"])
        values = np.linalg.svd(ends, compute_uv=False)
        for place, draw in enumerate(numbers):
            second = float(values[place, 1] / values[place, 0])
            yield {
                "alpha": alpha,
                "kind": kinds[place],
                "target": draw,
                "ensemble": draw,
                "d": d,
                "m": m,
                "second": second,
                "low_rank": float(second < LOW_RANK),
                "train_error": float(errors[place]),
                "status": "converged" if errors[place] < options["fitted"] else "budget",
            }
