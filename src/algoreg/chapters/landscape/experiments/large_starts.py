"""From how many measurements on a large start of full width finds X*, by kind of measurement:
L-BFGS, taken to its end.
"""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.landscape.minima import minimised_sensing
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat
from algoreg.numerics.theory import least_examples
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    kind: Several[Literal["rank_one", "gaussian"]]
    d: int = Field(ge=2)
    rank: Several[PositiveInt]
    m_over_nc: Several[PositiveFloat]
    size: PositiveFloat = 1.0
    iterations: PositiveInt = 4000
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        for rank in self.rank:
            # n_c: options are read without what a module imports.
            least = self.d * (rank + 1) - rank * (rank + 1) // 2
            counts = [round(ratio * least) for ratio in self.m_over_nc]
            if min(counts) < 1 or len(set(counts)) < len(counts):
                allowed = f"ratios with an m of its own each, at least 1: at rank {rank} they have {counts}"
                raise misfit(self, allowed, "m_over_nc", "rank", "d")
        return self


KEYS = {
    "kind": "`rank_one`: A = xxᵀ, a quadratic network; `gaussian`: A with iid N(0, 1) entries",
    "rank": None,
    "m_over_nc": ("m/N", "m over N = d(r + 1) − r(r + 1)/2, the paper's n_c as we read it, rounded to whole m"),
    "target": "number of X* and of the start",
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F where L-BFGS ends, or leaves because this is below 10⁻³",
    "recovered": ("the share of starts that end at X*", "1 where `test_error` is below 0.01, else 0"),
}

RECOVERED = 0.01
# A run goes no further than to this error.
LEAVES = 1e-3


def _matrices(kind, d, m, seed, number):
    """Return the A_i, shape (m, d, d), symmetric."""
    if kind == "rank_one":
        vectors = rank_one.Ensemble.draw(d, m, seed, number).vectors.numpy()
        return np.einsum("ni,nj->nij", vectors, vectors)
    return smat(gaussian.Ensemble.draw(d, m, seed, number).rows, d).numpy()


def measure(options, context, number, kind, rank):
    """Return one row per kind, rank, m, target and ensemble; a longer set of measurements begins with the shorter one.

    U is d × d, with iid N(0, ``size``²) entries at the start; X* has r eigenvalues 1.
    """
    d, seed = options["d"], context.seed
    counts = [round(ratio * least_examples(d, rank)) for ratio in options["m_over_nc"]]
    matrices = _matrices(kind, d, max(counts), seed, number)
    rows = []
    for target in range(options["targets"]):
        factor = draw_factor(spectrum_target(rank, 1), d, rank, seed, target)
        x = factor @ factor.T
        labels = np.einsum("nij,ij->n", matrices, x)
        start = options["size"] * stream("large start", d=d, seed=seed, target=target).standard_normal((d, d))

        def error(u, x=x):
            return float(np.linalg.norm(u @ u.T - x) / np.linalg.norm(x))

        for ratio, m in zip(options["m_over_nc"], counts, strict=True):
            u = minimised_sensing(start, matrices[:m], labels[:m], options["iterations"], lambda u: error(u) < LEAVES)
            names = {"kind": kind, "rank": rank, "m_over_nc": ratio, "target": target, "ensemble": number}
            found = error(u)
            values = {"d": d, "m": m, "test_error": found, "recovered": int(found < RECOVERED)}
            rows.append(names | values | {"status": "converged" if found < LEAVES else "budget"})
    return rows
