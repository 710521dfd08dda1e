"""Symmetric matrices as vectors: the d(d+1)/2 upper entries, off-diagonal ones scaled by √2.

The scaling makes the packing an isometry: ⟨svec(A), svec(X)⟩ = ⟨A, X⟩. Since ⟨A, X⟩ sees only the symmetric
part of A when X is symmetric, packing halves the memory and the traffic of an ensemble without changing the model.
"""

import math
from functools import cache

import torch

from algoreg.numerics.theory import symmetric_dimension


@cache
def _tables(d, device, dtype):
    rows, columns = torch.triu_indices(d, d, device=device)
    gather = rows * d + columns
    position = torch.empty(d, d, dtype=torch.long, device=device)
    counter = torch.arange(symmetric_dimension(d), device=device)
    position[rows, columns] = counter
    position[columns, rows] = counter
    scale = torch.full(rows.shape, math.sqrt(2.0), dtype=torch.float64, device=device)
    scale[rows == columns] = 1.0
    return gather, position.reshape(-1), scale.to(dtype), (1.0 / scale).to(dtype)


def svec(matrices):
    """Pack symmetric matrices (..., d, d) to shape (..., d(d+1)/2), reading only their upper triangles."""
    d = matrices.shape[-1]
    gather, _, scale, _ = _tables(d, matrices.device, matrices.dtype)
    return matrices.reshape(*matrices.shape[:-2], d * d).index_select(-1, gather).mul_(scale)


def smat(vectors, d):
    """Unpack vectors (..., d(d+1)/2) to full symmetric matrices (..., d, d); the inverse of :func:`svec`.

    Raises
    ------
    ValueError
        If the last axis is not d(d+1)/2 long.
    """
    length = symmetric_dimension(d)
    if vectors.shape[-1] != length:
        raise ValueError(f"a symmetric {d}×{d} matrix has {length} packed entries, not {vectors.shape[-1]}")
    _, position, _, inverse = _tables(d, vectors.device, vectors.dtype)
    return (vectors * inverse).index_select(-1, position).view(*vectors.shape[:-1], d, d)
