"""Objectives φ on matrices whose factored form φ(UUᵀ) has a spurious minimum, and the smallest L/μ of such φ.

φ(M) = ½⟨M − ZZᵀ, H(M − ZZᵀ)⟩ with a positive definite H on symmetric matrices, L and μ its largest and smallest
eigenvalue. With S = H(UUᵀ − ZZᵀ), U is stationary where SU = 0, and of second order where
2⟨S, VVᵀ⟩ + ⟨UVᵀ + VUᵀ, H(UVᵀ + VUᵀ)⟩ is at least 0 for all V.

Let U = aQ and Z = bP with orthonormal Q (d × r) and P (d × r*), PᵀQ = 0. Let H act on the span of u = QQᵀ/√r and
w = PPᵀ/√r* by its eigenvalues L = 1 along u + w and μ = 1/κ along u − w, and be 1 elsewhere. With
a² = (κ − 1)/2·√(r*/r) and b² = (κ + 1)/2, S is −PPᵀ, and U is of second order if and only if a² is at least 1, that
is κ ≥ 1 + 2√(r/r*): where r ≤ ¼(κ − 1)²r*, the bound beyond which no φ has a spurious minimum [zhang2022].
"""

import warnings

import numpy as np
import torch

from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.numerics.trace_minimisation import FAILED, STATUSES

# Singular values below this share of the largest count as 0.
NEGLIGIBLE = 1e-9


def edge(width, rank):
    """Return the L/μ at which r = ¼(L/μ − 1)²·r* for a factor of this width."""
    return 1 + 2 * np.sqrt(width / rank)


def packed(matrices):
    """Return symmetric matrices (…, d, d) as vectors (…, d(d+1)/2) with the same inner products."""
    return svec(torch.from_numpy(matrices)).numpy()


def unpacked_basis(d):
    """Return the symmetric matrices whose packed vectors are the unit vectors, shape (d(d+1)/2, d, d)."""
    return smat(torch.eye(symmetric_dimension(d), dtype=torch.float64), d).numpy()


def constructed(basis, width, rank, condition):
    """Return U, Z and H (packed) of the construction above at L/μ = ``condition``, from an orthogonal d × d matrix."""
    first, second = basis[:, :width], basis[:, width : width + rank]
    factor = np.sqrt((condition - 1) / 2 * np.sqrt(rank / width)) * first
    planted = np.sqrt((condition + 1) / 2) * second
    along = packed(first @ first.T) / np.sqrt(width) - packed(second @ second.T) / np.sqrt(rank)
    operator = np.eye(len(along)) - (1 - 1 / condition) * np.outer(along, along) / 2
    return factor, planted, operator


def changes(factor):
    """Return V ↦ UVᵀ + VUᵀ (packed) on an orthonormal basis of the V that are no rotation UA, A skew; and this basis.

    Shapes (d(d+1)/2, K) and (K, d, r). Along rotations nothing changes.
    """
    d, width = factor.shape
    pairs = [(i, j) for i in range(width) for j in range(i)]
    rotations = np.zeros((d * width, len(pairs)))
    for column, (i, j) in zip(rotations.T, pairs, strict=True):
        turned = np.zeros((d, width))
        turned[:, i], turned[:, j] = factor[:, j], -factor[:, i]
        column[:] = turned.ravel()
    moves = np.linalg.svd(rotations)[0][:, len(pairs) :].T.reshape(-1, d, width)
    both = factor @ moves.transpose(0, 2, 1)
    return packed(both + both.transpose(0, 2, 1)).T, moves


def smallest_curvature(factor, planted, operator):
    """Return ‖SU‖ and the smallest eigenvalue of the Hessian of ½φ(UUᵀ) beside rotations."""
    pull = operator @ packed(factor @ factor.T - planted @ planted.T)
    gradient = np.tensordot(pull, unpacked_basis(len(factor)), 1)
    slopes, moves = changes(factor)
    hessian = 2 * np.einsum("aik,ij,bjk->ab", moves, gradient, moves) + slopes.T @ operator @ slopes
    return float(np.linalg.norm(gradient @ factor)), float(np.linalg.eigvalsh(hessian)[0])


def least_condition(factor, planted, second_order=True):
    """Return the smallest L/μ of all H for which U is stationary, and of second order if asked for; and the status.

    A semidefinite programme: the largest μ with μI ⪯ H ⪯ I. None where the solver fails.
    """
    # Importing cvxpy costs about a second: only jobs that solve pay it.
    import cvxpy

    matrices = unpacked_basis(len(factor))
    apart = packed(factor @ factor.T - planted @ planted.T)
    size = np.linalg.norm(apart)
    operator = cvxpy.Variable((len(apart), len(apart)), symmetric=True)
    least, identity = cvxpy.Variable(), np.eye(len(apart))
    pull = operator @ (apart / size)
    # SU = 0 has equations that follow from others, which leave a solver no interior.
    _, values, rows = np.linalg.svd((matrices @ factor).reshape(len(apart), -1).T, full_matrices=False)
    stationary = rows[values > NEGLIGIBLE * values[0]]
    constraints = [operator - least * identity >> 0, identity - operator >> 0, stationary @ pull == 0]
    if second_order:
        slopes, moves = changes(factor)
        count = len(moves)
        quadratic = np.einsum("aik,pij,bjk->abp", moves, matrices, moves).reshape(count * count, -1)
        hessian = 2 * size * cvxpy.reshape(quadratic @ pull, (count, count), order="C") + slopes.T @ operator @ slopes
        constraints.append((hessian + hessian.T) / 2 >> 0)
    problem = cvxpy.Problem(cvxpy.Maximize(least), constraints)
    with warnings.catch_warnings():
        # The status records this, and the table keeps it.
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        try:
            problem.solve(solver="CLARABEL")
        except cvxpy.SolverError:
            return None, FAILED
    status = STATUSES.get(problem.status, FAILED)
    return (None if status == FAILED else float(1 / least.value)), status
