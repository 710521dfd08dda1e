"""The base classes of ensembles: linear measurements of matrices, and the operations on them that descents need.

A module of this folder, or of a chapter's folder ``ensembles``, defines a class ``Ensemble``. The settings are checked
against two of its attributes: ``provides`` (below) and ``acts_on``, the space of matrices that it measures
(``settings.options.WITHIN``).
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import torch

from algoreg.engine.kernels import library, passes, whole_steps
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension


class Ensemble(ABC):
    """Measurements ⟨A_i, X⟩, i = 1 … m, for descents: labels, the gradient of the squared loss, whole factored steps.

    Attributes
    ----------
    provides : frozenset of str
        ``gradient`` and ``descend``: the methods of these names; ``prefixes``: runs may know only the first
        measurements (``shared_by``); ``single measurements``: ``select``, ``measure`` and ``adjoint``, and labels with
        a column per measurement; ``unpacked``: the method of this name; ``rectangular gradient``: in place of
        ``gradient``, a method ``gradient`` for d × columns matrices that need not be symmetric; ``truncation``: a
        ``factored_gradient`` with levels; ``isometry``: the method ``isometry_deviation``.
    acts_on : str
        The space of the matrices that are measured.
    d, m : int
        Matrix size and number of measurements.
    columns : int
        Number of columns of the matrices: d, except in rectangular spaces.
    number : int
        The number of this ensemble within its problem, which is part of the names of its random streams.
    device, dtype
        Device and type of the ensemble's numbers; arguments of its methods must have the same.
    digest : str or None
        SHA-256 of the drawn float64 numbers before any cast.
    drawn_ahead : bool
        Whether the measurements are drawn before they are used. If not, they depend on the products that are asked for:
        the ensemble has no digest, a run has another draw in another batch, and a killed run is repeated from its seed.
    """

    provides: frozenset[str] = frozenset({"gradient", "descend"})
    acts_on: str = "symmetric"
    drawn_ahead: bool = True

    def __init__(
        self, d: int, m: int, device: torch.device, dtype: torch.dtype, digest: str | None = None, number: int = 0
    ) -> None:
        self.d, self.m, self.device, self.dtype, self.digest, self.number = d, m, device, dtype, digest, number
        self.columns = d

    @classmethod
    @abstractmethod
    def draw(
        cls,
        d: int,
        m: int,
        seed: int,
        ensemble: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Draw ensemble number ``ensemble`` from its named stream in float64, hash it and cast it."""

    @abstractmethod
    def label(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the labels of targets (T, d, d): T rows in the form that ``gradient`` and ``train_error`` take."""

    @abstractmethod
    def train_error(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return √(Σ(⟨A_i, X⟩ − y_i)² / Σy_i²) of every run, shape (B,) [LMZ18, Appendix B].

        Both sums are over the labels that the run knows.
        """

    @abstractmethod
    def label_size(self, labels: torch.Tensor) -> torch.Tensor:
        """Return √((1/m) Σy_i²), the root mean square of the labels that each run knows, shape (B,)."""

    @abstractmethod
    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M = (1/m) Σ_i (⟨A_i, X⟩ − y_i) sym(A_i) of every run [LMZ18, Section 2].

        M is the gradient of 1/(2m) Σ (⟨A_i, X⟩ − y_i)². Matrices and M are symmetric, shape (B, d, d); labels have a
        row per run.
        """

    def gradient_and_residual(self, matrices: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return M and √((1/m) Σ(⟨A_i, X⟩ − y_i)²), shape (B,), of every run; see :meth:`gradient`."""
        residual = self.train_error(matrices, labels) * self.label_size(labels)
        return self.gradient(matrices, labels), residual

    def shared_by(self, counts: Sequence[int]) -> Self:
        """Return a view of this ensemble for runs of which run k knows the first ``counts[k]`` measurements.

        Counts fall, each between 1 and m; all are m unless the ensemble provides ``prefixes``.

        Raises
        ------
        ValueError
            If the counts do not satisfy these conditions.
        """
        if any(count != self.m for count in counts):
            few = min(int(count) for count in counts)
            raise ValueError(f"this ensemble does not contain prefixes: it is that of all m = {self.m}, not of {few}")
        return self

    def factored_gradient(
        self, factors: torch.Tensor, labels: torch.Tensor, levels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return M·U for X = UUᵀ of every run, factors and result of shape (B, d, k); see :meth:`gradient`.

        With ``levels``, shape (B, 1), measurements above a run's level are left out; only an ensemble that provides
        ``truncation`` accepts levels.
        """
        if levels is not None:
            raise NotImplementedError("this ensemble does not provide truncation")
        return torch.bmm(self.gradient(torch.bmm(factors, factors.mT), labels), factors)

    def descend(self, factors: torch.Tensor, steps: torch.Tensor, labels: torch.Tensor, count: int) -> torch.Tensor:
        """Take ``count`` steps U ← U − ηMU on factors (B, d, k), with M the :meth:`gradient` at X = UUᵀ.

        The factors are overwritten. ``steps`` are the step sizes η, shape (B,); labels have a row per run.
        """
        for _ in range(count):
            factors.addcmul_(steps[:, None, None], self.factored_gradient(factors, labels), value=-1)
        return factors

    def accelerate(
        self,
        factors: torch.Tensor,
        ahead: torch.Tensor,
        steps: torch.Tensor,
        momentum: torch.Tensor,
        labels: torch.Tensor,
        count: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take ``count`` steps U_{t+1} = Z_t − ηM(Z_t)Z_t, Z_{t+1} = U_{t+1} + μ(U_{t+1} − U_t); may overwrite U and Z.

        Parameters
        ----------
        factors, ahead : torch.Tensor, shape (B, d, k)
            U_t and Z_t.
        steps, momentum : torch.Tensor, shape (B,)
            η and μ of every run.
        labels : torch.Tensor, a row per run
        count : int

        Returns
        -------
        tuple of torch.Tensor, shape (B, d, k) each
            U and Z after the last step.
        """
        for _ in range(count):
            following = self.descend(ahead.clone(), steps, labels, 1)
            ahead = following + momentum[:, None, None] * (following - factors)
            factors = following
        return factors, ahead


class CompiledSteps(Ensemble):
    """An ensemble that takes its factored steps in compiled loops on a CPU."""

    def descend(self, factors: torch.Tensor, steps: torch.Tensor, labels: torch.Tensor, count: int) -> torch.Tensor:
        """Take ``count`` steps of factored descents; see :class:`Ensemble`."""
        if not library.serve(self.device):
            return super().descend(factors, steps, labels, count)
        return self._moved(factors, steps, labels, count).copy_to(factors)

    def accelerate(
        self,
        factors: torch.Tensor,
        ahead: torch.Tensor,
        steps: torch.Tensor,
        momentum: torch.Tensor,
        labels: torch.Tensor,
        count: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take ``count`` accelerated steps; see :class:`Ensemble`."""
        if not library.serve(self.device):
            return super().accelerate(factors, ahead, steps, momentum, labels, count)
        moved = self._moved(ahead, steps, labels, count, whole_steps.Momentum(factors, momentum))
        return factors, moved.copy_to(ahead, factors)

    @abstractmethod
    def _moved(
        self,
        factors: torch.Tensor,
        steps: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        momentum: whole_steps.Momentum | None = None,
    ) -> whole_steps.Steps:
        """Return the factors after ``count`` steps as :class:`algoreg.engine.kernels.whole_steps.Steps`."""


class Measurements(Ensemble):
    """An ensemble that stores its measurements one by one, so that runs may know only the first of them.

    Attributes
    ----------
    block_rows, gpu_block_rows : int
        How many measurements a pass handles together, on a CPU and on a GPU. (The compiled loops use other blocks, see
        ``kernels.passes``.)
    counts : tuple of int or None
        How many measurements each run knows; None if every run knows all of them.
    derived : dict
        Results that algorithms have computed from these measurements, shared by the views of :meth:`shared_by`.
    """

    provides = frozenset({"gradient", "descend", "prefixes", "single measurements"})
    block_rows: int
    # A GPU needs large blocks: there is no core's cache to stay in, and every block costs kernel launches.
    gpu_block_rows = 16384

    def __init__(
        self,
        d: int,
        m: int,
        device: torch.device,
        dtype: torch.dtype,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        super().__init__(d, m, device, dtype, digest, number)
        self.derived: dict[Any, Any] = {}
        self._know(counts)

    def _know(self, counts: Sequence[int] | None) -> None:
        """Set ``counts``, and the blocks (start, stop, runs) of a pass; ``runs`` leading runs know all of a block."""
        self.counts = counts
        self._count: torch.Tensor | None = None
        height = self.block_rows if self.device.type == "cpu" else self.gpu_block_rows
        edges = [*range(0, self.m, height), self.m]
        if counts is None:
            self._segments = [(*block, None) for block in pairwise(edges)]
            return
        if list(counts) != sorted(counts, reverse=True) or not 1 <= counts[-1] <= counts[0] <= self.m:
            raise ValueError(f"counts fall from at most m = {self.m} to at least 1, got {counts}")
        edges = sorted({*edges, *counts})
        self._segments = [
            (start, stop, sum(count >= stop for count in counts))
            for start, stop in pairwise(edges)
            if counts[0] >= stop
        ]

    def _known(self, runs: int) -> torch.Tensor:
        """Return how many measurements each run knows, shape (B,), on the CPU."""
        return torch.tensor(self.counts or [self.m] * runs)

    def _numbers_known(self) -> torch.Tensor:
        """Return how many measurements each run knows, shape (B,), or (1,) if all know m; sent to the device once."""
        if self._count is None:
            self._count = torch.tensor(self.counts or [self.m], device=self.device, dtype=self.dtype)
        return self._count

    @property
    def _divisor(self) -> torch.Tensor | int:
        """The divisor of every run's sums: m, or how many measurements each run knows, shape (B, 1)."""
        return self.m if self.counts is None else self._numbers_known()[:, None]

    def shared_by(self, counts: Sequence[int]) -> Self:
        """Return a view of this ensemble for runs that know prefixes; see :meth:`Ensemble.shared_by`.

        Labels keep all their columns; columns beyond a run's count are not used.
        """
        counts = tuple(int(count) for count in counts)
        shared = copy.copy(self)
        shared._know(None if all(count == self.m for count in counts) else counts)
        return shared

    @abstractmethod
    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return all measurements ⟨A_i, X⟩ of symmetric matrices (B, d, d), shape (B, m), known to a run or not."""

    @abstractmethod
    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i sym(A_i) of weights (B, m), shape (B, d, d)."""

    @abstractmethod
    def select(self, indices: torch.Tensor) -> "Measurements":
        """Return a new ensemble that contains the measurements with these indices from 0 to m − 1, shape (n,)."""

    def unpacked(self) -> torch.Tensor:
        """Return the full matrices sym(A_i), shape (m, d, d); only an ensemble that provides ``unpacked`` has this."""
        raise NotImplementedError("this ensemble does not provide unpacked matrices")

    def _part(self, m: int, **own: torch.Tensor | None) -> Self:
        """Return a copy of the ensemble in which these tensors, of ``m`` measurements, replace the attributes.

        The constructor is not called, because mini-batches select at every step and the numbers have been checked.
        """
        part = copy.copy(self)
        vars(part).update(own, m=m, digest=None, derived={})
        part._know(None)
        return part

    def label(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the labels of targets, shape (T, m); see :meth:`measure`."""
        return self.measure(targets)

    def train_error(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the relative error on the labels of every run; see :meth:`Ensemble.train_error`."""
        residual = self._masked(self.measure(matrices) - labels)
        return torch.linalg.vector_norm(residual, dim=1) / torch.linalg.vector_norm(self._masked(labels), dim=1)

    def label_size(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the root mean square of every run's labels; see :meth:`Ensemble.label_size`."""
        return torch.linalg.vector_norm(self._masked(labels), dim=1) / self._numbers_known().sqrt()

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M of every run by a forward and an adjoint pass; see :meth:`Ensemble.gradient`."""
        return self.adjoint(self._masked(self.measure(matrices) - labels) / self._divisor)

    def gradient_and_residual(self, matrices: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both by a forward and an adjoint pass; see :meth:`Ensemble.gradient_and_residual`."""
        residual = self._masked(self.measure(matrices) - labels)
        return self.adjoint(residual) / self._numbers_known()[:, None, None], self.label_size(residual)

    def _masked(self, labels: torch.Tensor) -> torch.Tensor:
        """Return labels (B, m) with 0 in place of those that a run does not know."""
        if self.counts is None:
            return labels
        return labels.masked_fill(torch.arange(self.m, device=self.device) >= self._divisor, 0)


class PackedRows(CompiledSteps, Measurements):
    """An ensemble that stores svec of every measurement matrix as the rows of a matrix.

    Rows may be stored in a shorter type than is computed in if this type holds their numbers exactly. The kernels widen
    such rows as they read them, and results have the same bits as with rows stored in the wide type.

    Parameters
    ----------
    rows : torch.Tensor, shape (m, d(d+1)/2)
        The packed matrices, in the type that is computed in or in bfloat16; or, as uint8 of shape (m, ⌈d(d+1)/16⌉),
        signs as bits, where 1 means −1 and the first number is the lowest bit of a byte.
    d : int
    digest, number, counts
        See :class:`Measurements`.
    dtype : torch.dtype, optional
        The type that is computed in; by default the type of the rows.

    Attributes
    ----------
    rows : torch.Tensor
        The rows in the layout that kernels read: the starts of two rows are ``passes.padded`` of their length apart.
    """

    provides = frozenset({"gradient", "descend", "prefixes", "single measurements", "unpacked"})

    block_rows = 128

    def __init__(
        self,
        rows: torch.Tensor,
        d: int,
        digest: str | None = None,
        number: int = 0,
        counts: Sequence[int] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        length = -(-symmetric_dimension(d) // passes.numbers_in(rows.dtype))
        if rows.ndim != 2 or rows.shape[1] != length:
            raise ValueError(f"packed rows for d = {d} have {length} columns, got shape {tuple(rows.shape)}")
        super().__init__(d, rows.shape[0], rows.device, dtype or rows.dtype, digest, number, counts)
        self.rows = passes.as_padded(rows)

    def packed(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Return the packed matrices ``start`` to ``stop`` in the type that is computed in, shape (n, d(d+1)/2)."""
        return passes.widened(self.rows[start:stop], symmetric_dimension(self.d), self.dtype)

    def _widened_blocks(self) -> list[tuple[int, int]]:
        """Return (start, stop) of the rows that are widened together; all rows, if they need no widening."""
        height = self.m if self.rows.dtype == self.dtype else self.gpu_block_rows
        return list(pairwise([*range(0, self.m, height), self.m]))

    def _tables(self, counts: torch.Tensor) -> list[torch.Tensor]:
        return passes.tables(tuple(counts.tolist()), passes.lanes_for(self.m * symmetric_dimension(self.d)))

    def gradient(self, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return M of every run, reading every row once; see :class:`Ensemble`."""
        if library.serve(self.device):
            return self._passed(matrices, labels)[0]
        x = svec(matrices)
        total = torch.zeros_like(x)
        for start, stop, runs in self._segments:
            block = self.packed(start, stop)
            residual = x[:runs] @ block.T
            residual -= labels[:runs, start:stop]
            total[:runs].addmm_(residual, block)
        return smat(total.div_(self._divisor), self.d)

    def gradient_and_residual(self, matrices: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return M and the root mean square residual, reading every row once; see :class:`Ensemble`."""
        if not library.serve(self.device):
            return super().gradient_and_residual(matrices, labels)
        gradient, residuals = self._passed(matrices, labels, keep=True)
        assert residuals is not None
        return gradient, self.label_size(residuals)

    def _passed(
        self, matrices: torch.Tensor, labels: torch.Tensor, keep: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return M and, if ``keep`` is set, the residuals of every run, from one pass of the compiled loops."""
        counts = self._known(len(matrices))
        sums = passes.Pass(self.rows, self._tables(counts), counts, labels, self.d, keep)
        return passes.unpack(sums(passes.pack(matrices, self.d)), counts.to(self.dtype), self.d), sums.residuals

    def _moved(
        self,
        factors: torch.Tensor,
        steps: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        momentum: whole_steps.Momentum | None = None,
    ) -> whole_steps.Steps:
        """Return the factors after ``count`` steps in the kernels' layout."""
        counts = self._known(len(factors))
        tables = self._tables(counts)
        moving = whole_steps.Steps(factors, self.d, steps, counts.to(self.dtype), len(tables), momentum)
        if len(tables) == 1:
            moving.descend(self.rows, labels, count, tables[0], counts)
        else:
            moving.descend_by(passes.Pass(self.rows, tables, counts, labels, self.d), count)
        return moving

    def select(self, indices: torch.Tensor) -> Self:
        """Return a new ensemble that contains the measurements with these indices (a copy of their rows)."""
        rows = passes.with_padding(self.rows)[indices]
        return self._part(len(indices), rows=rows[:, : self.rows.shape[1]])

    def unpacked(self) -> torch.Tensor:
        """Return the full matrices sym(A_i), shape (m, d, d); they take twice the memory."""
        return smat(self.packed(), self.d)

    def measure(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the measurements ⟨A_i, X⟩; see :class:`Measurements`."""
        if not library.serve(self.device):
            x = svec(matrices)
            return torch.cat([x @ self.packed(start, stop).T for start, stop in self._widened_blocks()], dim=1)
        measured = matrices.new_empty(len(matrices), self.m)
        passes.measure(self.rows, passes.pack(matrices, self.d), measured)
        return measured

    def adjoint(self, weights: torch.Tensor) -> torch.Tensor:
        """Return Σ_i w_i sym(A_i); see :class:`Measurements`."""
        if library.serve(self.device):
            total = passes.adjoint(self.rows, weights.contiguous())[:, : symmetric_dimension(self.d)]
        else:
            total = weights.new_zeros(len(weights), symmetric_dimension(self.d))
            for start, stop in self._widened_blocks():
                total += weights[:, start:stop] @ self.packed(start, stop)
        return smat(total, self.d)
