"""Leading eigenvectors of batches of symmetric matrices, in float64."""

import functools
from collections.abc import Sequence

import numpy as np
import threadpoolctl
import torch

# Up to this share of the eigenvectors LAPACK finds them alone, by bisection and inverse iteration, in less time than all of them.
FEW = 1 / 12


def leading(matrices: torch.Tensor, counts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the largest eigenvalues of every matrix, negative ones as 0, and their eigenvectors, the largest first.

    The decomposition is done in float64 whatever the matrices' type: what is near 0 would drown in float32's rounding of
    the largest eigenvalue. Matrices with an entry that is not finite have NaN for all of it.

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
    finite = torch.isfinite(matrices).all(dim=(1, 2), keepdim=True)
    known = torch.where(finite, matrices, 0.0).double()
    if known.device.type == "cpu" and most <= FEW * d:
        values, vectors = _alone(known, counts, most)
    else:
        values, vectors = torch.linalg.eigh(known)
        values, vectors = values[:, -most:].flip(1), vectors[:, :, -most:].flip(2)
    beyond = torch.arange(most, device=values.device) >= torch.tensor(counts, device=values.device)[:, None]
    values = torch.where(finite[:, 0], values.clamp(min=0).masked_fill(beyond, 0), torch.nan)
    return values, torch.where(finite, vectors.masked_fill(beyond[:, None], 0), torch.nan)


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

    scipy takes a fifth of a second to load, and most jobs that descend do not need it. It brings a BLAS of its own, which
    no limit holds that was set before.
    """
    from scipy.linalg import lapack

    return lapack, threadpoolctl.ThreadpoolController()
