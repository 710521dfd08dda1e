"""Gaussian measurements that are never stored: they are drawn when they are needed, exactly in law [lu2021].

The packed ensemble Q is an m × D matrix of iid N(0, 1) numbers, D = d(d+1)/2 (:mod:`algoreg.ensembles.gaussian`).
Descent needs only products Qx and Qᵀr. The part of Q that these products do not determine is Gaussian and independent
of the part that they do, so each new direction can be drawn when it is needed. Let R have orthonormal rows that span
the x so far, and L rows that span the r. The products QRᵀ and LQ are known, and for a unit p ⊥ R

    Qp = Lᵀ(LQ p) + (I − LᵀL) g,    g ~ N(0, I_m) fresh,

and likewise for Qᵀ. A descent's directions soon repeat: a direction whose part outside the bases is less than
``tolerance`` of its length counts as inside, and the bases stop growing. Nothing that is stored grows with m·D.
"""

import math
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch

from algoreg.ensembles import base
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension

# Columns of a basis that are handled together, to fit into a core's cache, and rows by which a basis grows.
BLOCK_COLUMNS = 16384
BLOCK_ROWS = 16
# A tolerance is at least this many times the storage's precision: below it, rounding errors would count as new
# directions, and the descent would diverge.
PRECISIONS = 8
LARGEST_TOLERANCE = 0.1
STORAGE = {"float32": torch.float32, "float64": torch.float64}
MEMORY_LIMIT_BYTES = 4 * 2**30


def smallest_tolerance(storage: str) -> float:
    """Return the smallest tolerance that bases of this type allow."""
    return PRECISIONS * torch.finfo(STORAGE[storage]).eps


def unfit_tolerance(tolerance: float, storage: str) -> str | None:
    """Return which tolerances are allowed, or None if this one is."""
    least = smallest_tolerance(storage)
    if least <= tolerance <= LARGEST_TOLERANCE:
        return None
    return f"{least:.1e} ({PRECISIONS} times the precision of storage: {storage}) to {LARGEST_TOLERANCE}"


def expected_directions(iterations: int, rank: int, tolerance: float) -> int:
    """Estimate how many directions a basis of a factored descent will hold, to judge its memory beforehand.

    This is a rule of thumb from descents at d = 50 to 400 with tolerances 10⁻⁴ and 10⁻⁶: about 50 directions at rank 1
    and 100 at rank 16, at any d. Each iteration needs at most one new direction.
    """
    return min(iterations + 2, math.ceil((60 + 4 * rank) * math.log10(1 / tolerance) / 4))


def bytes_of(d: int, m: int, directions: float, storage: str) -> float:
    """Return how many bytes two bases of this many directions take, together with their products."""
    return 2 * directions * (symmetric_dimension(d) + m) * STORAGE[storage].itemsize


