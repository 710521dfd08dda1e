"""Real Pauli observables on n qubits: distinct elements of a basis of the symmetric d × d matrices, d = 2ⁿ [gross2010].

A string of letters I, X, Y, Z is represented by two n-bit numbers x and z: P = i^{|x∧z|} X^x Z^z. It is real if it has
an even number of Y; there are D = d(d+1)/2 real strings, which are orthogonal and have squared norm d. With A_i =
√(D/d)·P_i the mean of (1/m) Σ ⟨A_i, X⟩² is ‖X‖_F². P permutes coordinates and flips signs: ⟨P, X⟩ = ± Σ_b (−1)^{|z∧b|}
X[b⊕x, b]. For one x, the expectations for all z together are therefore a Walsh–Hadamard transform of a permuted
diagonal. A pass costs O(d^{5/2} + m) per run, and no matrix is ever formed.

For states with complex entries see :mod:`algoreg.ensembles.pauli_hermitian`.
"""

import hashlib
from collections.abc import Sequence
from typing import Self, TypeVar

import numpy as np
import torch

from algoreg.ensembles.base import Measurements
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension
from algoreg.recover.io import refusals
from algoreg.settings.base import EnsembleLimits


class Limits(EnsembleLimits):
    """Limits on the settings."""

    @staticmethod
    def refused_d(d: int) -> str | None:
        """Return which sizes are allowed, or None if d is one of them."""
        return None if 2 <= d <= 4096 and d & (d - 1) == 0 else "a power of 2, from 2 to 4096,"

    @staticmethod
    def most_m(d: int) -> int:
        """Return the number of real strings."""
        return d * (d + 1) // 2

    @staticmethod
    def stored(d: int, m: int) -> int:
        """Return how many numbers it stores while it draws."""
        return 3 * d * d + 4 * m


Integers = TypeVar("Integers", np.ndarray, torch.Tensor)


def popcount(numbers: Integers) -> Integers:
    """Return how many bits of integers below 2¹⁶ are 1."""
    return sum(((numbers >> bit) & 1 for bit in range(1, 16)), numbers & 1)


def hadamard(bits: int) -> torch.Tensor:
    """Return the matrix (−1)^{|a∧b|}, shape (2^bits, 2^bits), float64."""
    index = np.arange(2**bits)
    return torch.from_numpy(1.0 - 2.0 * (popcount(index[:, None] & index) % 2))


def all_strings(bits: int) -> np.ndarray:
    """Return (x, z) of all strings on some qubits, shape (4^bits, 2)."""
    return np.stack(np.divmod(np.arange(4**bits), 2**bits), axis=1)


def from_letters(text: str) -> tuple[int, int]:
    """Return (x, z) of a string of the letters I, X, Y, Z; the first letter is the highest bit.

    Raises
    ------
    ValueError
        If the string contains another letter.
    """
    refusals.refuse_strange_strings([text])
    x, z = (int("".join("01"[letter in pair] for letter in text), 2) for pair in ("XY", "ZY"))
    return x, z


class Ensemble(Measurements):
    """Real Pauli observables on a device: A_i = ±√(``count``/d)·P_i.

    Parameters
    ----------
    strings : torch.Tensor of int, shape (m, 2)
        x and z of every string.
    d : int
    count : int, optional
        The number of strings that these are drawn from, which is the dimension of the measured space; by default
        d(d+1)/2.
    signs : torch.Tensor, shape (m,), optional
        The sign of every P_i, 1 or −1; by default 1.
    device, dtype, digest, number, counts
        See :class:`algoreg.ensembles.base.Measurements`.

    Raises
    ------
    ValueError
        If d is no power of 2, or a string has an odd number of Y or more than n letters.
    """

    kind = "pauli"
    block_rows = 2**30

    def __init__(
        self,
        strings: torch.Tensor,
        d: int,
        count: int | None = None,
        signs: torch.Tensor | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        refused = Limits.refused_d(d)
        if refused:
            raise ValueError(f"d = {d}: allowed is {refused} for Pauli strings")
        x, z = strings.T
        ys = popcount(x & z)
        if (ys % 2).any() or ((strings < 0) | (strings >= d)).any():
            raise ValueError(f"strings are pairs below d = {d} of numbers that share an even number of bits")
        super().__init__(d, len(strings), torch.device(device), dtype, digest, number, counts)
        scale = ((count or symmetric_dimension(d)) / d) ** 0.5
        signs = (1 - (ys % 4)).double() * (1 if signs is None else signs) * scale
        self.weights, self.cells = signs.to(self.device, dtype), (x * d + z).to(self.device)
        half = (d.bit_length() - 1) // 2
        self._sides = [hadamard(bits).to(self.device, dtype) for bits in (d.bit_length() - 1 - half, half)]
        rows = torch.arange(d)
        # The flat position of X[b⊕x, b], by row x and column b.
        self._diagonals = ((rows[:, None] ^ rows) * d + rows).flatten().to(self.device)

    @classmethod
    def strings(cls, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return x and z of all strings that can be drawn, shape (count, 2), and their signs, shape (count,)."""
        every = all_strings(d.bit_length() - 1)
        real = every[popcount(every[:, 0] & every[:, 1]) % 2 == 0]
        return real, np.ones(len(real))

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
        """Draw ensemble number ``ensemble``: the first m of all strings in a random order.

        Raises
        ------
        ValueError
            If there are fewer than m strings.
        """
        every, signs = cls.strings(d)
        if m > len(every):
            raise ValueError(f"m = {m}: there are {len(every)} strings at d = {d}")
        order = stream("ensemble", kind=cls.kind, d=d, seed=seed, ensemble=ensemble).permutation(len(every))[:m]
        digest = hashlib.sha256(np.ascontiguousarray(every[order], dtype="<i8").data).hexdigest()
        chosen = torch.from_numpy(every[order])
        return cls(chosen, d, len(every), torch.from_numpy(signs[order]), device, dtype, digest, ensemble)

    def select(self, indices: torch.Tensor) -> Self:
        """Return a new ensemble that contains the measurements with these indices."""
        return self._part(len(indices), weights=self.weights[indices], cells=self.cells[indices])

    def _transform(self, table: torch.Tensor) -> torch.Tensor:
        """Return the Walsh–Hadamard transform of rows of tables (B, d, d) by a Kronecker product of two small ones."""
        high, low = self._sides
        return (high @ table.view(-1, len(high), len(low)) @ low).view(table.shape)

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the measurements ⟨A_i, X⟩; see :class:`algoreg.ensembles.base.Measurements`."""
        diagonals = matrices.flatten(1).index_select(1, self._diagonals).view(matrices.shape)
        return self._transform(diagonals).flatten(1).index_select(1, self.cells) * self.weights

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i A_i; see :class:`algoreg.ensembles.base.Measurements`."""
        table = weights.new_zeros(len(weights), self.d * self.d).index_add_(1, self.cells, weights * self.weights)
        diagonals = self._transform(table.view(-1, self.d, self.d)).flatten(1)
        total = torch.empty_like(diagonals)
        total[:, self._diagonals] = diagonals
        return total.view(-1, self.d, self.d)
