"""Measurement matrices of random signs, stored as bits: a thirty-second of the memory of float32.

The packed entries are ±1 with equal chances: A_i has ±1 on its diagonal and ±1/√2 off it, so that, as of Gaussian
matrices, E⟨A, X⟩A = X for symmetric X.
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
    """What settings may ask of it."""

    rounds_to = "signs"

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers of eight bytes its room would hold."""
        return m * symmetric_dimension(d) // 64


def sign_bits(d: int, m: int, seed: int, ensemble: int) -> np.ndarray:
    """Return the signs' bits from their named stream, shape (m, ⌈d(d+1)/16⌉), uint8: 0 is 1, 1 is −1.

    Of a row the first number is its first byte's lowest bit, and what is left of the last byte is 0. Rows come one
    after the other from one stream: a longer ensemble starts with the shorter one.
    """
    length = symmetric_dimension(d)
    generator = stream("ensemble", kind="signs", d=d, seed=seed, ensemble=ensemble)
    bits = np.frombuffer(generator.bytes(m * -(-length // 8)), np.uint8).reshape(m, -1).copy()
    bits[:, -1] &= 0xFF >> -length % 8
    return bits


class Ensemble(PackedRows):
    """A drawn ensemble of signs; the digest is that of their bits."""

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
