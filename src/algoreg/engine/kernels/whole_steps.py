"""Whole steps of factored descents in compiled loops: by passes over an ensemble, by a Gram matrix, by single samples.

:mod:`algoreg.engine.kernels.passes` describes the order of sums.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from algoreg.engine.kernels.library import compiled
from algoreg.engine.kernels.passes import (
    MOST_BLOCK_ROWS,
    padded,
    partial_sums,
    require,
    require_rows,
    room,
    rows_at_once,
    square_room,
    together,
)
from algoreg.numerics.theory import symmetric_dimension


def _padded_factors(factors: torch.Tensor) -> torch.Tensor:
    """Return a copy of factors whose rows are padded with zeros."""
    runs, d, columns = factors.shape
    copy = torch.zeros(runs, d, padded(columns), dtype=factors.dtype)
    # numpy copies, for the reason given in ``Pass``.
    copy.numpy()[:, :, :columns] = factors.numpy()
    return copy


def single_samples(
    matrices: torch.Tensor, order: torch.Tensor, factors: torch.Tensor, labels: torch.Tensor, steps: torch.Tensor
) -> torch.Tensor:
    """Return factors after steps U ← U − η(⟨A_i, UUᵀ⟩ − y_i)A_iU, one for each measurement i in ``order``.

    Parameters
    ----------
    matrices : torch.Tensor, shape (m, d, d)
        The measurements A_i, contiguous.
    order : torch.Tensor of int64
        Numbers of measurements, from 0 to m − 1.
    factors : torch.Tensor, shape (B, d, k)
        They are not changed.
    labels : torch.Tensor, shape (B, m) or fewer columns if ``order`` needs no more
    steps : torch.Tensor, shape (B,)
        The step sizes η.

    Raises
    ------
    ValueError
        If sizes or types do not agree, or the order contains the number of a measurement that does not exist.
    """
    count, d, _ = matrices.shape
    runs, _, columns = factors.shape
    require("matrices", matrices, (count, d, d), factors.dtype)
    if not matrices.is_contiguous():
        raise ValueError("matrices do not lie one after the other: make them contiguous")
    require("factors", factors, (runs, d, columns), factors.dtype, copied=True)
    require("labels", labels, (runs, labels.shape[1]), factors.dtype, copied=True)
    require("steps", steps, (runs,), factors.dtype, copied=True)
    require("sample numbers", order, (len(order),), torch.int64)
    if not len(order):
        return factors.clone()
    known = min(count, labels.shape[1])
    if order.min() < 0 or order.max() >= known:
        raise ValueError(f"samples {order.min()} to {order.max()} are asked for, of {known}")
    labels, steps = labels.contiguous(), steps.contiguous()
    ends = _padded_factors(factors)
    change = torch.zeros_like(ends[0])
    # The kernel prefetches the matrix of the next step; after the last step it prefetches the last matrix again.
    order = torch.cat([order, order[-1:]])
    compiled(factors.dtype).single_samples(
        matrices.data_ptr(), order.data_ptr(), labels.data_ptr(), steps.data_ptr(), ends.data_ptr(), change.data_ptr(),
        len(order) - 1, d, columns, ends.stride(1), labels.stride(0), runs,
    )  # fmt: skip
    return ends[:, :, :columns]


class Momentum(NamedTuple):
    """Nesterov's momentum: U_{t+1} = Z_t − ηM(Z_t)Z_t and Z_{t+1} = U_{t+1} + μ(U_{t+1} − U_t).

    The factors that :class:`Steps` advances are Z_t.
    """

    # U_t, shape (B, d, k).
    before: torch.Tensor
    # μ, shape (B,).
    share: torch.Tensor


class Steps:
    """Factors of a batch that advance by U ← U − ηMU, in arrays laid out for the kernels.

    Parameters
    ----------
    factors : torch.Tensor, shape (B, d, k)
    d : int
    steps, divisors : torch.Tensor, shape (B,)
        The step sizes η, and the divisors of the sums of a pass: M = smat(sum / divisor).
    lanes : int
    momentum : Momentum, optional
    """

    def __init__(
        self,
        factors: torch.Tensor,
        d: int,
        steps: torch.Tensor,
        divisors: torch.Tensor,
        lanes: int = 1,
        momentum: Momentum | None = None,
    ) -> None:
        self._d, (runs, _, self._columns), dtype = d, factors.shape, factors.dtype
        require("factors", factors, (runs, d, self._columns), dtype, copied=True)
        self._factors = _padded_factors(factors)
        self._steps, self._divisors = steps.contiguous(), divisors.contiguous()
        require("steps", self._steps, (runs,), dtype)
        require("divisors", self._divisors, (runs,), dtype)
        self._before = self._momentum = None
        if momentum:
            require("factors before", momentum.before, factors.shape, dtype, copied=True)
            require("momentum", momentum.share, (runs,), dtype, copied=True)
            self._before, self._momentum = _padded_factors(momentum.before), momentum.share.contiguous()
        self._lanes = min(lanes, runs)
        self.x, self._square = room(runs, self._d, dtype), square_room(self._lanes, self._d, dtype)
        self._transposed = torch.zeros(self._lanes, self._columns, padded(self._d), dtype=dtype)
        self._change = torch.zeros(self._lanes, *self._factors.shape[1:], dtype=dtype)
        self._n = padded(symmetric_dimension(self._d))

    def _share(self, lane: int) -> tuple[int, int]:
        runs = len(self._factors)
        return lane * runs // self._lanes, (lane + 1) * runs // self._lanes

    def outer(self) -> None:
        """Write svec(UUᵀ) to ``x``, in the layout of :func:`pack`."""

        def part(lane: int) -> None:
            first, last = self._share(lane)
            compiled(self.x.dtype).outer(
                self._factors[first].data_ptr(), self.x[first].data_ptr(),
                self._transposed[lane].data_ptr(), self._square[lane].data_ptr(),
                self._d, self._columns, self._factors.stride(1), self._square.stride(1),
                self._n, self.x.stride(0), last - first,
            )  # fmt: skip

        together(self._lanes, part)

    def step(self, total: torch.Tensor) -> None:
        """Advance every factor by the sums of a pass."""
        require("sums", total, self.x.shape, self.x.dtype)

        def part(lane: int) -> None:
            first, last = self._share(lane)
            compiled(self.x.dtype).step(
                total[first].data_ptr(), self._divisors[first:].data_ptr(), self._steps[first:].data_ptr(),
                self._factors[first].data_ptr(), self._square[lane].data_ptr(), self._change[lane].data_ptr(),
                self._d, self._columns, self._factors.stride(1), self._square.stride(1), total.stride(0), last - first,
            )  # fmt: skip

        together(self._lanes, part)
        if self._momentum is not None and self._before is not None:
            # numpy computes this, for the reason given in ``Pass``.
            ahead, before, share = self._factors.numpy(), self._before.numpy(), self._momentum.numpy()[:, None, None]
            with np.errstate(all="ignore"):
                ahead[...], before[...] = ahead + share * (ahead - before), ahead.copy()

    def descend_by(self, sums: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
        """Take ``count`` steps, each with a pass: ``sums`` maps ``x`` to the sums that :meth:`step` takes."""
        for _ in range(count):
            self.outer()
            self.step(sums(self.x))

    def descend(
        self,
        rows: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        table: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
    ) -> None:
        """Take ``count`` steps in compiled loops, on an ensemble's rows or, without a table, on its Gram matrix."""
        known = symmetric_dimension(self._d) if counts is None else int(counts.max())
        if labels.shape[1] < known or len(rows) < known:
            raise ValueError(f"labels have shape {tuple(labels.shape)} and {len(rows)} rows, but runs know {known}")
        labels = labels.contiguous()
        require("labels", labels, (len(self.x), labels.shape[1]), self.x.dtype)
        stride = require_rows(rows, symmetric_dimension(self._d), self.x.dtype)
        kernel, total = compiled(self.x.dtype, rows.dtype), torch.zeros_like(self.x)
        sums = partial_sums(len(labels), 1, labels.dtype)
        given = (self._divisors, self._steps, self._factors, self._momentum, self._before, self.x, total, sums)
        spare = (self._transposed, self._square, self._change)
        sizes = (
            labels.stride(0), self._d, self._columns, self._factors.stride(1), self._square.stride(1), self.x.stride(0), len(self.x),
        )  # fmt: skip
        if table is None or counts is None:
            kernel.descend_gram(*map(_address, (rows, labels, *given, *spare)), count, stride, self._n, *sizes)
            return
        weights = torch.empty(len(labels) * MOST_BLOCK_ROWS, dtype=labels.dtype)
        arrays = (rows, labels, counts, table, *given, weights, *spare)

        def take(steps: int, height: int) -> None:
            kernel.descend(*map(_address, arrays), steps, len(table) // 3, height, stride, self._n, *sizes)

        height = rows_at_once(len(labels), self._n, labels.element_size())
        while height.trials and count:
            height.call(partial(take, 1), int(counts.max()))
            count -= 1
        height.call(partial(take, count))

    def copy_to(self, factors: torch.Tensor, before: torch.Tensor | None = None) -> torch.Tensor:
        """Copy Z (without momentum, U) to ``factors`` and, with momentum, U to ``before``; return ``factors``."""
        # numpy copies, for the reason given in ``Pass``.
        factors.numpy()[...] = self._factors.numpy()[:, :, : self._columns]
        if before is not None:
            assert self._before is not None
            before.numpy()[...] = self._before.numpy()[:, :, : self._columns]
        return factors


def _address(array: torch.Tensor | None) -> int | None:
    """Return the address of a tensor's numbers, or None."""
    return None if array is None else array.data_ptr()
