"""The CPU's inner loops, compiled for the machine at hand: passes over an ensemble, and whole factored steps.

A pass takes a few packed measurements at a time, multiplies them with every run, and adds their multiples up while they
are still in the core's own cache, so that the ensemble is read once. If the points and totals of all runs outgrow that
cache, taking many measurements at a time may be faster, although they are then read twice (:class:`RowsAtOnce`). Calls
of a matrix library cannot be divided that finely, and with few runs its products reach only a third of their speed with
many. The loops are therefore written in C (``kernels.c``), on vectors of 64 bytes.

**Order of sums.** Lane l of a dot product adds the entries l, l + L, l + 2L, … (L = 16 in float32, 8 in float64), then
halves are added to halves; ⟨AU, U⟩ of a single-sample step has four such vectors of lanes. Measurements are added up in
groups of eight, and the groups in the order of their numbers; products of d × d matrices are added up column by column.
With T threads, thread t adds up every T-th block of 64 measurements. None of this depends on how many runs share a
pass, on the sizes of tiles, or on the machine's vector instructions, as long as they multiply and add with one
rounding. A run therefore has the same bits alone and in a batch, and a run that knows a prefix of an ensemble has the
bits of a run on the shorter ensemble (with several threads only if both ensembles are large enough to be shared by
them).
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from math import inf
from time import perf_counter

import numpy as np
import torch

from algoreg.engine.kernels.library import SHORT, compiled
from algoreg.numerics.theory import symmetric_dimension

VECTOR_BYTES = 64
# Rows are padded with zeros to whole vectors of either type. Arrays that are written in whole vectors have as much
# spare room at their end.
PAD = 16
# Starting a second thread does not pay for ensembles of fewer numbers. The size of the batch does not count, because
# sums depend on the number of threads.
LEAST_FOR_THREADS = 2_500_000
# How many consecutive measurements go to one thread.
LANE_ROWS = 64
# Measurements that are added to each other before they are added to a total; also in kernels.c.
UNIT = 8
# How many measurements are multiplied before they are added up. A few are still in the second-level cache by then. But
# the points and totals of all runs are read once per block, and if these do not stay in the cache either, more rows at
# a time cost less.
FEW_RUNS, SMALL_TOTALS = 8, 500_000
LEAST_BLOCK_ROWS, BLOCK_ROWS, MOST_BLOCK_ROWS = 8, 16, 256
# How many of these are multiplied with all runs before the next ones are; also in kernels.c.
DOT_BLOCK = 32
# How many passes are timed with each number of rows, if the caches decide which number is faster.
TRIALS = 3


def padded(length: int) -> int:
    """Return how far apart rows of ``length`` numbers are in the arrays that kernels read."""
    return -(-length // PAD) * PAD


def numbers_in(dtype: torch.dtype) -> int:
    """Return how many numbers of a row an element of this type holds: a byte holds eight signs."""
    return 8 if dtype == torch.uint8 else 1


def padded_rows(count: int, length: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return zeros of shape (count, ``length``) laid out as kernels read them."""
    shape = (count, padded(length))
    if torch.device(device).type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)[:, :length]
    # numpy allocates the memory, because it asks the system for large pages (docs/notes.md). Rows begin at a multiple
    # of a vector's size, as they would with torch.
    size = count * padded(length) * dtype.itemsize
    room = torch.from_numpy(np.zeros(size + VECTOR_BYTES, np.uint8))
    start = -room.data_ptr() % VECTOR_BYTES
    return room[start : start + size].view(dtype).view(shape)[:, :length]


def with_padding(rows: torch.Tensor) -> torch.Tensor:
    """Return rows of :func:`padded_rows` together with their padding, sharing memory."""
    count, length = rows.shape
    return rows.as_strided((count, padded(length)), (padded(length), 1))


def _has_padding(rows: torch.Tensor) -> bool:
    length = rows.shape[1]
    end = rows.storage_offset() + len(rows) * padded(length)
    laid_out = rows.stride() == (padded(length), 1) and end * rows.element_size() <= rows.untyped_storage().nbytes()
    # The compiled loops read the padding. They do not run on a GPU, where the check would wait for the device.
    return laid_out and (rows.device.type != "cpu" or not with_padding(rows)[:, length:].any())


