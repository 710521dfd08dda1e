"""Rank and off-diagonal part at the end of descent on products when only the diagonal is known, by depth."""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.connectivity.masks import descend
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    depth: Several[PositiveInt]
    start: Several[Literal["gaussian", "diagonal"]]
    size: PositiveFloat = Field(description="about the size of the initial X: that of the layers to the power N")
    step: PositiveFloat = 0.1
    fitted: PositiveFloat = 1e-4
    iterations: PositiveInt
    draws: PositiveInt


KEYS = {
    "depth": ("the depth", "N, the number of factors"),
    "start": (
        "the initialisation",
        "`gaussian`: layers of iid N(0, s²/d) entries; `diagonal`: diagonal layers of iid entries uniform in [s/2, 3s/2]; "
        "sᴺ is the size",
    ),
    "target": "number of the draw",
    "ensemble": "the same: every draw has a target and an initialisation of its own",
}
VALUES = {
    "d": None,
    "second": ("σ₂/σ₁", "the second singular value of X over the first at the end"),
    "low_rank": ("rank 1", "1 if σ₂/σ₁ is below 0.1 at the end"),
    "off_diagonal": ("the off-diagonal part", "‖X‖_F off the diagonal over that on it, at the end"),
    "train_error": None,
}
LOW_RANK = 0.1


def drawn(d, depth, start, size, seed, draw):
    """Return the diagonal of X*, uniform in [½, 1½], and the initial layers, shape (N, d, d)."""
    generator = stream("connectivity-depth", d=d, depth=depth, start=start, seed=seed, draw=draw)
    diagonal, scale = generator.uniform(0.5, 1.5, d), size ** (1 / depth)
    if start == "gaussian":
        return diagonal, scale * generator.standard_normal((depth, d, d)) / d**0.5
    return diagonal, scale * np.stack([np.diag(generator.uniform(0.5, 1.5, d)) for _ in range(depth)])


def measure(options, context, number, depth, start):
    """Return one row per depth, initialisation and draw."""
    d, count = options["d"], options["draws"]
    numbers = range(number * count, (number + 1) * count)
    draws = [drawn(d, depth, start, options["size"], context.seed, draw) for draw in numbers]
    targets = np.stack([np.diag(diagonal) for diagonal, _ in draws])
    layers = np.stack([begun for _, begun in draws], axis=1)
    masks = np.broadcast_to(np.eye(d), targets.shape)
    ends, errors = descend(masks, targets, layers, options["step"], options["iterations"], options["fitted"])
    values = np.linalg.svd(ends, compute_uv=False)
    off = np.linalg.norm(ends * (1 - masks), axis=(1, 2)) / np.linalg.norm(ends * masks, axis=(1, 2))
    for place, draw in enumerate(numbers):
        second = float(values[place, 1] / values[place, 0])
        yield {
            "depth": depth,
            "start": start,
            "target": draw,
            "ensemble": draw,
            "d": d,
            "second": second,
            "low_rank": float(second < LOW_RANK),
            "off_diagonal": float(off[place]),
            "train_error": float(errors[place]),
            "status": "converged" if errors[place] < options["fitted"] else "budget",
        }
