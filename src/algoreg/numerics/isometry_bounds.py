"""Bounds on how far an ensemble is from an isometry on matrices of low rank, and on the step size that is stable."""

import torch

from algoreg.numerics.isometry import isometry_excess
from algoreg.numerics.seeds import stream

# Power steps for the curvature at X*: they reach its largest value to within a few percent.
CURVATURE_STEPS = 60


def isometry_bounds(ensemble, m, rank, seed) -> tuple[float, float | None]:
    """Return lower and upper bounds of the restricted isometry constant δ_4r of an ensemble's first m measurements.

    The lower bound is from :func:`algoreg.numerics.isometry.isometry_excess`. If the ensemble is a Gram matrix, the
    upper bound is ‖G − I‖, which bounds the constant of every rank; otherwise it is None, because nothing certifies
    one.
    """
    d = ensemble.d
    noise = stream("isometry", d=d, rank=rank, m=m, seed=seed, ensemble=ensemble.number).standard_normal((d, d))
    start = torch.from_numpy(noise + noise.T).to(ensemble.device, ensemble.dtype)
    low = isometry_excess(ensemble.shared_by([m]), 4 * rank, start)
    if "isometry" not in ensemble.provides:
        return low, None
    high = ensemble.isometry_deviation()
    return min(low, high), high


def largest_stable_step(ensemble, factors, seed):
    """Return the step size above which X* = U*U*ᵀ repels gradient descent, per run, shape (B,).

    It is 2/λ with λ the largest curvature at X*: the largest eigenvalue of H ↦ 𝒢(U*Hᵀ + HU*ᵀ)U* with
    𝒢X = (1/m) Σ ⟨A_i, X⟩ A_i, estimated by power steps. It needs the target, so it is a diagnostic and not part of an
    algorithm.

    Parameters
    ----------
    ensemble : ensemble as the runs know it (``shared_by``)
    factors : torch.Tensor, shape (B, d, k)
        Columns of zeros have no effect.
    seed : int
    """
    shape = factors.shape
    noise = stream("curvature", d=shape[1], rank=shape[2], seed=seed).standard_normal(shape[1:])
    direction = torch.from_numpy(noise).to(factors).expand(shape)
    nothing = ensemble.label(torch.zeros(shape[0], shape[1], shape[1]).to(factors))
    for _ in range(CURVATURE_STEPS):
        direction = direction / torch.linalg.matrix_norm(direction, keepdim=True)
        change = torch.bmm(factors, direction.mT)
        direction = torch.bmm(ensemble.gradient(change + change.mT, nothing), factors)
    return 2 / torch.linalg.matrix_norm(direction)
