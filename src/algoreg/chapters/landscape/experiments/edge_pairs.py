"""The smallest L/μ with which a matrix is a spurious minimum of a factored objective, over the bound on it."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from algoreg.chapters.landscape.spurious import constructed, edge, least_condition
from algoreg.numerics.problems import haar_basis
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Widths(ExperimentOptions):
    """The widths r of U and the ranks r* ≤ r of an experiment about the bound."""

    width: Several[PositiveInt]
    rank: Several[PositiveInt]

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.rank) > min(self.width) and len(self.width) == 1:
            raise misfit(self, "a width of at least the rank", "width", "rank")
        return self


class Options(Widths):
    """Options of the experiment."""

    width: Several[Annotated[int, Field(ge=1, le=4)]]
    pair: Several[Literal["edge", "equal", "near", "far"]]


KEYS = {
    "width": ("the width", "r, columns of U"),
    "rank": ("the rank r*", "r*, columns of Z"),
    "pair": (
        "the pair",
        "`edge`: U and Z of the construction at the bound; `equal`: the same with ‖u‖ = ‖z‖ for all columns; `near`, "
        "`far`: that of the bound, its entries moved by 0.02 or 0.3 times N(0, 1/d)",
    ),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "least": "smallest L/μ of all quadratic φ for which U is of second order (an SDP)",
    "over": (
        "the smallest L/μ over the bound",
        "`least` over 1 + 2√(r/r*); below 1 there would be a spurious minimum beyond the bound",
    ),
    "not_below": ("the share not below the bound", "1 where `over` is above 1 − 10⁻⁴, else 0"),
    "first_order": (
        "the share not below the bound by the gradient alone",
        "the same for the φ for which U is stationary, of second order or not",
    ),
}
MOVED = {"near": 0.02, "far": 0.3}
SOLVED = 1e-4


def pair_of(kind, width, rank, seed, number):
    """Return U and Z of a pair, d = r + r* + 1."""
    d = width + rank + 1
    random = stream("edge-pair", width=width, rank=rank, kind=kind, seed=seed, draw=number)
    basis = haar_basis(random.standard_normal((d, d)))
    factor, planted, _ = constructed(basis, width, rank, edge(width, rank))
    if kind == "equal":
        planted = planted / np.linalg.norm(planted[:, 0])
    if kind in MOVED:
        moved = MOVED[kind] * random.standard_normal((d, width + rank)) / np.sqrt(d)
        factor, planted = factor + moved[:, :width], planted + moved[:, width:]
    return factor, planted


def measure(options, context, number, width, rank):
    """Return one row per width, rank, pair and draw; widths below the rank are left out [zhang2022]."""
    if width < rank:
        return
    bound = edge(width, rank)
    for kind in options["pair"]:
        factor, planted = pair_of(kind, width, rank, context.seed, number)
        least, status = least_condition(factor, planted)
        first, _ = least_condition(factor, planted, second_order=False)
        below = [None if value is None else int(value > (1 - SOLVED) * bound) for value in (least, first)]
        yield {
            "width": width,
            "rank": rank,
            "pair": kind,
            "target": number,
            "ensemble": number,
            "d": width + rank + 1,
            "least": least,
            "over": None if least is None else least / bound,
            "not_below": below[0],
            "first_order": below[1],
            "status": status,
        }
