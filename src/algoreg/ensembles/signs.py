"""Measurement matrices of random signs, stored as bits: they take a thirty-second of the memory of float32.

The packed entries are ±1 with equal probability: A_i has ±1 on its diagonal and ±1/√2 off it, so that E⟨A, X⟩A = X for
symmetric X, as for Gaussian matrices.
"""

import hashlib
from typing import Self

import numpy as np
import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles.base import PackedRows
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    rounds_to = "signs"

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many eight-byte numbers would take the same memory."""
        return m * symmetric_dimension(d) // 64


def sign_bits(d: int, m: int, seed: int, ensemble: int) -> np.ndarray:
    """Return sign bits from their named stream, shape (m, ⌈d(d+1)/16⌉), uint8; bit 0 means +1, bit 1 means −1.

    The first number of a row is the lowest bit of its first byte, and the unused bits of the last byte are 0. Rows are
    drawn one after the other from one stream, so that a longer ensemble begins with the shorter one.
    """
    length = symmetric_dimension(d)
    generator = stream("ensemble", kind="signs", d=d, seed=seed, ensemble=ensemble)
    bits = np.frombuffer(generator.bytes(m * -(-length // 8)), np.uint8).reshape(m, -1).copy()
    bits[:, -1] &= 0xFF >> -length % 8
    return bits


class Ensemble(PackedRows):
    """A drawn ensemble of signs; its digest covers their bits."""

    @classmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Draw ensemble number ``ensemble`` and hash it; compute in ``dtype``."""
        bits = sign_bits(d, m, seed, ensemble)
        count, length = bits.shape
        rows = passes.padded_rows(count, length, torch.uint8, device)
        rows.copy_(torch.from_numpy(bits))
        return cls(rows, d, hashlib.sha256(bits.data).hexdigest(), ensemble, dtype=dtype)
