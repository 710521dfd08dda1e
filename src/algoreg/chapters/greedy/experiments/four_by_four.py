"""Completion of a 4 × 4 matrix in which the fit of rank one is not that of least trace [li2021].

Known are X_13 = 1 and X_14 = X_23 = R, and the same below the diagonal. With u = (1, R, 1, R) the fit uuᵀ has rank one
and the trace 2 + 2R²; the one of least trace has rank two and the trace 4R.
"""

import numpy as np
from pydantic import Field, PositiveFloat

from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    ratio: Several[PositiveFloat] = Field(description="R, above 1: at 1 the two fits are one")
    alpha: Several[PositiveFloat]
    step: PositiveFloat = Field(0.1, le=0.2, description="η·R²")
    fitted: PositiveFloat = Field(1e-10, description="relative training error at which a run ends")
    iterations: int = Field(200_000, ge=50, le=10**7)
    targets: int = Field(ge=2, description="starts")


KEYS = {
    "ratio": ("R", "R, the larger of the known entries over the smaller"),
    "alpha": "initialisation scale α: U₀ = αG, entries of the 4 × 4 matrix G iid N(0, 1/4)",
    "target": "number of the start",
    "ensemble": "the same: every start is a draw of its own, and the known entries are always these",
}
VALUES = {
    "distance_to_rank_one": ("distance to the fit of rank one", "‖X − uuᵀ‖_F / ‖uuᵀ‖_F at the end, u = (1, R, 1, R)"),
    "distance_to_least_trace": ("distance to the least trace", "the same to the fit of least trace, over its own norm"),
    "train_error": "relative error of the known entries at the end",
}
KNOWN = np.zeros((4, 4))
for row, column in ((0, 2), (0, 3), (1, 2)):
    KNOWN[row, column] = KNOWN[column, row] = 1.0
# Steps between two looks at the training errors.
EVERY = 50


def fits(ratio):
    """Return the fit of rank one, and that of least trace."""
    factor, pair = np.array([1.0, ratio, 1.0, ratio]), np.array([[ratio, 1.0], [1.0, ratio]])
    turned = pair[:, ::-1]
    return np.outer(factor, factor), np.block([[pair, turned], [turned, pair]])


def measure(options, context, number):
    """Return one row per R, α and start: where descent on U ends, beside both fits.

    A step is U ← U − ηMU, M = X − uuᵀ at the known entries and 0 elsewhere, from a Gaussian U₀; η = ``step``/R².
    """
    runs = [
        (ratio, alpha, number * options["targets"] + target)
        for ratio in options["ratio"]
        for alpha in options["alpha"]
        for target in range(options["targets"])
    ]
    factors = np.stack(
        [
            alpha / 2 * stream("four by four", seed=context.seed, start=start).standard_normal((4, 4))
            for _, alpha, start in runs
        ]
    )
    goals = np.stack([fits(ratio)[0] for ratio, _, _ in runs])
    steps = np.array([options["step"] / ratio**2 for ratio, _, _ in runs])[:, None, None]
    norms = np.linalg.norm(KNOWN * goals, axis=(1, 2))
    for _ in range(options["iterations"] // EVERY):
        for _ in range(EVERY):
            factors = factors - steps * (KNOWN * (factors @ factors.swapaxes(1, 2) - goals)) @ factors
        ends = factors @ factors.swapaxes(1, 2)
        errors = np.linalg.norm(KNOWN * (ends - goals), axis=(1, 2)) / norms
        if (errors < options["fitted"]).all():
            break
    rows = []
    for (ratio, alpha, start), end, error in zip(runs, ends, errors, strict=True):
        rank_one, least_trace = (np.linalg.norm(end - fit) / np.linalg.norm(fit) for fit in fits(ratio))
        rows.append(
            {"ratio": ratio, "alpha": alpha, "target": start, "ensemble": start}
            | {"distance_to_rank_one": float(rank_one), "distance_to_least_trace": float(least_trace)}
            | {"train_error": float(error), "status": "converged" if error < options["fitted"] else "budget"}
        )
    return rows
