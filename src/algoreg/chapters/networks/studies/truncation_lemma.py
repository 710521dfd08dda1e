"""Truncated sums of rank-one measurements against their mean, from a fixed and from adversarial directions [LMZ18, Lemma A.1]."""

import math

import torch

from algoreg.chapters.li2018 import truncated_deviation, truncation_levels
from algoreg.ensembles.rank_one import Ensemble

OPTIONS = {
    "d": "wholes >= 2",
    "m": "wholes >= 1",
    "delta": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "description": "a list of numbers between 0 and 1",
    },
    "truncations": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"enum": ["printed", "three_logs", "four_logs", "proof", "none"]},
        "default": ["printed", "proof", "none"],
        "description": "a list of printed, three_logs, four_logs, proof, none",
    },
    "directions": {
        "kind": "whole >= 1",
        "description": "a whole number from 1 to m: how many adversarial directions are tried",
    },
}
CHECKS = (("directions <= min(m)", "directions at most the smallest m"),)
KEYS = ("d", "m", "delta", "truncation", "direction", "ensemble")
VALUES = ("level", "deviation", "ratio", "mean_deviation", "mean_ratio")


def deviation(vectors, direction, level):
    """Return the operator norm of (1/m) Σ ⟨A_i, X⟩A_i 1{|⟨A_i, X⟩| ≤ R} − 2X − tr(X)·I for X = uuᵀ, A_i = x_i x_iᵀ.

    Parameters
    ----------
    vectors : torch.Tensor, shape (m, d)
        The x_i.
    direction : torch.Tensor, shape (d,)
        u, of norm 1: ‖X‖_* = 1.
    level : float
        R.
    """
    seen = (vectors @ direction).square()
    weighted = vectors * torch.where(seen <= level, seen, 0.0)[:, None]
    total = vectors.mT @ weighted / len(vectors)
    total -= 2 * torch.outer(direction, direction) + torch.eye(len(direction), device=total.device, dtype=total.dtype)
    return float(torch.linalg.eigvalsh(total).abs().max())


def measure(options, context):
    """Return one row per d, m, δ, truncation, kind of direction and ensemble.

    The fixed direction is e_1; the adversarial ones are the longest vectors of the sum itself, x_i/‖x_i‖, of which the
    largest deviation counts. ``ratio`` is deviation/δ, at most 1 by the lemma; ``mean_deviation`` is that of the expectation,
    what is left as m grows, by integration.
    """
    for number in context.ensembles:
        for d in options["d"]:
            whole = Ensemble.draw(d, max(options["m"]), context.seed, number, context.device, context.dtype).vectors
            for m in options["m"]:
                vectors = whole[:m]
                longest = vectors.norm(dim=1).topk(options["directions"]).indices
                bases = {
                    "fixed": [torch.eye(d, device=vectors.device, dtype=vectors.dtype)[0]],
                    "adversarial": [vectors[i] / vectors[i].norm() for i in longest],
                }
                # Untruncated sums do not depend on δ, and a level may serve several of them.
                known = {}
                for delta in options["delta"]:
                    for truncation in options["truncations"]:
                        level = truncation_levels(delta)[truncation]
                        for kind, directions in bases.items():
                            if (kind, level) not in known:
                                known[kind, level] = max(deviation(vectors, u, level) for u in directions)
                            mean = truncated_deviation(level)
                            yield {
                                "d": d,
                                "m": m,
                                "delta": delta,
                                "truncation": truncation,
                                "direction": kind,
                                "ensemble": number,
                                "level": level if math.isfinite(level) else math.nan,
                                "deviation": known[kind, level],
                                "ratio": known[kind, level] / delta,
                                "mean_deviation": mean,
                                "mean_ratio": mean / delta,
                                "status": "budget",
                            }
        context.say(f"ensemble {number} done")
