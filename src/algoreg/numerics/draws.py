"""Draw ensembles in blocks of normal numbers, which are hashed in float64 before any cast."""

import hashlib

import numpy as np
import torch

from algoreg.numerics.seeds import stream


def normal_blocks(generator, m, shape, block_rows):
    """Yield m float64 standard normal arrays of a shape in blocks of at most ``block_rows``.

    They are drawn one after the other from the generator, so that a longer sequence begins with the shorter one.
    """
    for start in range(0, m, block_rows):
        yield generator.standard_normal((min(block_rows, m - start), *shape))


def hashed(blocks, sha):
    """Yield float64 blocks as tensors, after adding the bytes of each to ``sha``."""
    for block in blocks:
        sha.update(np.ascontiguousarray(block, dtype="<f8"))
        yield torch.from_numpy(block)


def fill(tensor, blocks):
    """Cast float64 blocks and write them into a tensor one after the other; return the SHA-256 of the uncast blocks."""
    sha, start = hashlib.sha256(), 0
    for block in hashed(blocks, sha):
        tensor[start : start + len(block)] = block.to(tensor)
        start += len(block)
    return sha.hexdigest()


def draw_diagonals(d, m, seed, ensemble):
    """Return the orthogonal diagonals of m measurement matrices, shape (m, d), scaled so that AᵀA/m is a projection.

    They span the same space as m iid Gaussian diagonals. The solution of the convex programme and the limit of the
    gradient flow both depend on this space alone; with orthogonal diagonals, descent reaches the limit in fewer steps.
    """
    gaussian = stream("ensemble", kind="diagonal", d=d, seed=seed, ensemble=ensemble).standard_normal((m, d))
    return np.linalg.qr(gaussian.T)[0].T * np.sqrt(m)
