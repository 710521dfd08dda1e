"""The measurements that a proof of uniqueness reads: Wishart matrices whitened by their own mean,
on matrices of low rank.
"""

import math

import torch
from pydantic import Field, PositiveInt

from algoreg.chapters.positivity.measurements import wishart_rows
from algoreg.ensembles import gaussian
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    degrees: Several[PositiveInt]
    directions: PositiveInt = 1500


KEYS = {
    "kind": "`wishart`, whitened by the root of their mean, or `gaussian`, as drawn",
    "degrees": "degrees of freedom p of every Aᵢ, 0 for Gaussian ones; Aᵢ is singular below d",
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "smallest": "smallest (1/m) Σ|⟨Mᵢ, Y⟩| over random Y of rank 2 and norm 1",
    "largest": "largest of these",
    "mixed_delta": "(largest − smallest)/(largest + smallest): a lower bound on δ of RIP-ℓ₂/ℓ₁ after the best scaling",
    "gap": "‖(1/m) Σ Mᵢ − I‖_F/√d, whitened by their own mean: 0 whatever is drawn, and so the Mᵢ are not independent",
    "gap_of_independent": "the same, whitened by the mean of another draw, as independent Mᵢ would have it",
}


def measure(options, context, number):
    """Return one row per kind, number of degrees of freedom and ensemble.

    M_i = V⁻¹A_iV⁻ᵀ with VVᵀ = (1/m) Σ A_i: what feasible X become in the proof's coordinates, where all have one trace.
    """
    d, m = options["d"], options["m"]
    shared = {"d": d, "m": m, "ensemble": number, "status": "converged"}
    rows = torch.cat([torch.from_numpy(block) for block in gaussian.packed_rows(d, m, context.seed, number)])
    directions = svec(_directions(d, options["directions"], context.seed, number))
    found = [{"kind": "gaussian", "degrees": 0, **_spread(rows, directions), "gap": math.nan}]
    found[0]["gap_of_independent"] = math.nan
    for degrees in options["degrees"]:
        matrices = smat(wishart_rows(d, m, degrees, context.seed, number), d)
        other = smat(wishart_rows(d, m, degrees, context.seed, number + 1_000_000), d)
        own = whitened(matrices, matrices.mean(0))
        gaps = (_gap(own), _gap(whitened(matrices, other.mean(0))))
        values = {**_spread(svec(own), directions), **dict(zip(("gap", "gap_of_independent"), gaps, strict=True))}
        found.append({"kind": "wishart", "degrees": degrees, **values})
    return [{**shared, **row} for row in found]


def whitened(matrices, mean):
    """Return V⁻¹AV⁻ᵀ of matrices (m, d, d) for VVᵀ = ``mean``, shape (m, d, d)."""
    lower = torch.linalg.cholesky(mean)
    half = torch.linalg.solve_triangular(lower, matrices, upper=False)
    return torch.linalg.solve_triangular(lower, half.mT, upper=False)


def _gap(matrices):
    d = matrices.shape[-1]
    return float(torch.linalg.matrix_norm(matrices.mean(0) - torch.eye(d, dtype=matrices.dtype)) / d**0.5)


def _directions(d, count, seed, number):
    """Return random symmetric Y of rank 2 and norm 1, shape (count, d, d)."""
    generator = stream("directions", d=d, seed=seed, ensemble=number)
    u = torch.from_numpy(generator.standard_normal((count, d, 2)))
    weights = torch.from_numpy(generator.standard_normal((count, 1, 2)))
    y = (torch.linalg.qr(u)[0] * weights) @ torch.linalg.qr(u)[0].mT
    return y / torch.linalg.matrix_norm(y)[:, None, None]


def _spread(rows, directions):
    sizes = (directions @ rows.T).abs().mean(1)
    smallest, largest = float(sizes.min()), float(sizes.max())
    return {"smallest": smallest, "largest": largest, "mixed_delta": (largest - smallest) / (largest + smallest)}
