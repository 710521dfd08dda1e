"""What is measured along a run beside the training error, which is the ensemble's: test error and spectrum."""

import torch


def test_error(estimates, targets):
    """Return ‖X − X*‖_F / ‖X*‖_F per run, shape (B,), of estimates and targets (B, d, d) [LMZ18, Appendix B]."""
    return torch.linalg.matrix_norm(estimates - targets) / torch.linalg.matrix_norm(targets)


def effective_rank(eigenvalues):
    """Return exp(entropy) of normalised spectra (B, d), shape (B,) (Roy & Vetterli, 2007):
    r for r equal eigenvalues, else less.

    Negative ones (rounding) count as 0; an all-zero spectrum has effective rank 0.
    """
    weights = eigenvalues.clamp(min=0)
    total = weights.sum(dim=1)
    share = weights / torch.where(total > 0, total, 1.0)[:, None]
    return torch.where(total > 0, torch.exp(torch.special.entr(share).sum(dim=1)), 0.0)


def spectrum(estimates, leading):
    """Return the ``leading`` largest eigenvalues of symmetric estimates (B, d, d),
    falling, shape (B, leading), and their effective ranks.

    In float64 on the CPU.
    """
    eigenvalues = torch.linalg.eigvalsh(estimates.to("cpu", torch.float64))
    return eigenvalues.flip(1)[:, :leading], effective_rank(eigenvalues)


def spectral_norm(matrices):
    """Return the largest singular value of finite matrices (B, n, k), shape (B,).

    From the eigenvalues of AᵀA: full relative precision, a third of an SVD.
    """
    product = matrices.mT @ matrices if matrices.shape[1] >= matrices.shape[2] else matrices @ matrices.mT
    return torch.linalg.eigvalsh(product)[:, -1].clamp(min=0).sqrt()


def generalisation_error(estimates, targets):
    """Return 2‖Δ‖_F² + (tr Δ)² per run, shape (B,), Δ = X − X* symmetric:
    the mean of (ŷ − y)² over fresh x ~ N(0, I) for ŷ = ⟨xxᵀ, X⟩.

    The quadratic form xᵀΔx has mean tr Δ and variance 2‖Δ‖_F².
    """
    difference = estimates - targets
    trace = torch.diagonal(difference, dim1=1, dim2=2).sum(dim=1)
    return 2 * difference.square().sum(dim=(1, 2)) + trace.square()