def as_padded(rows: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return rows laid out as kernels read them, in their own type or in ``dtype``; copied only if necessary."""
    dtype = dtype or rows.dtype
    if rows.dtype == dtype and _has_padding(rows):
        return rows
    return padded_rows(len(rows), rows.shape[1], dtype, rows.device).copy_(rows)


def require(name: str, tensor: torch.Tensor, shape: Sequence[int], dtype: torch.dtype, copied: bool = False) -> None:
    """Raise a ValueError for a tensor that a kernel, which sees addresses only, would misread."""
    if tensor.dtype != dtype or tensor.device.type != "cpu" or tuple(tensor.shape) != tuple(shape):
        found = f"{tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}"
        raise ValueError(f"{name} have shape {found}; expected is {tuple(shape)} of {dtype} on the CPU")
    if tensor.requires_grad:
        raise ValueError(f"{name} ask for a gradient, which kernels do not pass on: detach them")
    if tensor.shape[-1] > 1 and tensor.stride(-1) != 1 and not copied:
        raise ValueError(f"{name} have columns that do not lie side by side: make them contiguous")


def require_rows(rows: torch.Tensor, length: int, dtype: torch.dtype) -> int:
    """Return how many numbers the starts of two rows are apart; the rows have this type or a shorter one.

    Raises
    ------
    ValueError
        If the rows have another length, type or padding.
    """
    stored = rows.dtype if rows.dtype in SHORT else dtype
    each = numbers_in(stored)
    width = -(-length // each)
    require("rows", rows, (len(rows), width), stored)
    if rows.stride(0) != padded(width):
        raise ValueError(f"rows lie {rows.stride(0)} elements apart, not {padded(width)}: see as_padded")
    return rows.stride(0) * each


def widened(rows: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
    """Return rows of ``length`` numbers in the type that is computed in; rows that have it are not copied."""
    if rows.dtype != torch.uint8:
        return rows.to(dtype)
    bits = rows[:, :, None].bitwise_right_shift(torch.arange(8, dtype=torch.uint8, device=rows.device)).bitwise_and(1)
    return 1 - 2 * bits.flatten(1)[:, :length].to(dtype)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # Flushing subnormal numbers is a setting of each thread (devices.configure).
    return ThreadPoolExecutor(threads, initializer=torch.set_flush_denormal, initargs=(True,))


def together(lanes: int, work: Callable[[int], object]) -> None:
    """Call ``work(lane)`` for every lane, each on its own thread, and wait for all."""
    others = [_pool(torch.get_num_threads()).submit(work, lane) for lane in range(1, lanes)]
    work(0)
    for other in others:
        other.result()


def lanes_for(numbers: int) -> int:
    """Return how many threads share a pass over so many numbers: torch's number, or one if a second would not pay."""
    return torch.get_num_threads() if numbers >= LEAST_FOR_THREADS else 1


class RowsAtOnce:
    """Choose how many rows of n numbers a pass multiplies before it adds them up; no result depends on the choice.

    The best number depends on caches, which machines rarely describe correctly. The first passes are therefore timed
    with few rows and with many.
    """

    def __init__(self, runs: int, n: int, itemsize: int) -> None:
        few = LEAST_BLOCK_ROWS if runs <= FEW_RUNS else BLOCK_ROWS
        unclear = runs > FEW_RUNS and runs * n * itemsize > SMALL_TOTALS
        self.trials = [few, MOST_BLOCK_ROWS] * TRIALS if unclear else []
        self._times = {few: inf, **dict.fromkeys(self.trials, inf)}

    def call(self, work: Callable[[int], object], count: int = 1) -> None:
        """Call ``work(rows)`` with the number of rows to try next, or else the fastest.

        The time of a call is taken to be proportional to ``count``.
        """
        if not self.trials:
            work(min(self._times, key=self._times.__getitem__))
            return
        rows, start = self.trials.pop(), perf_counter()
        work(rows)
        self._times[rows] = min(self._times[rows], (perf_counter() - start) / count)


# All passes of a process with as many runs, and rows of the same size, share one.
rows_at_once = lru_cache(RowsAtOnce)


# Algorithms that take a pass per step ask for the same tables at every step.
@lru_cache(maxsize=64)
def tables(counts: tuple[int, ...], lanes: int) -> list[torch.Tensor]:
    """Divide a pass over the rows into one table of segments for every lane; the cached tables must not be changed.

    Parameters
    ----------
    counts : tuple of int
        How many measurements each run knows, in falling order.
    lanes : int

    Returns
    -------
    list of torch.Tensor
        The table of a lane lists start, stop and number of runs of each segment, and ends with the first start again.
    """
    last = counts[0]
    ends = {min(-(-count // UNIT) * UNIT, last) for count in counts}
    edges = sorted({0, *(range(0, last, LANE_ROWS) if lanes > 1 else ()), *ends})
    segments = [[] for _ in range(lanes)]
    falling = [-count for count in counts]
    for start, stop in pairwise(edges):
        segments[start // LANE_ROWS % lanes] += [start, stop, bisect_left(falling, -start)]
    return [torch.tensor([*table, table[0] if table else 0]) for table in segments]


def measure(rows: torch.Tensor, x: torch.Tensor, out: torch.Tensor) -> None:
    """Write ⟨row i, x_k⟩ to ``out[k, i]``.

    Parameters
    ----------
    rows : torch.Tensor, shape (m, n)
        As :func:`as_padded` returns them.
    x : torch.Tensor
        B rows from :func:`pack`.
    out : torch.Tensor, shape (B, m)
        Rows may have any distance in memory.

    Raises
    ------
    ValueError
        If sizes or types do not agree; the following functions raise it for the same reason.
    """
    length = rows.shape[1] * numbers_in(rows.dtype)
    stride = require_rows(rows, length, x.dtype)
    require("points", x, (len(x), padded(length) + PAD), x.dtype)
    require("measurements", out, (len(x), len(rows)), x.dtype)
    count, lanes = len(rows), lanes_for(len(rows) * length)
    share = -(-count // (lanes * LANE_ROWS)) * LANE_ROWS
    sums = partial_sums(len(x), lanes, x.dtype)

    def part(lane: int) -> None:
        first, last = min(lane * share, count), min((lane + 1) * share, count)
        if first < last:
            compiled(x.dtype, rows.dtype).measure(
                rows[first].data_ptr(), x.data_ptr(), out[:, first:].data_ptr(), sums[lane].data_ptr(),
                last - first, stride, padded(length), x.stride(0), len(x), out.stride(0),
            )  # fmt: skip

    together(lanes, part)


def partial_sums(runs: int, lanes: int, dtype: torch.dtype) -> torch.Tensor:
    """Return room for the vectors of a block's dot products."""
    return torch.empty(lanes, DOT_BLOCK * runs * PAD, dtype=dtype)


def adjoint(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σ_i w_ki row i, shape (B, n); see :func:`measure`. For rows of signs, n is a multiple of eight."""
    count, length = len(rows), rows.shape[1] * numbers_in(rows.dtype)
    dtype = weights.dtype if rows.dtype in SHORT else rows.dtype
    total = padded_rows(len(weights), length, dtype)
    stride = require_rows(rows, length, dtype)
    require("weights", weights, (len(total), count), dtype)
    compiled(dtype, rows.dtype).adjoint(
        rows.data_ptr(), weights.data_ptr(), total.data_ptr(),
        count, stride, padded(length), weights.stride(0), len(weights), total.stride(0),
    )  # fmt: skip
    return total


def pack(matrices: torch.Tensor, d: int) -> torch.Tensor:
    """Return svec of symmetric matrices (B, d, d) in rows for kernels, shape (B, padded(d(d+1)/2) + 16).

    Only the upper triangles are read. Behind each row there is room for one more vector.
    """
    runs = len(matrices)
    require("matrices", matrices, (runs, d, d), matrices.dtype, copied=True)
    squares, x = square_room(runs, d, matrices.dtype), room(runs, d, matrices.dtype)
    squares[:, :d, :d] = matrices
    stride, size = squares.stride(1), squares.stride(0)
    n = padded(symmetric_dimension(d))
    compiled(matrices.dtype).pack(squares.data_ptr(), x.data_ptr(), d, stride, size, n, x.stride(0), runs)
    return x


def square_room(runs: int, d: int, dtype: torch.dtype) -> torch.Tensor:
    """Return zeros for d × d matrices, with room behind each for one more vector."""
    return torch.zeros(runs, d + 1, padded(d), dtype=dtype)


def room(runs: int, d: int, dtype: torch.dtype) -> torch.Tensor:
    """Return zeros for packed d × d matrices, with room behind each for one more vector."""
    return torch.zeros(runs, padded(symmetric_dimension(d)) + PAD, dtype=dtype)


def unpack(total: torch.Tensor, divisors: torch.Tensor, d: int) -> torch.Tensor:
    """Return smat of packed rows over their divisors, shape (B, d, d); the rows are laid out as by :func:`pack`."""
    squares = square_room(len(total), d, total.dtype)
    compiled(total.dtype).unpack(
        total.data_ptr(), divisors.data_ptr(), squares.data_ptr(),
        d, total.stride(0), squares.stride(1), squares.stride(0), len(total),
    )  # fmt: skip
    return squares[:, :d, :d]


class Pass:
    """Passes of a batch over an ensemble: Σ_i (⟨row i, x_k⟩ − y_ki) row i for every run k.

    Parameters
    ----------
    rows : torch.Tensor
        As :func:`as_padded` returns them.
    tables : list of torch.Tensor
        From :func:`tables`.
    counts : torch.Tensor, shape (B,), int64
        How many measurements each run knows.
    labels : torch.Tensor, shape (B, m)
    d : int
    keep : bool
        Whether ``residuals`` is filled with ⟨row i, x_k⟩ − y_ki at each pass, shape (B, m), 0 where a run does not know
        y_ki.
    """

    def __init__(
        self,
        rows: torch.Tensor,
        tables: Sequence[torch.Tensor],
        counts: torch.Tensor,
        labels: torch.Tensor,
        d: int,
        keep: bool = False,
    ) -> None:
        if labels.shape[1] < counts[0]:
            raise ValueError(f"labels have shape {tuple(labels.shape)}, but runs know {counts[0]} measurements")
        self.labels, self._counts, self._length = labels.contiguous(), counts, symmetric_dimension(d)
        require("labels", self.labels, (len(counts), labels.shape[1]), labels.dtype)
        require("counts", counts, (len(labels),), torch.int64)
        self._stride = require_rows(rows, self._length, labels.dtype)
        self._rows, self._tables, self._lanes = rows, tables, len(tables)
        self._totals = torch.stack([room(len(labels), d, labels.dtype)] * self._lanes)
        self._sums = partial_sums(len(labels), self._lanes, labels.dtype)
        self._weights = torch.empty(self._lanes, len(labels) * MOST_BLOCK_ROWS, dtype=labels.dtype)
        self._n = padded(self._length)
        self.residuals = torch.zeros_like(self.labels) if keep else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums at packed matrices from :func:`pack`, laid out like them; the next call overwrites them."""
        require("points", x, self._totals.shape[1:], self.labels.dtype)
        # numpy fills the totals, because torch's threads would go on spinning on the cores that the lanes need.
        numbers = self._totals.numpy()
        numbers.fill(0)
        height = rows_at_once(len(self.labels), self._n, self.labels.element_size())
        height.call(partial(self._add, x), int(self._counts[0]))
        # A diverging run may overflow without a warning: the engine detects this and records it.
        with np.errstate(all="ignore"):
            for other in numbers[1:]:
                numbers[0] += other
        return self._totals[0]

    def _add(self, x: torch.Tensor, height: int) -> None:
        """Add up all rows, ``height`` of them at a time."""
        kernel, rows, labels, totals = compiled(x.dtype, self._rows.dtype), self._rows, self.labels, self._totals
        kept = None if self.residuals is None else self.residuals.data_ptr()

        def part(lane: int) -> None:
            table = self._tables[lane]
            kernel.residuals(
                rows.data_ptr(), x.data_ptr(), labels.data_ptr(), self._counts.data_ptr(), totals[lane].data_ptr(), table.data_ptr(),
                self._sums[lane].data_ptr(), self._weights[lane].data_ptr(), kept,
                len(table) // 3, height, self._stride, self._n, x.stride(0), labels.stride(0), totals.stride(1),
            )  # fmt: skip

        together(self._lanes, part)
