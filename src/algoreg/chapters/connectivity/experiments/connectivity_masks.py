"""Rank and nuclear norm at the end of descent on two factors, for every mask of a small matrix of rank 1."""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.connectivity.masks import all_masks, descend, kind_of, rank_one
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2, le=4)
    alpha: Several[PositiveFloat]
    step: PositiveFloat = 0.1
    fitted: PositiveFloat = 1e-4
    iterations: PositiveInt


KEYS = {
    "alpha": "size of the initialisation: factors αG with iid N(0, 1/d) entries of G",
    "kind": (
        "the connectivity of the known entries",
        "`connected`; `complete`: several components, each a full block; `parts`: several, of which one lacks entries",
    ),
    "target": "number of the draw and the mask together",
    "ensemble": "the same: every run has a target and an initialisation of its own",
}
VALUES = {
    "mask": "number of the mask",
    "m": "known entries",
    "second": ("σ₂/σ₁", "the second singular value of X over the first at the end"),
    "low_rank": ("rank 1", "1 if σ₂/σ₁ is below 0.05 at the end"),
    "excess": (
        "the excess over the least nuclear norm",
        "‖X‖_* over the least nuclear norm of a fit, minus 1; empty for connected masks",
    ),
    "train_error": None,
}
LOW_RANK = 0.05


def drawn(d, seed, number, mask, alpha):
    """Return X* of rank 1 and norm 1, and the initial factors, shape (2, d, d)."""
    generator = stream("connectivity", d=d, seed=seed, draw=number, mask=mask)
    return rank_one(d, generator), alpha * generator.standard_normal((2, d, d)) / np.sqrt(d)


def least_nuclear_norm(mask, target):
    """Return the least nuclear norm of a fit to the known entries: half the least trace of [[·, X], [Xᵀ, ·]] ⪰ 0."""
    places, d = np.argwhere(mask), len(mask)
    entries = torch.zeros(len(places), 2 * d, 2 * d, dtype=torch.float64)
    for number, (row, column) in enumerate(places):
        entries[number, row, d + column] = entries[number, d + column, row] = 0.5
    found, _ = minimum_trace(svec(entries).numpy(), 2 * d, target[mask.astype(bool)], "clarabel")
    return np.trace(found) / 2


def measure(options, context, number):
    """Return one row per α and mask, each of one draw."""
    d, masks = options["d"], all_masks(options["d"])
    kinds = [kind_of(mask) for mask in masks]
    for alpha in options["alpha"]:
        draws = [drawn(d, context.seed, number, mask, alpha) for mask in range(len(masks))]
        targets = np.stack([target for target, _ in draws])
        layers = np.stack([factors for _, factors in draws], axis=1)
        ends, errors = descend(masks, targets, layers, options["step"], options["iterations"], options["fitted"])
        values = np.linalg.svd(ends, compute_uv=False)
        for mask, kind in enumerate(kinds):
            excess = None
            if kind != "connected":
                excess = float(values[mask].sum() / least_nuclear_norm(masks[mask], targets[mask]) - 1)
            second = float(values[mask, 1] / values[mask, 0])
            yield {
                "alpha": alpha,
                "kind": kind,
                "target": number * len(masks) + mask,
                "ensemble": number * len(masks) + mask,
                "mask": mask,
                "m": int(masks[mask].sum()),
                "second": second,
                "low_rank": float(second < LOW_RANK),
                "excess": excess,
                "train_error": float(errors[mask]),
                "status": "converged" if errors[mask] < options["fitted"] else "budget",
            }
