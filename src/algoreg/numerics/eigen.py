"""Eigenvalues and eigenvectors of batches of symmetric matrices; a matrix that is not finite has eigenvalues of NaN."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import threadpoolctl
import torch

# Up to this share of the eigenvectors, LAPACK's bisection and inverse iteration for these alone take less time than the
# decomposition for all of them.
FEW = 1 / 12


def _finite(matrices):
    """Return which matrices are finite, shape (B, 1, 1), and the matrices with 0 in place of the others.

    LAPACK refuses matrices that are not finite.
    """
    finite = torch.isfinite(matrices).all(dim=(1, 2), keepdim=True)
    return finite, torch.where(finite, matrices, 0.0)


def eigenvalues(matrices: torch.Tensor) -> torch.Tensor:
    """Return the eigenvalues of symmetric matrices (B, d, d) in rising order, shape (B, d), in the matrices' type."""
    finite, known = _finite(matrices)
    return torch.where(finite[:, 0], torch.linalg.eigvalsh(known), torch.nan)


def decomposed(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues (B, d) of symmetric matrices (B, d, d) in rising order, and the eigenvectors (B, d, d).

    Both are float64: in float32, the rounding of the largest eigenvalue would hide eigenvalues near 0. The eigenvectors
    of a matrix that is not finite are meaningless.
    """
    finite, known = _finite(matrices)
    values, vectors = torch.linalg.eigh(known.double())
    return torch.where(finite[:, 0], values, torch.nan), vectors


def spectral(matrices: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return symmetric matrices (B, d, d) with ``function`` applied to their eigenvalues; see :func:`decomposed`."""
    values, vectors = decomposed(matrices)
    return torch.bmm(vectors * function(values)[:, None, :], vectors.mT).to(matrices.dtype)


def project(matrices: torch.Tensor) -> torch.Tensor:
    """Return the nearest positive semidefinite matrices in Frobenius norm: negative eigenvalues become 0."""
    return spectral(matrices, lambda values: values.clamp(min=0))


def leading(matrices: torch.Tensor, counts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest eigenvalues of every matrix, largest first and negative ones as 0, and their eigenvectors.

    The decomposition is done in float64, as in :func:`decomposed`. A matrix that is not finite has eigenvectors of NaN
    too.

    Parameters
    ----------
    matrices : torch.Tensor, shape (B, d, d), symmetric
    counts : sequence of int
        How many eigenvalues each matrix keeps, from 1 to d. K is the largest count; the eigenvalues and eigenvectors of
        a matrix beyond its count are 0.

    Returns
    -------
    tuple of torch.Tensor
        Eigenvalues, shape (B, K), and eigenvectors, shape (B, d, K), both float64.
    """
    most, d = max(counts, default=0), matrices.shape[-1]
    finite, known = _finite(matrices)
    known = known.double()
    if known.device.type == "cpu" and most <= FEW * d:
        values, vectors = _alone(known, counts, most)
    else:
        values, vectors = torch.linalg.eigh(known)
        values, vectors = values[:, -most:].flip(1), vectors[:, :, -most:].flip(2)
    # If all counts are equal, nothing has to be set to 0, and nothing sent to a GPU.
    if set(counts) != {most}:
        beyond = torch.arange(most, device=values.device) >= torch.tensor(counts, device=values.device)[:, None]
        values, vectors = values.masked_fill(beyond, 0), vectors.masked_fill(beyond[:, None], 0)
    return torch.where(finite[:, 0], values.clamp(min=0), torch.nan), torch.where(finite, vectors, torch.nan)


def _alone(matrices, counts, most):
    """Return the largest eigenvalues and their vectors of finite matrices on a CPU; see :func:`leading`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If LAPACK reports a failure.
    """
    lapack, libraries = _lapack()
    d = matrices.shape[-1]
    values, vectors = np.zeros((len(matrices), most)), np.zeros((len(matrices), most, d))
    # With matrices as small as ours, a second thread more than doubles the time.
    with libraries.limit(limits=1, user_api="blas"):
        for matrix, count, value, vector in zip(matrices.numpy(), counts, values, vectors, strict=True):
            # The matrix is symmetric, and its transpose has the layout that LAPACK reads.
            found, basis, _, _, info = lapack.dsyevr(matrix.T, range="I", il=d - count + 1, iu=d)
            if info:
                raise np.linalg.LinAlgError(f"LAPACK's dsyevr: info = {info}")
            value[:count], vector[:count] = found[count - 1 :: -1], basis[:, count - 1 :: -1].T
    return torch.from_numpy(values), torch.from_numpy(vectors).mT


@functools.cache
def _lapack():
    """Return scipy's LAPACK, loaded at its first use, and the libraries whose threads can be limited.

    scipy takes a fifth of a second to load, and most jobs that descend do not need it. It has a BLAS library of its
    own, to which limits that were set before do not apply.
    """
    from scipy.linalg import lapack

    return lapack, threadpoolctl.ThreadpoolController()
