"""Leading eigenvectors of batches of symmetric matrices, in float64."""

from collections.abc import Sequence

import torch


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
    most = max(counts, default=0)
    finite = torch.isfinite(matrices).all(dim=(1, 2), keepdim=True)
    values, vectors = torch.linalg.eigh(torch.where(finite, matrices, 0.0).double())
    values, vectors = values[:, -most:].flip(1), vectors[:, :, -most:].flip(2)
    beyond = torch.arange(most, device=values.device) >= torch.tensor(counts, device=values.device)[:, None]
    values = torch.where(finite[:, 0], values.clamp(min=0).masked_fill(beyond, 0), torch.nan)
    return values, torch.where(finite, vectors.masked_fill(beyond[:, None], 0), torch.nan)
