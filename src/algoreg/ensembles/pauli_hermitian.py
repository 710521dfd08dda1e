"""Pauli observables of complex states on n qubits: different strings, as real matrices of twice the size, d = 2ⁿ⁺¹.

A Hermitian H is stored as the symmetric R(H) = [[Re H, −Im H], [Im H, Re H]], with ⟨R(G), R(H)⟩ = 2 tr GH. A string P
is stored as a real string on one more qubit: I⊗P if it has an even number of Y, −Y⊗P if it has an odd number. M has the
form of an R(H) at every X, so a descent that is initialised at a multiple of the identity keeps this form; of any other
X, only the part that has this form is measured. UUᵀ with a real d×2k U is the state of a complex factor of k columns:
one complex column gives the two columns u and Ju with J = [[0, −I], [I, 0]].
"""

from collections.abc import Sequence

import numpy as np
import torch

from algoreg.ensembles import pauli
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def refused_d(d: int) -> str | None:
        """Return which sizes are allowed, or None if d is one of them."""
        return None if 4 <= d <= 4096 and d & (d - 1) == 0 else "a power of 2, from 4 to 4096,"

    @staticmethod
    def most_m(d: int) -> int:
        """Return the number of strings on n qubits."""
        return d * d // 4

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores while it draws."""
        return 2 * d * d + 4 * m


def as_real(matrices: torch.Tensor) -> torch.Tensor:
    """Return R(H) of complex Hermitian matrices (..., d/2, d/2), shape (..., d, d)."""
    real, imaginary = matrices.real, matrices.imag
    return torch.cat([torch.cat([real, -imaginary], dim=-1), torch.cat([imaginary, real], dim=-1)], dim=-2)


def as_complex(matrices: torch.Tensor) -> torch.Tensor:
    """Return the H whose R(H) is nearest to symmetric matrices (..., d, d), shape (..., d/2, d/2)."""
    (a, b), (c, e) = (half.chunk(2, dim=-1) for half in matrices.chunk(2, dim=-2))
    return torch.complex((a + e) / 2, (c - b) / 2)


def real_string(x: np.ndarray, z: np.ndarray, qubits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, z and sign of the real strings on one more qubit that represent strings on ``qubits`` qubits."""
    odd = pauli.popcount(x & z) % 2
    return x + odd * 2**qubits, z + odd * 2**qubits, 1 - 2 * odd


def from_letters(texts: Sequence[str], qubits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the real strings that represent strings of letters, shape (m, 2), and their signs, shape (m,).

    :class:`algoreg.ensembles.pauli.Ensemble` takes both in this form; see :func:`real_string`.
    """
    x, z = np.array([pauli.from_letters(text) for text in texts]).T
    x, z, signs = real_string(x, z, qubits)
    return torch.from_numpy(np.stack([x, z], axis=1)), torch.from_numpy(signs)


class Ensemble(pauli.Ensemble):
    """Pauli observables of Hermitian matrices: A_i = √(4ⁿ/d)·R(P_i), so (1/m) Σ ⟨A_i, R(H)⟩² has mean ‖R(H)‖_F²."""

    kind = "pauli-hermitian"

    @classmethod
    def strings(cls, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return x and z of all real strings that represent a string on n qubits, shape (4ⁿ, 2), and their signs."""
        qubits = d.bit_length() - 2
        every = pauli.all_strings(qubits)
        x, z, signs = real_string(every[:, 0], every[:, 1], qubits)
        return np.stack([x, z], axis=1), signs.astype(float)
