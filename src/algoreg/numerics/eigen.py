"""Eigenvalues and eigenvectors of batches of symmetric matrices; of those with an entry that is not finite, NaN."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import threadpoolctl
import torch

# Up to this share of the eigenvectors LAPACK finds them alone, by bisection and inverse iteration, in less time than
# all of them.
FEW = 1 / 12


def _finite(matrices):
    """Return which matrices have finite entries only, shape (B, 1, 1),
    and 0 in place of the others: LAPACK refuses those.
    """
    finite = torch.isfinite(matrices).all(dim=(1, 2), keepdim=True)
    return finite, torch.where(finite, matrices, 0.0)


def eigenvalues(matrices: torch.Tensor) -> torch.Tensor:
    """Return the eigenvalues of symmetric matrices (B, d, d), rising, shape (B, d): in the matrices' own type."""
    finite, known = _finite(matrices)
    return torch.where(finite[:, 0], torch.linalg.eigvalsh(known), torch.nan)


def decomposed(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues of symmetric matrices (B, d, d), rising, shape (B, d),
    and their vectors (B, d, d), both float64.

    What is near 0 would drown in float32's rounding of the largest eigenvalue. Vectors of what is not finite mean
    nothing.
    """
    finite, known = _finite(matrices)
    values, vectors = torch.linalg.eigh(known.double())
    return torch.where(finite[:, 0], values, torch.nan), vectors


def spectral(matrices: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return symmetric matrices (B, d, d) with ``function`` of their eigenvalues in place of these;
    see :func:`decomposed`.
    """
    values, vectors = decomposed(matrices)
    return torch.bmm(vectors * function(values)[:, None, :], vectors.mT).to(matrices.dtype)


def project(matrices: torch.Tensor) -> torch.Tensor:
    """Return the nearest positive semidefinite matrices in Frobenius norm: negative eigenvalues become 0."""
    return spectral(matrices, lambda values: values.clamp(min=0))


def leading(matrices: torch.Tensor, counts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest eigenvalues of every matrix, negative ones as 0, and their eigenvectors, the largest first.

    The decomposition is done in float64, as in :func:`decomposed`. The vectors of what is not finite are NaN too.

    Parameters
    ----------
    matrices : torch.Tensor, shape (B, d, d), symmetric
    counts : sequence of int
        How many eigenvalues of each matrix count, from 1 to d. With K the largest of them, those of a matrix beyond its
        own count are 0, and so are their vectors.

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
    # Where all count alike, nothing is beyond, and nothing need be sent to a GPU.
    if set(counts) != {most}:
        beyond = torch.arange(most, device=values.device) >= torch.tensor(counts, device=values.device)[:, None]
        values, vectors = values.masked_fill(beyond, 0), vectors.masked_fill(beyond[:, None], 0)
    return torch.where(finite[:, 0], values.clamp(min=0), torch.nan), torch.where(finite, vectors, torch.nan)


def _alone(matrices, counts, most):
    """Return the largest eigenvalues and their vectors of finite matrices on a CPU; see :func:`leading`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If LAPACK does not find one.
    """
    lapack, libraries = _lapack()
    d = matrices.shape[-1]
    values, vectors = np.zeros((len(matrices), most)), np.zeros((len(matrices), most, d))
    # A second thread more than doubles the time of matrices as small as ours.
    with libraries.limit(limits=1, user_api="blas"):
        for matrix, count, value, vector in zip(matrices.numpy(), counts, values, vectors, strict=True):
            # Symmetric: the transpose is laid out as LAPACK reads it.
            found, basis, _, _, info = lapack.dsyevr(matrix.T, range="I", il=d - count + 1, iu=d)
            if info:
                raise np.linalg.LinAlgError(f"LAPACK's dsyevr: info = {info}")
            value[:count], vector[:count] = found[count - 1 :: -1], basis[:, count - 1 :: -1].T
    return torch.from_numpy(values), torch.from_numpy(vectors).mT


@functools.cache
def _lapack():
    """Return scipy's LAPACK, loaded at its first use, and the libraries whose threads can be limited.

    scipy takes a fifth of a second to load, and most jobs that descend do not need it. It brings a BLAS of its own,
    which no limit holds that was set before.
    """
    from scipy.linalg import lapack

    return lapack, threadpoolctl.ThreadpoolController()
