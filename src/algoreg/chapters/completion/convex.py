"""The convex programme beside the factors: the least nuclear norm of what has the known entries."""

import torch


def shrunk(matrices, threshold):
    """Return matrices (B, d, d) with every singular value less by a threshold, at least 0.

    By the eigenvalues of WᵀW: values that are rounded there, below 10⁻⁸ of the largest, are far below any threshold.
    """
    squares, vectors = torch.linalg.eigh(matrices.mT @ matrices)
    values = squares.clamp(min=0).sqrt()
    kept = torch.where(values > threshold, 1 - threshold / values, 0.0)
    return matrices @ (vectors * kept[:, None, :]) @ vectors.mT


def least_nuclear_norm(known, matrices, threshold, iterations, tolerance):
    """Return the matrices of least nuclear norm that have the known entries, by Douglas–Rachford splitting [lions1979].

    X = Z at unknown entries and the known values elsewhere, Y = S_γ(2X − Z), Z ← Z + Y − X, S_γ as :func:`shrunk`.

    Parameters
    ----------
    known : torch.Tensor of bool, shape (B, d, d)
    matrices : torch.Tensor, shape (B, d, d)
        Read where ``known``.
    threshold : float
        γ over ‖·‖_F/√d of the matrix that is 0 where nothing is known.
    iterations : int
    tolerance : float
        ‖Y − X‖_F/‖X‖_F below which a matrix is done; all take steps until all are.

    Returns
    -------
    estimates : torch.Tensor, shape (B, d, d)
        X: it has the known entries.
    gaps : list of float
        ‖Y − X‖_F/‖X‖_F.
    steps : list of int
        The first step with a gap below the tolerance; ``iterations`` where there is none.
    """
    given = torch.where(known, matrices, 0.0)
    size = threshold * torch.linalg.matrix_norm(given)[:, None] / given.shape[-1] ** 0.5
    centre, gaps, count = given.clone(), torch.ones(len(given)), 0
    steps = torch.full((len(given),), iterations, device=given.device)
    while count < iterations and (gaps >= tolerance).any():
        count += 1
        fit = torch.where(known, matrices, centre)
        change = shrunk(2 * fit - centre, size) - fit
        centre = centre + change
        gaps = torch.linalg.matrix_norm(change) / torch.linalg.matrix_norm(fit)
        steps = torch.where(gaps < tolerance, steps.clamp(max=count), steps)
    return fit, gaps.tolist(), steps.tolist()
