"""How many examples a quadratic network needs to recover its teacher: test errors over m, in d and in the rank."""

import math
from itertools import product
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms.quadratic import Algorithm
from algoreg.chapters.networks.variants import run_of, seen_labels
from algoreg.engine.observers import Ends
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]]
    rank: Several[PositiveInt]
    # Targets of rank r are d·r^power in size: 0 crosses the lists d and rank.
    dimension_power: int = Field(0, ge=0, le=3)
    m_over_dr: Different[PositiveFloat] = Field(min_length=2)
    targets: int = Field(ge=2)
    variant: Several[Literal["algorithm-1", "plain", "permuted-labels"]]
    alpha: PositiveFloat
    step: PositiveFloat = Field(description="η at rank r is this over 1 + r")
    time: PositiveFloat = Field(description="η·t at the end")
    least_squares: Different[Annotated[int, Field(ge=2)]] = Field(
        [], description="the d at which least squares is solved too"
    )


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "variant": "variant of Algorithm 1, or `least-squares`: the symmetric X of least norm that fits the labels",
    "target": None,
    "ensemble": None,
}
VALUES = {"test_error": None}
# Least squares recovers only where m comes near D = d(d+1)/2: its own grid, over D. From 0.1 on, so that the grid
# leaves its exponent free.
LEAST_SQUARES_GRID = (0.1, 0.3, 0.5, 0.7, 0.88, 0.95, 0.985, 1.0)


def least_squares_errors(ensemble, planted, counts):
    """Return the relative test errors of the symmetric matrix of least norm that fits the first m labels,
    shape (counts, T).

    It is the projection of X* on the span of the first m measurement matrices. One factorisation svec(A)ᵀ = QR gives it
    for every m, as the leading columns of Q span the leading measurements. In float64 whatever the data type of its
    arguments, and as the norm of svec(X*) − QQᵀsvec(X*): at m = D, where nothing is left, √(1 − |Qᵀsvec(X*)|²/|X*|²)
    would be the square root of rounding.

    Parameters
    ----------
    ensemble : algoreg.ensembles.rank_one.Ensemble
    planted : torch.Tensor, shape (T, d, d)
    counts : list of int

    Returns
    -------
    torch.Tensor, shape (counts, T), float64
    """
    length = symmetric_dimension(ensemble.d)
    vectors = ensemble.vectors[:length].double()
    basis, _ = torch.linalg.qr(svec(vectors[:, :, None] * vectors[:, None, :]).mT)
    planted = svec(planted.double())
    seen = planted @ basis
    left = torch.stack([planted - seen[:, :m] @ basis[:, :m].mT for m in counts])
    return torch.linalg.vector_norm(left, dim=2) / torch.linalg.vector_norm(planted, dim=1)


def measure(options, context, number, d, rank):
    """Return one row per d, rank, m, variant, target and ensemble: the relative test error after η·t = ``time``.

    Targets have r orthonormal columns: X* has r eigenvalues 1, τ = r. The step falls with the rank as ``step``/(1 + r),
    for the curvature of the loss grows with the trace. ``least-squares`` has an m of its own, up to D = d(d+1)/2.
    """
    d *= rank ** options["dimension_power"]
    counts = sorted({max(round(ratio * d * rank), 1) for ratio in options["m_over_dr"]}, reverse=True)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    exact = d in options["least_squares"]
    own = sorted({max(round(part * symmetric_dimension(d)), 1) for part in LEAST_SQUARES_GRID}) if exact else []
    ensemble = context.draw(Ensemble, d, max(counts[0], *own, 1), number)
    found = _descend(options, context, ensemble, planted, counts, rank)
    if exact:
        errors = least_squares_errors(ensemble, planted, own).tolist()
        found += [
            (m, "least-squares", target, error, "converged")
            for m, each in zip(own, errors, strict=True)
            for target, error in enumerate(each)
        ]
    names = ("m", "variant", "target", "test_error", "status")
    return [{"d": d, "rank": rank, "ensemble": number, **dict(zip(names, values, strict=True))} for values in found]


def _descend(options, context, ensemble, planted, counts, rank):
    """Return (m, variant, target, test error, status) of every descent on one ensemble."""
    step = options["step"] / (1 + rank)
    points = list(product(counts, options["variant"], range(len(planted))))
    runs = [run_of(variant, float(rank), options["alpha"], step, m, target) for m, variant, target in points]
    runs = [run | {"iterations": math.ceil(options["time"] / step)} for run in runs]
    labels, goals, ends = seen_labels(ensemble, planted, points, context), planted[[t for *_, t in points]], Ends()
    context.run(ensemble, Algorithm, runs, goals, [ends], labels=labels)
    errors = test_error(ends.memory["estimates"], goals).tolist()
    return [
        (*point, error if math.isfinite(error) else math.nan, "budget" if math.isfinite(error) else "diverged")
        for point, error in zip(points, errors, strict=True)
    ]
