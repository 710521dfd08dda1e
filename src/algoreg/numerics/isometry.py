"""Bounds on the restricted isometry constants of ensembles, from below by searches and from above by a theorem."""

import numpy as np
import torch

from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension

# The shift of the power method as a share of the size of G − I. With the whole size every round would be an ascent, but
# a slow one: a share of 0.5 needs four times the rounds of 0.2 for the same value. Without a shift the power method
# finds only the side whose eigenvalues are larger.
SHIFT = 0.2

# Rounds of the power method that estimates the size of G − I.
SCALE_ROUNDS = 12


def isometry_excess(ensemble, rank, start, iterations=40) -> float:
    """Return a lower bound of a rank's restricted isometry constant: the largest ⟨X, 𝒢X⟩ − 1 found with ‖X‖_F = 1.

    𝒢 is X ↦ (1/m) Σ ⟨A_i, X⟩ A_i. Power steps X ← 𝒢X, each truncated to the ``rank`` eigenvalues of largest absolute
    value, climb towards a local maximum. Every X on the way is a witness, so the bound holds wherever the steps end.

    Parameters
    ----------
    ensemble : object with ``gradient`` and ``label``
    rank : int
        A rank above d counts as d.
    start : torch.Tensor, shape (d, d), symmetric, not 0
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


def _unit(vectors):
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)


def low_rank_part(vectors, d, rank):
    """Return the best packed approximations of rank at most ``rank`` to packed symmetric matrices (B, d(d+1)/2)."""
    values, frames = torch.linalg.eigh(smat(vectors, d))
    places = values.abs().topk(rank, dim=1).indices
    frames = frames.gather(2, places[:, None].expand(-1, d, -1))
    return svec((frames * values.gather(1, places)[:, None]) @ frames.mT)


def random_low_rank(d, rank, count, generator):
    """Return packed symmetric matrices (count, d(d+1)/2) of unit norm with Haar eigenvectors and normal eigenvalues."""
    frames = torch.linalg.qr(torch.from_numpy(generator.standard_normal((count, d, rank))))[0]
    weights = torch.from_numpy(generator.standard_normal((count, 1, rank)))
    return _unit(svec((frames * weights) @ frames.mT))


def _deviation(gram, vectors):
    return vectors @ gram - vectors


def _largest_deviation(gram, vectors):
    """Estimate the operator norm of G − I by the power method from a few vectors; the result is no bound."""
    for _ in range(SCALE_ROUNDS):
        vectors = _deviation(gram, _unit(vectors))
    return torch.linalg.vector_norm(vectors, dim=1).max()


def isometry_attack(gram, d, rank, starts, iterations, generator):
    """Return lower bounds on δ₊ and δ₋, the upper and lower restricted isometry constants of one rank.

    δ₊ is the largest and −δ₋ the smallest xᵀ(G − I)x over x = svec(X), X symmetric of rank at most ``rank`` with
    |X|_F = 1 [LMZ18, Section 2]. A power method from several random initialisations replaces X by the low-rank part of
    ±(G − I)X + sX, where s is a fifth of the size of G − I or more. The result is the best value of all iterates, so
    some X attains it.

    Parameters
    ----------
    gram : torch.Tensor, shape (D, D), float64
    d, rank : int
    starts, iterations : int
        Random initialisations per sign, and rounds; with 0 rounds the bounds are the extremes over random matrices.
    generator : numpy.random.Generator

    Returns
    -------
    tuple of float
        δ₊ and δ₋, each at least 0.
    """
    x = random_low_rank(d, rank, starts, generator).to(gram)
    sign = torch.cat([x.new_ones(starts), -x.new_ones(starts)])[:, None]
    x = torch.cat([x, x])
    size = _largest_deviation(gram, x[:4]) if iterations else x.new_zeros(())
    # Far from an isometry the upper side of the spectrum reaches further than the lower one, by 2(√(1 + size) − 1)²
    # according to the Marchenko–Pastur law of G. It attracts the lower side's search unless a larger shift prevents it.
    shift = SHIFT * size + (sign < 0) * ((1 + size).sqrt() - 1) ** 2
    best = x.new_zeros(2)
    for round_ in range(iterations + 1):
        pulled = sign * _deviation(gram, x)
        best = torch.maximum(best, (pulled * x).sum(dim=1).view(2, starts).amax(dim=1))
        if round_ < iterations:
            x = _unit(low_rank_part(pulled + shift * x, d, rank))
    return float(best[0]), float(best[1])


def bilinear_attack(gram, d, ranks, starts, iterations, generator) -> float:
    """Return a lower bound on the largest |⟨X, (G − I)Y⟩| over X, Y of unit norm and of ranks at most ``ranks``.

    The search alternates: it replaces X by the best X for Y, then Y by the best Y for X, so the value never falls. With
    ranks (r, r) this is the deviation of Lemma 2.2, with (r, 1) the deviation of Lemma 2.3 at its worst R [LMZ18]:
    ‖(M(X) − X)R‖ ≤ ‖M(X) − X‖·‖R‖, with equality for the projection on one eigenvector.

    Parameters
    ----------
    gram, d, starts, iterations, generator
        See :func:`isometry_attack`.
    ranks : tuple of int
    """
    y = random_low_rank(d, ranks[1], starts, generator).to(gram)
    for _ in range(iterations):
        x = _unit(low_rank_part(_deviation(gram, y), d, ranks[0]))
        y = low_rank_part(_deviation(gram, x), d, ranks[1])
        value, y = torch.linalg.vector_norm(y, dim=1), _unit(y)
    return float(value.max())


def gaussian_width(d: int, rank: int, draws: int, generator: np.random.Generator) -> float:
    """Return the mean of sup ⟨g, X⟩ over unit symmetric X of rank at most ``rank``, g packed standard normal.

    The supremum is the root of the sum of the ``rank`` largest squared eigenvalues of a symmetric Gaussian matrix.
    """
    matrices = smat(torch.from_numpy(generator.standard_normal((draws, symmetric_dimension(d)))), d)
    squares = torch.linalg.eigvalsh(matrices).square().topk(rank, dim=1).values
    return float(squares.sum(dim=1).sqrt().mean())


def isometry_upper_bound(width, m) -> float:
    """Return a bound above the restricted isometry constant of a Gaussian ensemble, (1 + (w_r + 2.6)/√m)² − 1.

    It holds for at least 93 draws in 100, by Gordon's comparison and concentration. The largest singular value of the
    ensemble on unit matrices of rank at most r is below √m + w_r + t except with probability e^(−t²/2), which is 3.4 %
    at t = 2.6, so δ₊ is below the bound for 97 draws in 100. The smallest singular value is above √m − w_r − t except
    with the same probability. Since 1 − (1 − x)² ≤ (1 + x)² − 1, both sides are below the bound except with
    probability 6.8 %.

    Parameters
    ----------
    width : float
        Gaussian width w_r of these matrices, see :func:`gaussian_width`.
    m : int
        Number of measurements.
    """
    return (1 + (width + 2.6) / m**0.5) ** 2 - 1