class Rows:
    """A growing number of rows of one length, stored in blocks of columns.

    Sums within a block are computed in the rows' type; the sums of the blocks are added up in float64.
    """

    def __init__(self, length: int, dtype: torch.dtype, device: torch.device | str) -> None:
        self.count, self.length, self.dtype = 0, length, dtype
        edges = [*range(0, length, BLOCK_COLUMNS), length]
        self.parts = [slice(start, stop) for start, stop in pairwise(edges)]
        self.blocks = [torch.empty(0, part.stop - part.start, dtype=dtype, device=device) for part in self.parts]

    def append(self, row: torch.Tensor) -> None:
        """Add a row."""
        for number, (part, block) in enumerate(zip(self.parts, self.blocks, strict=True)):
            if self.count == len(block):
                self.blocks[number] = torch.cat([block, block.new_empty(BLOCK_ROWS, block.shape[1])])
            self.blocks[number][self.count] = row[part]
        self.count += 1

    def dot(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of every row with x, shape (count,)."""
        total, x = torch.zeros(self.count, dtype=torch.float64, device=x.device), x.to(self.dtype)
        for part, block in zip(self.parts, self.blocks, strict=True):
            total += block[: self.count] @ x[part]
        return total

    def combine(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the sum of the rows times their weights, shape (length,)."""
        total, weights = weights.new_empty(self.length), weights.to(self.dtype)
        for part, block in zip(self.parts, self.blocks, strict=True):
            total[part] = weights @ block[: self.count]
        return total


class Side:
    """The orthonormal directions that one side of Q has been multiplied with, and their products with Q."""

    def __init__(self, length: int, product_length: int, dtype: torch.dtype, device: torch.device | str) -> None:
        self.directions, self.products = Rows(length, dtype, device), Rows(product_length, dtype, device)

    def split(self, x: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the coordinates of x in the directions, and the length and unit vector of its part outside them.

        The unit vector is None if this length is at most ``tolerance`` times the length of x.
        """
        size = torch.linalg.vector_norm(x)
        coordinates = self.directions.dot(x)
        rest = x - self.directions.combine(coordinates)
        length = torch.linalg.vector_norm(rest)
        if length <= tolerance * size:
            return coordinates, length, None
        # After one projection the rest of a nearly known direction is not orthogonal to the basis; two are enough.
        again = self.directions.dot(rest)
        rest = rest - self.directions.combine(again)
        length = torch.linalg.vector_norm(rest)
        return coordinates + again, length, rest / length


class Ensemble(base.Ensemble):
    """A Gaussian ensemble that is drawn on demand; all its runs share one Q.

    The matrix depends on the sequence of products that are asked for, although its law does not. It therefore has no
    digest and no prefixes, and a run in another batch, or after other products, has another draw. The seed determines
    the draw for a given sequence of products. A killed run is repeated from its seed and has the same bits. Labels are
    svec(X*): descent needs products with X − X*, which is small when it has nearly converged.

    Parameters
    ----------
    generator : numpy.random.Generator
    d, m : int
    tolerance : float
        A direction counts as known if the share of its length outside the bases is at most this.
    storage : str
        The type of the bases, ``float32`` or ``float64``.
    memory : int
        How many bytes the bases may take.

    Raises
    ------
    ValueError
        If the tolerance is below :func:`smallest_tolerance` or above ``LARGEST_TOLERANCE``.
    """

    drawn_ahead = False

    def __init__(
        self,
        generator: np.random.Generator,
        d: int,
        m: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        number: int = 0,
        tolerance: float = 1e-12,
        storage: str = "float64",
        memory: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        if allowed := unfit_tolerance(tolerance, storage):
            raise ValueError(f"tolerance = {tolerance:g}: allowed is {allowed}")
        super().__init__(d, m, torch.device(device), dtype, None, number)
        self.generator, self.tolerance, self.storage, self.memory = generator, tolerance, storage, memory
        length, place = symmetric_dimension(d), (STORAGE[storage], self.device)
        self.forward_side, self.adjoint_side = Side(length, m, *place), Side(m, length, *place)

    @classmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        **options: Any,
    ) -> Self:
        """Return ensemble number ``ensemble`` without drawing anything yet; ``options`` are the constructor's."""
        generator = stream("ensemble", kind="unstored", d=d, m=m, seed=seed, ensemble=ensemble)
        return cls(generator, d, m, device, dtype, ensemble, **options)

    @property
    def directions(self) -> int:
        """The number of directions in the larger basis."""
        return max(self.forward_side.directions.count, self.adjoint_side.directions.count)

    @property
    def bytes(self) -> float:
        """The number of bytes that both bases take, together with their products."""
        return bytes_of(
            self.d, self.m, (self.forward_side.directions.count + self.adjoint_side.directions.count) / 2, self.storage
        )

    def _fresh(self, product: torch.Tensor, other: Rows) -> torch.Tensor:
        """Return the product of Q with a new unit direction.

        The part that the other side's directions determine is ``product``; the rest is a fresh draw.
        """
        fresh = torch.from_numpy(self.generator.standard_normal(other.length)).to(self.device)
        return fresh + other.combine(product - other.dot(fresh))

    def _product(self, x: torch.Tensor, own: Side, opposite: Side) -> torch.Tensor:
        """Return the product of Q, or of Qᵀ, with x, in float64."""
        x = x.double()
        coordinates, length, unit = own.split(x, self.tolerance)
        if unit is None:
            return own.products.combine(coordinates)
        if self.bytes > self.memory:
            raise MemoryError(
                f"the bases of d = {self.d} hold {self.directions} directions, {self.bytes / 2**30:.1f} GiB; allowed "
                f"is {self.memory / 2**30:.1f} GiB: a larger tolerance or fewer iterations need fewer directions"
            )
        product = self._fresh(opposite.products.dot(unit), opposite.directions)
        known = own.products.combine(coordinates)
        own.directions.append(unit)
        own.products.append(product)
        return known + length * product

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return Qx of a packed matrix, shape (m,), float64."""
        return self._product(x, self.forward_side, self.adjoint_side)

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Qᵀr of weights (m,), a packed matrix, float64."""
        return self._product(weights, self.adjoint_side, self.forward_side)

    def label(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the labels of targets, svec(X*), shape (T, D); they are multiplied by Q when that is needed."""
        return svec(targets)

    def _residuals(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return Q(x − x*) of every run, shape (B, m), float64."""
        return torch.stack([self.forward(x) for x in svec(matrices) - labels])

    def label_size(self, labels: torch.Tensor) -> torch.Tensor:
        """Return |Qx*|/√m of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        measured = torch.stack([self.forward(x) for x in labels])
        return (torch.linalg.vector_norm(measured, dim=1) / self.m**0.5).to(labels)

    def train_error(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return |Q(x − x*)|/|Qx*| of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        residual = torch.linalg.vector_norm(self._residuals(matrices, labels), dim=1) / self.m**0.5
        return residual.to(labels) / self.label_size(labels)

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M = smat(QᵀQ(x − x*))/m of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        return self.gradient_and_residual(matrices, labels)[0]

    def gradient_and_residual(self, matrices: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return M and |Q(x − x*)|/√m of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        residuals = self._residuals(matrices, labels)
        pulled = torch.stack([self.adjoint(row / self.m) for row in residuals])
        size = torch.linalg.vector_norm(residuals, dim=1) / self.m**0.5
        return smat(pulled.to(matrices), self.d), size.to(matrices)
