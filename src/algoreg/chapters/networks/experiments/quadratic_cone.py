"""What positivity alone identifies: projected descent from 0, and factored descent from a large start,
by measurement ensemble.
"""

import math

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms import accelerated_projected, explicit
from algoreg.engine.observers import Ends
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_d: Several[PositiveFloat]
    targets: int = Field(ge=2)
    iterations: PositiveInt
    alpha: PositiveFloat
    time: PositiveFloat = Field(description="η·t of factored descent")


KEYS = {
    "measurements": "measurement matrices: `rank-one`, xxᵀ, or `gaussian`",
    "method": "`projected`, accelerated projected descent from 0, or `factored`, descent from αI",
    "d": None,
    "rank": None,
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "alpha": None,
    "train_error": None,
    "test_error": None,
    "psd_dimension": "D(d) − D(d−r)/2, D(n) = n(n+1)/2: the Gaussian m from which positivity alone gives X*",
}
POWER_STEPS = 100
ENSEMBLES = {"rank-one": rank_one.Ensemble, "gaussian": gaussian.Ensemble}


def largest_curvature(ensemble):
    """Return the largest eigenvalue of X ↦ (1/m) Σ ⟨A_i, X⟩ A_i, by power iteration from the identity."""
    matrix = torch.eye(ensemble.d, device=ensemble.device, dtype=ensemble.dtype)[None]
    nothing = matrix.new_zeros(1, ensemble.m)
    for _ in range(POWER_STEPS):
        matrix = ensemble.gradient(matrix, nothing)
        size = torch.linalg.matrix_norm(matrix)
        matrix = matrix / size
    return float(size)


def measure(options, context):
    """Return one row per measurement ensemble, method, m, target and ensemble number: errors at the end.

    ``psd_dimension`` is the number of Gaussian measurements from which positivity alone identifies X*.
    """
    yield from context.by_ensemble(_rows, options, "{}, m = {} d", ENSEMBLES, options["m_over_d"])


def descents(options, curvature):
    """Return (method, algorithm, run) of both descents; the curvature is that of :func:`largest_curvature`.

    Projected descent is accelerated. Factored descent goes from αI until η·t = ``time``, at a step that is stable from
    there, and through M, for both ensembles alike.
    """
    alpha = options["alpha"]
    # The power iteration comes from below.
    projected = {"step": 1 / (1.05 * curvature), "iterations": options["iterations"]}
    step = 0.5 / max(alpha**2 * curvature, 5.0)
    factored = {"step": step, "iterations": math.ceil(options["time"] / step), "alpha": alpha, "start": "identity"}
    return [("projected", accelerated_projected.Algorithm, projected), ("factored", explicit.Algorithm, factored)]


def _rows(options, context, number, name, ratio):
    """Return the rows of one ensemble."""
    d, rank = options["d"], options["rank"]
    m = max(round(ratio * d), 1)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    ensemble = context.draw(ENSEMBLES[name], d, m, number)
    labels, rows = ensemble.label(planted), []
    shared = {"measurements": name, "d": d, "rank": rank, "m": m, "ensemble": number}
    shared["psd_dimension"] = psd_statistical_dimension(d, rank)
    for method, algorithm, run in descents(options, largest_curvature(ensemble)):
        ends, runs = Ends(), [{**run, "m": m, "target": target} for target in range(len(planted))]
        context.run(ensemble, algorithm, runs, planted, [ends], labels=labels)
        estimates = ends.memory["estimates"]
        train, test = ensemble.train_error(estimates, labels).tolist(), test_error(estimates, planted).tolist()
        for target, errors in enumerate(zip(train, test, strict=True)):
            good = math.isfinite(errors[1])
            values = dict(zip(("train_error", "test_error"), errors if good else (math.nan, math.nan), strict=True))
            rows.append(
                shared
                | {"method": method, "target": target, "alpha": run.get("alpha", math.nan)}
                | values
                | {"status": "budget" if good else "diverged"}
            )
    return rows
