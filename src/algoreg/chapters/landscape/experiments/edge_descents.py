"""Where descent ends from beside the constructed spurious minimum, by L/μ over the bound and by further columns."""

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat

from algoreg.chapters.landscape.experiments.edge_pairs import Widths
from algoreg.chapters.landscape.minima import minimised_sensing
from algoreg.chapters.landscape.spurious import constructed, edge, smallest_curvature, unpacked_basis
from algoreg.numerics.problems import haar_basis
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Several


class Options(Widths):
    """Options of the experiment."""

    over: Several[PositiveFloat] = Field(description="L/μ over the bound 1 + 2√(r/r*)")
    extra: Several[NonNegativeInt]
    size: PositiveFloat = Field(0.01, description="size of what is added to the minimum, beside ‖U‖")


KEYS = {
    "width": ("the width", "r, columns of the constructed U"),
    "rank": ("the rank r*", "r*, columns of Z"),
    "over": ("L/μ over the bound", "L/μ over 1 + 2√(r/r*)"),
    "extra": ("the further columns", "columns that the descended factor has beside those of U"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "gradient": "‖SU‖ at the constructed U",
    "curvature": "smallest eigenvalue of the Hessian at U beside rotations, L = 1",
    "test_error": "‖UUᵀ − ZZᵀ‖_F / ‖ZZᵀ‖_F where L-BFGS ends",
    "recovered": ("the share of ends at X*", "1 where that is below 0.01, else 0"),
    "held": (
        "the share of ends at the spurious minimum",
        "1 where UUᵀ ends within 0.01 of the constructed one, else 0",
    ),
}
NEAR = 0.01
MOST = 4000


def measure(options, context, number, width, rank):
    """Return one row per width, rank, L/μ, further columns and draw; widths below the rank are left out [zhang2022]."""
    if width < rank:
        return
    d = width + rank + 1
    for over in options["over"]:
        random = stream("edge-descent", width=width, rank=rank, over=over, seed=context.seed, draw=number)
        basis = haar_basis(random.standard_normal((d, d)))
        factor, planted, operator = constructed(basis, width, rank, over * edge(width, rank))
        gradient, curvature = smallest_curvature(factor, planted, operator)
        # ½⟨Δ, HΔ⟩ is the squared loss of these measurements: the rows of the root of H.
        values, vectors = np.linalg.eigh(operator)
        matrices = np.tensordot((vectors * np.sqrt(values)).T, unpacked_basis(d), 1)
        goal, begun = planted @ planted.T, factor @ factor.T
        labels = np.einsum("mij,ij->m", matrices, goal)
        added = random.standard_normal((d, width + max(options["extra"])))
        for extra in options["extra"]:
            start = np.pad(factor, ((0, 0), (0, extra)))
            start = start + options["size"] * np.linalg.norm(factor) * added[:, : width + extra] / np.linalg.norm(added)
            end = minimised_sensing(start, matrices, labels, MOST, lambda u: False)
            error = float(np.linalg.norm(end @ end.T - goal) / np.linalg.norm(goal))
            away = float(np.linalg.norm(end @ end.T - begun) / np.linalg.norm(begun))
            yield {
                "width": width,
                "rank": rank,
                "over": over,
                "extra": extra,
                "target": number,
                "ensemble": number,
                "d": d,
                "gradient": gradient,
                "curvature": curvature,
                "test_error": error,
                "recovered": int(error < NEAR),
                "held": int(away < NEAR),
                "status": "converged",
            }
