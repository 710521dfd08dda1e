"""Whether a network with a vanishing weight decay finds its teacher, by the number of examples."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from algoreg.chapters.networks.regularised import teacher_rank, trained
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import degrees_of_freedom, trace_statistical_dimension
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=4)]]
    teacher: Several[Literal["narrow", "wide"]]
    m_over_dimension: Several[PositiveFloat]
    penalty: PositiveFloat = Field(description="λ")


KEYS = {
    "d": None,
    "teacher": ("the teacher", "how many units the teacher has: `narrow`, 2; `wide`, d/2"),
    "m_over_dimension": ("m/δ", "examples over δ, the statistical dimension of the least trace at X*"),
    "target": None,
    "ensemble": "number of the draw: teacher, examples and initialisation",
}
VALUES = {
    "rank": None,
    "m": None,
    "m_over_freedom": "m over r(d − (r − 1)/2), the degrees of freedom of X*",
    "test_error": ("the relative error", "‖UUᵀ − X*‖_F / ‖X*‖_F of the trained network of d units"),
}


def measure(options, context, number, d, teacher):
    """Return one row per d, teacher, m and draw, without noise; all m of a draw share their first examples."""
    rank, seed = teacher_rank(teacher, d), context.seed
    dimension = trace_statistical_dimension(d, rank)
    counts = {ratio: round(ratio * dimension) for ratio in options["m_over_dimension"]}
    factor = draw_factor(spectrum_target(rank, 1), d, rank, seed, number)
    every = Ensemble.draw(d, max(counts.values()), seed, number).vectors.numpy()
    start = stream("vanishing-start", d=d, seed=seed, draw=number).standard_normal((d, d)) / math.sqrt(d)
    for ratio, m in counts.items():
        vectors = every[:m]
        labels = (np.sum((vectors @ factor) ** 2, 1) - rank) / math.sqrt(2)
        found, status = trained(vectors, labels, options["penalty"], start)
        yield {
            "d": d,
            "teacher": teacher,
            "m_over_dimension": ratio,
            "target": number,
            "ensemble": number,
            "rank": rank,
            "m": m,
            "m_over_freedom": m / degrees_of_freedom(d, rank),
            "test_error": float(np.linalg.norm(found @ found.T - factor @ factor.T) / math.sqrt(rank)),
            "status": status,
        }
