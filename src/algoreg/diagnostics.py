"""What is measured along a run beside the training error, which is the ensemble's: test error and spectrum."""

import torch


def test_error(estimates, targets):
    """Return ‖X − X*‖_F / ‖X*‖_F per run [LMZ18, Appendix B].

    Parameters
    ----------
    estimates, targets : torch.Tensor, shape (B, d, d)

    Returns
    -------
    torch.Tensor, shape (B,)
    """
    return torch.linalg.matrix_norm(estimates - targets) / torch.linalg.matrix_norm(targets)


def effective_rank(eigenvalues):
    """Return exp(entropy) of the normalised spectrum (Roy & Vetterli, 2007): r for r equal eigenvalues, else less.

    Parameters
    ----------
    eigenvalues : torch.Tensor, shape (B, d)
        Negative ones (rounding) count as 0; an all-zero spectrum has effective rank 0.

    Returns
    -------
    torch.Tensor, shape (B,)
    """
    weights = eigenvalues.clamp(min=0)
    total = weights.sum(dim=1)
    share = weights / torch.where(total > 0, total, 1.0)[:, None]
    return torch.where(total > 0, torch.exp(torch.special.entr(share).sum(dim=1)), 0.0)


def spectrum(estimates, leading):
    """Return the ``leading`` largest eigenvalues, descending, and the effective rank, in float64 on the CPU.

    Parameters
    ----------
    estimates : torch.Tensor, shape (B, d, d), symmetric
    leading : int

    Returns
    -------
    tuple of torch.Tensor, shapes (B, leading) and (B,)
    """
    eigenvalues = torch.linalg.eigvalsh(estimates.to("cpu", torch.float64))
    return eigenvalues.flip(1)[:, :leading], effective_rank(eigenvalues)


def isometry_excess(ensemble, rank, start, iterations=40):
    """Return a lower bound of the restricted isometry constant of a rank: the largest ⟨X, 𝒢X⟩ − 1 found, ‖X‖_F = 1.

    𝒢 is X ↦ (1/m) Σ ⟨A_i, X⟩ A_i. Power steps X ← 𝒢X, each cut to the ``rank`` eigenvalues of largest size, climb towards a
    local maximum; every X on the way is a witness, so the bound holds wherever they end.

    Parameters
    ----------
    ensemble : object with ``gradient`` and ``label``
    rank : int
        More than d counts as d.
    start : torch.Tensor, shape (d, d), symmetric, not 0

    Returns
    -------
    float
    """
    matrix = start[None] / torch.linalg.matrix_norm(start)
    nothing, best = ensemble.label(torch.zeros_like(matrix)), -1.0
    for _ in range(iterations):
        values, vectors = torch.linalg.eigh(matrix[0])
        kept = values.abs().argsort(descending=True)[:rank]
        matrix = ((vectors[:, kept] * values[kept]) @ vectors[:, kept].T)[None]
        matrix /= torch.linalg.matrix_norm(matrix)
        image = ensemble.gradient(matrix, nothing)
        best = max(best, float((matrix * image).sum()) - 1)
        matrix = image
    return best
