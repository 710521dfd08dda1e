"""Networks under weight decay beside the convex problem that they stand for, and their error beside theory's."""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat

from algoreg.chapters.networks.regularised import (
    centred_rows,
    convex_minimiser,
    predicted_error,
    teacher_rank,
    trained,
)
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import trace_statistical_dimension
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=4)]]
    teacher: Several[Literal["narrow", "wide"]]
    measurements: Several[Literal["network", "gaussian"]]
    m_over_dimension: Several[PositiveFloat]
    noise: NonNegativeFloat = Field(description="of the labels, over the standard deviation √r of ⟨A_i, X*⟩")
    penalty: PositiveFloat = Field(description="λ over the edge √(2d(σ² + r)/m) of the gradient's noise at X = 0")


KEYS = {
    "d": None,
    "teacher": ("the teacher", "how many units the teacher has: `narrow`, 2; `wide`, d/2"),
    "measurements": (
        "the measurements",
        "`network`, A_i = (x_ix_iᵀ − I)/√2, of a network with centred quadratic activations; `gaussian`, with the same mean "
        "and covariance",
    ),
    "m_over_dimension": ("m/δ", "examples over δ, the statistical dimension of the least trace at X*"),
    "target": None,
    "ensemble": "number of the draw: teacher, examples, noise and initialisation",
}
VALUES = {
    "rank": None,
    "m": None,
    "penalty": "λ of (1/2m) Σ (⟨A_i, UUᵀ⟩ − y_i)² + λ‖U‖_F²",
    "distance": (
        "the distance from the convex minimiser",
        "‖UUᵀ − X‖_F / ‖X*‖_F, U of the trained network of d units, X of the convex problem; empty without a network",
    ),
    "distance_narrow": (
        "the same distance with as many units as the teacher",
        "`distance` of a network of r units; empty without a network",
    ),
    "convex_rank": "eigenvalues of the convex minimiser above 10⁻⁶",
    "error": (
        "the squared error",
        "‖X − X*‖²_F / r of the trained network of d units; of the convex minimiser without a network",
    ),
    "predicted": "what theory says of it",
    "over": ("the squared error over the prediction", "`error` / `predicted`"),
}
COUNTED = 1e-6


def measure(options, context, number, d, teacher, measurements):
    """Return one row per d, teacher, kind of measurements, m and draw; X* has r eigenvalues 1.

    All m of a draw share their first examples. Initialisations have iid N(0, 1/d) entries.
    """
    rank, seed = teacher_rank(teacher, d), context.seed
    dimension = trace_statistical_dimension(d, rank)
    counts = {ratio: round(ratio * dimension) for ratio in options["m_over_dimension"]}
    most, names = max(counts.values()), {"d": d, "seed": seed, "draw": number}
    factor = draw_factor(spectrum_target(rank, 1), d, rank, seed, number)
    star, sigma = factor @ factor.T, options["noise"] * math.sqrt(rank)
    normal = stream("regularised-noise", **names).standard_normal(most)
    start = stream("regularised-start", **names).standard_normal((d, d)) / math.sqrt(d)
    packed, vectors = svec(torch.from_numpy(star)).numpy(), None
    if measurements == "network":
        vectors = rank_one.Ensemble.draw(d, most, seed, number).vectors.numpy()
        every = centred_rows(vectors)
    else:
        every = np.concatenate(list(gaussian.packed_rows(d, most, seed, number)))
    for ratio, m in counts.items():
        labels = every[:m] @ packed + sigma * normal[:m]
        penalty = options["penalty"] * math.sqrt(2 * d * (sigma**2 + rank) / m)
        convex = convex_minimiser(every[:m], labels, d, penalty)
        estimate, distances, status = convex, {"distance": None, "distance_narrow": None}, "converged"
        if vectors is not None:
            for name, width in (("distance_narrow", rank), ("distance", d)):
                found, status = trained(vectors[:m], labels, penalty, start[:, :width])
                estimate = found @ found.T
                distances[name] = float(np.linalg.norm(estimate - convex) / math.sqrt(rank))
        error = float(np.sum((estimate - star) ** 2))
        predicted = predicted_error(d, rank, m, sigma, penalty)
        yield {
            "d": d,
            "teacher": teacher,
            "measurements": measurements,
            "m_over_dimension": ratio,
            "target": number,
            "ensemble": number,
            "rank": rank,
            "m": m,
            "penalty": penalty,
            **distances,
            "convex_rank": int(np.sum(np.linalg.eigvalsh(convex) > COUNTED)),
            "error": error / rank,
            "predicted": predicted / rank,
            "over": error / predicted,
            "status": status,
        }
