"""How ensembles are drawn: blocks of normal numbers, hashed in float64 before any cast."""

import hashlib

import numpy as np
import torch

from algoreg.numerics.seeds import stream


def normal_blocks(generator, m, shape, block_rows):
    """Yield m float64 standard normal arrays of a shape, at most ``block_rows`` of them together.

    They come one after the other from the generator: more of them start with the fewer.
    """
    for start in range(0, m, block_rows):
        yield generator.standard_normal((min(block_rows, m - start), *shape))


def hashed(blocks, sha):
    """Yield float64 blocks as tensors, each after its bytes went into ``sha``."""
    for block in blocks:
        sha.update(np.ascontiguousarray(block, dtype="<f8"))
        yield torch.from_numpy(block)


def fill(tensor, blocks):
    """Write float64 blocks into a tensor, cast and one after the other; return the SHA-256 of what they were before."""
    sha, start = hashlib.sha256(), 0
    for block in hashed(blocks, sha):
        tensor[start : start + len(block)] = block.to(tensor)
        start += len(block)
    return sha.hexdigest()


def draw_diagonals(d, m, seed, ensemble):
    """Return the diagonals of m measurement matrices, shape (m, d): orthogonal,
    and scaled so that AᵀA/m is a projection.

    They span what m iid Gaussian diagonals span. Both the programme's solution and the limit of the gradient flow
    depend on the span alone; from orthogonal ones descent gets there in fewer steps.
    """
    gaussian = stream("ensemble", kind="diagonal", d=d, seed=seed, ensemble=ensemble).standard_normal((m, d))
    return np.linalg.qr(gaussian.T)[0].T * np.sqrt(m)
