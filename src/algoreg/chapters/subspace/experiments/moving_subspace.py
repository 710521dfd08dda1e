"""What descent moves of a deep linear network's layers, and how far from its path a compressed one is."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.deep import moved_product, prefixes
from algoreg.chapters.subspace.bases import active_directions, compressed, deviation, invariant_bases
from algoreg.numerics.problems import draw_rectangular, haar_basis
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=4)
    rank: PositiveInt
    kappa: float = Field(2.0, ge=1)
    depth: Several[Annotated[int, Field(ge=2, le=6)]]
    start: Several[Literal["orthogonal", "gaussian", "identity"]]
    # Share of the entries of X* that are known.
    share: Different[Annotated[float, Field(gt=0, le=1)]] = Field([1.0])
    alpha: PositiveFloat = Field(description="layers are initialised as α times an orthogonal matrix")
    step: PositiveFloat
    iterations: int = Field(ge=10)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank >= self.d:
            raise misfit(self, "rank below d/2, as otherwise every direction moves", "rank", "d")
        return self


KEYS = {
    "depth": ("the depth", "N, the number of layers"),
    "start": (
        "the start",
        "how every layer is initialised, at norm α√d: `orthogonal`, αQ with a Haar matrix Q of its own; `gaussian`, iid "
        "entries; `identity`, αI, with a positive semidefinite X*",
    ),
    "share": ("the share of known entries", "known entries over d²"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "alpha": None,
    "outside": (
        "what moves outside the subspace",
        "‖W − ρW₀‖ / ‖W₀‖ of a layer W along the d − 2r directions that should not move, with the best ρ, the largest "
        "over layers and snapshots",
    ),
    "moved": (
        "the moved directions",
        "how many singular values of W − ρW₀ are above 10⁻⁹ of the largest, at the end, the most over layers",
    ),
    "path": (
        "the distance between both paths",
        "‖X − X̃‖_F / ‖X*‖_F with X̃ of the network compressed to 2r + 1 columns, the largest over snapshots; empty for "
        "Gaussian layers and where entries are unknown",
    ),
    "path_rank": (
        "the distance to the path of r + 1 columns",
        "the same with r + 1 columns, which keep the right singular vectors of X* alone",
    ),
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F"),
}
SNAPSHOTS = 20
COUNTED = 1e-9
# Below this relative error X* counts as learned: the directions that do not move keep an error of ρᴺ, which falls
# slowly.
FITTED = 0.1


def drawn_layers(start, d, depth, alpha, seed, number):
    """Return W_1(0), …, W_N(0), shape (N, d, d), float64."""
    if start == "identity":
        return np.stack([alpha * np.eye(d)] * depth)
    normal = stream("subspace-start", start=start, d=d, depth=depth, seed=seed, draw=number).standard_normal(
        (depth, d, d)
    )
    if start == "gaussian":
        return alpha * normal / np.sqrt(d)
    return alpha * np.stack([haar_basis(one) for one in normal])


def drawn_target(start, options, seed, number):
    """Return X*, shape (d, d), float64, with Haar singular vectors; positive semidefinite for the identity."""
    target = draw_rectangular(options["d"], options["d"], options["rank"], options["kappa"], seed, number)
    if start != "identity":
        return target
    left, values, _ = np.linalg.svd(target)
    return (left * values) @ left.T


def known_entries(d, share, seed, number):
    """Return the mask of known entries over their share, shape (d, d)."""
    order = stream("subspace-entries", d=d, seed=seed, draw=number).permutation(d * d).reshape(d, d)
    return (order < round(share * d * d)) / share


def path_of(target, known, layers, step, iterations):
    """Return the layers at some iterations, shape (K, N, d, d), of descent from these layers."""
    goal, weights, *moving = (torch.from_numpy(array)[None] for array in (target, known, *layers))
    found = []
    for iteration in range(1, iterations[-1] + 1):
        below = prefixes(moving, len(moving))
        moving = moved_product(moving, below, step * weights * (below[-1] - goal))
        if iteration in iterations:
            found.append(torch.cat(moving))
    return torch.stack(found).numpy()


def product_of(layers):
    """Return W_N…W_1 of layers, shape (…, N, d, d)."""
    found = layers[..., 0, :, :]
    for number in range(1, layers.shape[-3]):
        found = layers[..., number, :, :] @ found
    return found


def measure(options, context, number, depth, start):
    """Return one row per depth, start, share of known entries and draw."""
    d, rank, alpha = (options[key] for key in ("d", "rank", "alpha"))
    target = drawn_target(start, options, context.seed, number)
    layers = drawn_layers(start, d, depth, alpha, context.seed, number)
    iterations = sorted({round(options["iterations"] * count / SNAPSHOTS) for count in range(1, SNAPSHOTS + 1)})
    directions = active_directions(target, layers)
    bases = invariant_bases(layers, directions)
    for share in options["share"]:
        known = known_entries(d, share, context.seed, number)
        path = path_of(target, known, layers, options["step"], iterations)
        changes = [[deviation(*three) for three in zip(layers, at, bases, strict=True)] for at in path]
        values = [np.linalg.svd(change, compute_uv=False) for change, _ in changes[-1]]
        whole, norm = product_of(path), np.linalg.norm(target)
        paths = {"path": None, "path_rank": None}
        if share == 1 and start != "gaussian":
            row_space = np.linalg.svd(target)[2][:rank].T
            for name, kept in (("path", directions), ("path_rank", row_space)):
                small, lift = compressed(target, layers, kept)
                begun = np.stack([alpha * np.eye(len(small))] * depth)
                lifted = lift(product_of(path_of(small, np.ones(small.shape), begun, options["step"], iterations)))
                paths[name] = float(np.linalg.norm(lifted - whole, axis=(1, 2)).max() / norm)
        error = float(np.linalg.norm(whole[-1] - target) / norm)
        yield {
            "depth": depth,
            "start": start,
            "share": share,
            "target": number,
            "ensemble": number,
            "d": d,
            "rank": rank,
            "alpha": alpha,
            "outside": max(off for at in changes for _, off in at),
            "moved": max(int((own > COUNTED * own[0]).sum()) for own in values),
            **paths,
            "end_error": error,
            "status": "converged" if error < FITTED else "budget",
        }
