"""Rademacher sums of rank-one matrices in two norms: what a ball of networks,
and what a ball of all matrices, can fit of random signs.
"""

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]]
    m_over_d: PositiveFloat
    signs: PositiveInt


KEYS = {"d": None, "m": None, "ensemble": None}
VALUES = {
    "spectral": (
        "the complexity of the networks",
        "mean over signs of ‖(1/m) Σ εᵢxᵢxᵢᵀ‖, spectral norm: of the ball ‖W‖_F ≤ 1",
    ),
    "frobenius": (
        "the complexity of all matrices",
        "mean over signs of ‖(1/m) Σ εᵢxᵢxᵢᵀ‖_F: of the ball ‖X‖_F ≤ 1, a kernel method's",
    ),
}


def measure(options, context, number, d):
    """Return one row per d and ensemble: the mean over ``signs`` draws of the signs ε, m = ``m_over_d``·d."""
    m = round(options["m_over_d"] * d)
    vectors = Ensemble.draw(d, m, context.seed, number).vectors.numpy()
    generator = stream("signs", d=d, m=m, seed=context.seed, ensemble=number)
    signs = generator.choice([-1.0, 1.0], size=(options["signs"], m))
    sums = np.stack([(vectors.T * row) @ vectors / m for row in signs])
    norms = {"spectral": np.linalg.norm(sums, 2, axis=(1, 2)), "frobenius": np.linalg.norm(sums, axis=(1, 2))}
    values = {name: float(norm.mean()) for name, norm in norms.items()}
    return [{"d": d, "m": m, "ensemble": number, **values, "status": "converged"}]
