"""The convex programme that factors are compared with: the least nuclear norm among matrices with the known entries."""

import torch


def shrunk(matrices, threshold):
    """Return matrices (B, d, d) with every singular value reduced by a threshold, to no less than 0.

    Singular values come from the eigenvalues of WᵀW. Rounding replaces those below 10⁻⁸ of the largest, but these are
    far below any threshold.
    """
    squares, vectors = torch.linalg.eigh(matrices.mT @ matrices)
    values = squares.clamp(min=0).sqrt()
    kept = torch.where(values > threshold, 1 - threshold / values, 0.0)
    return matrices @ (vectors * kept[:, None, :]) @ vectors.mT


def least_nuclear_norm(known, matrices, threshold, iterations, tolerance):
    """Return the matrices of least nuclear norm with the known entries, by Douglas–Rachford splitting [lions1979].

    X = Z at unknown entries and the known values elsewhere, Y = S_γ(2X − Z), Z ← Z + Y − X, S_γ as :func:`shrunk`.

    Parameters
    ----------
    known : torch.Tensor of bool, shape (B, d, d)
    matrices : torch.Tensor, shape (B, d, d)
        The values of the known entries; other entries are ignored.
    threshold : float
        γ relative to ‖·‖_F/√d of the matrix of known entries, which is 0 elsewhere.
    iterations : int
    tolerance : float
        ‖Y − X‖_F/‖X‖_F below which a matrix has converged; steps continue until all matrices have.

    Returns
    -------
    estimates : torch.Tensor, shape (B, d, d)
        X, which has the known entries exactly.
    gaps : list of float
        ‖Y − X‖_F/‖X‖_F.
    steps : list of int
        The first step with a gap below the tolerance; ``iterations`` if there is none.
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
