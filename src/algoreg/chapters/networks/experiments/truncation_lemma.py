"""Truncated sums of rank-one measurements against their mean,
from a fixed and from adversarial directions [LMZ18, Lemma A.1].
"""

import math
from itertools import product
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.chapters.li2018 import truncated_deviation, truncation_levels
from algoreg.ensembles.rank_one import Ensemble
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]]
    m: Several[PositiveInt]
    delta: Several[Annotated[float, Field(gt=0, lt=1)]]
    truncation: Several[Literal["printed", "three_logs", "four_logs", "proof", "none"]] = Field(
        ["printed", "proof", "none"]
    )
    directions: PositiveInt = Field(description="how many adversarial directions are tried, at most m")

    @model_validator(mode="after")
    def _fits_together(self):
        if self.directions > min(self.m):
            raise misfit(self, "directions at most the smallest m", "directions", "m")
        return self


KEYS = {
    "d": None,
    "m": None,
    "delta": ("δ", "δ of Lemma A.1, which sets R and bounds the deviation"),
    "truncation": "R: `printed`, log(1/δ); `three_logs`, `four_logs`, 3 and 4 times that; `proof`, log²(1/δ); `none`, ∞",
    "direction": "u of X = uuᵀ: `fixed`, e₁, or `adversarial`, the worst of the longest measurement vectors",
    "ensemble": None,
}
VALUES = {
    "level": "truncation level R (empty for `none`)",
    "deviation": (
        "the deviation of the truncated sum",
        "‖(1/m) Σ ⟨Aᵢ,X⟩Aᵢ 1{|⟨Aᵢ,X⟩| ≤ R} − 2X − tr(X)I‖, spectral norm",
    ),
    "ratio": ("the deviation over δ", "`deviation` / δ, at most 1 by the lemma"),
    "mean_deviation": "the deviation of the expectation, 3·P(χ²₅ > R)",
    "mean_ratio": "`mean_deviation` / δ",
}


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


def measure(options, context, number, d):
    """Return one row per d, m, δ, truncation, kind of direction and ensemble.

    The fixed direction is e_1; the adversarial ones are the longest vectors of the sum itself, x_i/‖x_i‖, of which the
    largest deviation counts. ``ratio`` is deviation/δ, at most 1 by the lemma; ``mean_deviation`` is that of the
    expectation, what is left as m grows, by integration.
    """
    drawn = context.draw(Ensemble, d, max(options["m"]), number).vectors
    for m in options["m"]:
        for row in _rows(drawn[:m], options):
            yield {"d": d, "m": m, "ensemble": number, **row, "status": "budget"}


def _rows(vectors, options):
    """Yield the rows of one sum, without what it is a sum of: of every δ, truncation and kind of direction."""
    longest = vectors.norm(dim=1).topk(options["directions"]).indices
    directions = {
        "fixed": [torch.eye(vectors.shape[1], device=vectors.device, dtype=vectors.dtype)[0]],
        "adversarial": [vectors[i] / vectors[i].norm() for i in longest],
    }
    # Untruncated sums do not depend on δ, and a level may serve several of them.
    worst = {}
    for delta, truncation, kind in product(options["delta"], options["truncation"], directions):
        level = truncation_levels(delta)[truncation]
        if (kind, level) not in worst:
            worst[kind, level] = max(deviation(vectors, u, level) for u in directions[kind])
        mean = truncated_deviation(level)
        yield {
            "delta": delta,
            "truncation": truncation,
            "direction": kind,
            "level": level if math.isfinite(level) else math.nan,
            "deviation": worst[kind, level],
            "ratio": worst[kind, level] / delta,
            "mean_deviation": mean,
            "mean_ratio": mean / delta,
        }
