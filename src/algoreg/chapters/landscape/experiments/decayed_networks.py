"""What weight decay does for quadratic networks from a large start: of units of both signs, and of sign + alone."""

from itertools import product
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from algoreg.chapters.landscape.minima import minimised
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    network: Several[Literal["signed", "plus"]]
    d: int = Field(ge=2)
    m_over_d: Several[PositiveFloat]
    decay: Several[NonNegativeFloat]
    size: PositiveFloat = 0.7
    targets: PositiveInt


KEYS = {
    "network": "`signed`: d units of either sign, X* = q₁q₁ᵀ − q₂q₂ᵀ; `plus`: d units of sign +, X* = q₁q₁ᵀ",
    "m_over_d": None,
    "decay": ("λ", "weight decay λ: the loss is (1/4m) Σ(⟨xᵢxᵢᵀ,X⟩ − yᵢ)² + (λ/2)‖U‖_F²"),
    "target": "number of X* and of the start",
    "ensemble": None,
}
VALUES = {"d": None, "m": None, "test_error": "‖X − X*‖_F / ‖X*‖_F where L-BFGS ends"}


def _planted(network, d, seed, target):
    """Return X* and the units' signs."""
    rank = 2 if network == "signed" else 1
    factor = draw_factor(spectrum_target(rank, 1), d, rank, seed, target)
    signs = np.repeat([1.0, -1.0], [d, d if network == "signed" else 0])
    return (factor * [1.0, -1.0][:rank]) @ factor.T, signs


def measure(options, context, number):
    """Return one row per network, m/d, decay, target and ensemble; starts have iid N(0, ``size``²) entries,
    the same at every decay.
    """
    d, seed = options["d"], context.seed
    counts = {ratio: round(ratio * d) for ratio in options["m_over_d"]}
    every = Ensemble.draw(d, max(counts.values()), seed, number).vectors.numpy()
    rows = []
    for network, target in product(options["network"], range(options["targets"])):
        x, signs = _planted(network, d, seed, target)
        names = {"network": network, "d": d, "seed": seed, "target": target}
        start = options["size"] * stream("decayed start", **names).standard_normal((d, len(signs)))
        for (ratio, m), decay in product(counts.items(), options["decay"]):
            vectors = every[:m]
            u, status = minimised(start, signs, vectors, np.einsum("ni,ij,nj->n", vectors, x, vectors), decay)
            own = {"network": network, "m_over_d": ratio, "decay": decay, "target": target, "ensemble": number}
            error = float(np.linalg.norm((u * signs) @ u.T - x) / np.linalg.norm(x))
            rows.append(own | {"d": d, "m": m, "test_error": error, "status": status})
    return rows
