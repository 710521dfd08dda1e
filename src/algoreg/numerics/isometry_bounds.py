"""How nearly an ensemble is an isometry on matrices of low rank, and the step that its curvature allows."""

import torch

from algoreg.numerics.isometry import isometry_excess
from algoreg.numerics.seeds import stream

# Power steps for the curvature at X*; what they miss of its largest value is within a few percent.
CURVATURE_STEPS = 60


def isometry_bounds(ensemble, m, rank, seed) -> tuple[float, float | None]:
    """Return bounds of the restricted isometry constant δ_4r of an ensemble's first m measurements,
    from below and above.

    From below by :func:`algoreg.numerics.isometry.isometry_excess`; from above by ‖G − I‖ where the ensemble is a Gram
    matrix, which bounds the constant of every rank, else None: nothing certifies it.
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
    """Return 2/λ per run, shape (B,), λ the largest curvature at X* = U*U*ᵀ:
    the step above which X* repels gradient descent.

    λ is the largest eigenvalue of H ↦ 𝒢(U*Hᵀ + HU*ᵀ)U* with 𝒢X = (1/m) Σ ⟨A_i, X⟩ A_i, by power steps. It knows the
    target, so it is a diagnostic and not an algorithm.

    Parameters
    ----------
    ensemble : ensemble as the runs know it (``shared_by``)
    factors : torch.Tensor, shape (B, d, k)
        Columns of zeros do not matter.
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
