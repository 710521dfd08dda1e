"""The kernels themselves, and how they are compiled."""

import ctypes
import gc
import math
import threading
from contextlib import contextmanager
from typing import NamedTuple

import torch
from llvmlite import binding, ir

from algoreg.kernels.code import I64, Code

REALS = {torch.float32: ir.FloatType(), torch.float64: ir.DoubleType()}
# Columns of a block that are multiplied with every run before the next ones are: 2 to 4 KB of each row.
CHUNK = 512
# Measurements that are added to each other before they are added to a total: a sum of many keeps more of its digits that way.
UNIT = 8
# Measurements that are added up together, in a chunk of columns that stays in the second-level cache for all runs.
ADD_ROWS, ADD_CHUNK = 16, 2048
# Measurements that are multiplied before they are added up: few of them are still in the second-level cache by then. But all runs'
# points and totals are read once per block, and where those are more than the caches hold, more rows at a time cost less.
FEW_RUNS, LARGE_TOTALS = 8, 4_000_000
LEAST_BLOCK_ROWS, BLOCK_ROWS, MOST_BLOCK_ROWS = 8, 16, 64


class Tiles(NamedTuple):
    """How many rows, runs and vectors the innermost loops hold in registers; the numbers do not show in any result.

    Attributes
    ----------
    dot_rows, add_vectors : tuple of int
        Rows of a dot product's tile, and vectors of a sum's; each falling to 1.
    dot_runs, add_runs : tuple of tuple of int
        The size that is used for as long as it fits, and those for what remains.
    product_rows, product_vectors : tuple of int
        Rows and vectors of a tile of a d × d product; each falling to 1.
    """

    dot_rows: tuple
    dot_runs: tuple
    add_vectors: tuple
    add_runs: tuple
    product_rows: tuple
    product_vectors: tuple


# 32 registers of 64 bytes; and 16 of 32 bytes, where a vector takes two.
WIDE = Tiles((8, 1), ((2,), (3, 1)), (4, 1), ((4,), (3, 2, 1)), (6, 2, 1), (4, 3, 1))
NARROW = Tiles((2, 1), ((2,), (1,)), (2, 1), ((2,), (1,)), (2, 1), (2, 1))


def _dot_tile(module, real, rows, runs):
    """Add to ``sums[i][k]``, a vector, the products of row i's numbers with those of run k."""
    code = Code(module, f"dot_{rows}_{runs}", "rows x sums", "row_stride x_stride n sums_stride", real)
    given = code.given
    cells = [(i, k) for i in range(rows) for k in range(runs)]
    goal = {(i, k): code.at(given.sums, code.times(given.sums_stride, i), k, kind=code.vector) for i, k in cells}
    sums = {cell: code.slot(code.vector) for cell in cells}
    for cell in cells:
        code.store(code.read(goal[cell]), sums[cell])
    row = [code.at(given.rows, code.times(given.row_stride, i)) for i in range(rows)]
    run = [code.at(given.x, code.times(given.x_stride, k)) for k in range(runs)]
    with code.loop(0, given.n, code.lanes) as j:
        a, x = ([code.read(code.at(pointer, j)) for pointer in pointers] for pointers in (row, run))
        for i, k in cells:
            code.store(code.multiply_add(a[i], x[k], code.load(sums[i, k], typ=code.vector)), sums[i, k])
    for cell in cells:
        code.write(code.load(sums[cell], typ=code.vector), goal[cell])
    return code.finish()


def _add_tile(module, real, runs, vectors, fetching=False):
    """Add to ``total[k]``, for some columns, the rows times their weights for run k; ask for the same columns of later rows."""
    name = f"add_{runs}_{vectors}" + ("_fetching" if fetching else "")
    code = Code(module, name, "rows weights total later", "row_stride height weights_stride total_stride", real)
    given = code.given
    cells = [(k, q) for k in range(runs) for q in range(vectors)]
    goal = {(k, q): code.at(given.total, code.times(given.total_stride, k), q * code.lanes) for k, q in cells}
    sums = {cell: code.slot(code.vector) for cell in cells}
    weights = [code.at(given.weights, code.times(given.weights_stride, k)) for k in range(runs)]
    with code.loop(0, given.height, UNIT) as first:
        for cell in cells:
            code.store(code.zeros, sums[cell])
        with code.loop(first, code.least(code.plus(first, UNIT), given.height)) as i:
            offset = code.mul(i, given.row_stride)
            row = code.at(given.rows, offset)
            a = [code.read(code.at(row, q * code.lanes)) for q in range(vectors)]
            if fetching:
                for q in range(vectors):
                    code.fetch(code.at(given.later, offset, q * code.lanes))
            for k in range(runs):
                weight = code.spread(code.load(code.at(weights[k], i), typ=real))
                for q in range(vectors):
                    code.store(code.multiply_add(a[q], weight, code.load(sums[k, q], typ=code.vector)), sums[k, q])
        for cell in cells:
            code.write(code.fadd(code.read(goal[cell]), code.load(sums[cell], typ=code.vector)), goal[cell])
    return code.finish()


def _dots(module, real, tiles):
    """Write the products of ``height`` rows with every run to ``out[k][i]``."""
    code = Code(module, "dots", "rows x out sums", "row_stride height n x_stride runs out_stride", real)
    given = code.given
    with code.loop(0, code.mul(given.height, given.runs)) as cell:
        code.write(code.zeros, code.at(given.sums, cell, kind=code.vector))
    with code.loop(0, given.n, CHUNK) as j:
        width = code.least(CHUNK, code.sub(given.n, j))

        def rows(i, height):
            def runs(k, count):
                code.do(
                    f"dot_{height}_{count}",
                    code.at(given.rows, code.mul(i, given.row_stride), j),
                    code.at(given.x, code.mul(k, given.x_stride), j),
                    code.at(given.sums, code.mul(i, given.runs), k, kind=code.vector),
                    given.row_stride,
                    given.x_stride,
                    width,
                    given.runs,
                )

            code.tiles_of_runs(given.runs, tiles.dot_runs, runs)

        code.tiles(0, given.height, tiles.dot_rows, rows)
    with code.loop(0, given.height) as i, code.loop(0, given.runs) as k:
        vector = code.read(code.at(given.sums, code.mul(i, given.runs), k, kind=code.vector))
        code.store(code.total(vector), code.at(given.out, code.mul(k, given.out_stride), i))
    return code.finish()


def _add(module, real, tiles):
    """Add the weighted rows of a block to every run's total, in ``n`` columns; fetch ``later`` rows."""
    code = Code(module, "add", "rows weights total later", "row_stride height weights_stride runs n total_stride", real)
    given = code.given

    def columns(j, vectors):
        def runs(k, count, kind=""):
            code.do(
                f"add_{count}_{vectors}{kind}",
                code.at(given.rows, j),
                code.at(given.weights, code.mul(k, given.weights_stride)),
                code.at(given.total, code.mul(k, given.total_stride), j),
                code.at(given.later, j),
                given.row_stride,
                given.height,
                given.weights_stride,
                given.total_stride,
            )

        def runs_once_fetching(k, count):
            with code.if_else(code.icmp_signed("==", k, ir.Constant(I64, 0))) as (first, others):
                with first:
                    runs(k, count, "_fetching")
                with others:
                    runs(k, count)

        # The few columns that are left for narrow tiles are not asked for.
        code.tiles_of_runs(given.runs, tiles.add_runs, runs if vectors == 1 else runs_once_fetching)

    code.tiles(0, given.n, tiles.add_vectors, columns, code.lanes)
    return code.finish()


def _measure(module, real):
    """Write ⟨row i, x_k⟩ to ``out[k][i]`` for all rows."""
    code = Code(module, "measure", "rows x out sums", "count row_stride n x_stride runs out_stride", real, inner=False)
    given = code.given
    with code.loop(0, given.count, BLOCK_ROWS) as i:
        height = code.least(BLOCK_ROWS, code.sub(given.count, i))
        rows = code.at(given.rows, code.mul(i, given.row_stride))
        code.do(
            "dots", rows, given.x, code.at(given.out, i), given.sums,
            given.row_stride, height, given.n, given.x_stride, given.runs, given.out_stride,
        )  # fmt: skip
    return code.finish()


def _adjoint(module, real):
    """Add Σ_i w_ki row i to ``total[k]``."""
    code = Code(
        module,
        "adjoint",
        "rows weights total",
        "count row_stride n weights_stride runs total_stride",
        real,
        inner=False,
    )
    given = code.given
    with code.loop(0, given.count, BLOCK_ROWS) as i:
        height = code.least(BLOCK_ROWS, code.sub(given.count, i))
        rows, later = (code.at(given.rows, code.mul(row, given.row_stride)) for row in (i, code.plus(i, BLOCK_ROWS)))
        code.do(
            "add", rows, code.at(given.weights, i), given.total, later,
            given.row_stride, height, given.weights_stride, given.runs, given.n, given.total_stride,
        )  # fmt: skip
    return code.finish()


def _residuals(module, real):
    """Add Σ_i (⟨row i, x_k⟩ − y_ki) row i to ``total[k]`` over the segments (start, stop, runs that know some of it)."""
    code = Code(
        module,
        "residuals",
        "rows x labels counts total segments sums weights",
        "segment_count block_rows row_stride n x_stride labels_stride total_stride",
        real,
        inner=False,
    )
    given = code.given
    with code.loop(0, given.segment_count) as segment:
        place = code.times(segment, 3)
        start, stop, runs, next_start = (
            code.load(code.at(given.segments, place, q, kind=I64), typ=I64) for q in range(4)
        )
        with code.loop(start, stop, given.block_rows) as i:
            height = code.least(given.block_rows, code.sub(stop, i))
            # Past the segment's end those rows are asked for with which the next one begins.
            following = code.add(i, given.block_rows)
            later = code.select(code.icmp_signed("<", following, stop), following, next_start)
            rows, later = (code.at(given.rows, code.mul(row, given.row_stride)) for row in (i, later))
            code.do(
                "dots", rows, given.x, given.weights, given.sums,
                given.row_stride, height, given.n, given.x_stride, runs, given.block_rows,
            )  # fmt: skip
            with code.loop(0, runs) as k:
                count = code.load(code.at(given.counts, k, kind=I64), typ=I64)
                with code.loop(0, height) as row:
                    place = code.at(given.weights, code.mul(k, given.block_rows), row)
                    label = code.load(code.at(given.labels, code.mul(k, given.labels_stride), i, row), typ=real)
                    residual = code.fsub(code.load(place, typ=real), label)
                    # What a run does not know has no weight; so it has the sums of the ensemble that ends there.
                    known = code.icmp_signed("<", code.add(i, row), count)
                    code.store(code.select(known, residual, ir.Constant(real, 0.0)), place)
            with code.loop(0, given.n, ADD_CHUNK) as j, code.loop(0, height, ADD_ROWS) as row:
                offset = code.plus(code.mul(row, given.row_stride), j)
                code.do(
                    "add", code.at(rows, offset), code.at(given.weights, row), code.at(given.total, j), code.at(later, offset),
                    given.row_stride, code.least(ADD_ROWS, code.sub(height, row)), given.block_rows, runs,
                    code.least(ADD_CHUNK, code.sub(given.n, j)), given.total_stride,
                )  # fmt: skip
    return code.finish()


def block_rows(runs, n, itemsize):
    """Return how many rows of n numbers a pass multiplies before it adds them up; the number does not show in any result."""
    if runs * n * itemsize > LARGE_TOTALS and runs > FEW_RUNS:
        return MOST_BLOCK_ROWS
    return LEAST_BLOCK_ROWS if runs <= FEW_RUNS else BLOCK_ROWS


def _clear(code, pointer, length):
    """Write zeros to a whole number of vectors."""
    with code.loop(0, length, code.lanes) as j:
        code.write(code.zeros, code.at(pointer, j))


def _packed_start(code, i, d):
    """Return where row i of the upper triangle begins: i(2d − i + 1)/2."""
    return code.whole(code.mul(i, code.plus(code.sub(code.times(d, 2), i), 1)), 2)


def _pack(module, real):
    """Write svec of square arrays, by whole vectors: the next row corrects what one writes too many."""
    code = Code(module, "pack", "squares x", "d square_stride square_size n x_stride runs", real, inner=False)
    given = code.given
    scale = code.spread(ir.Constant(real, math.sqrt(2.0)))
    length = _packed_start(code, given.d, given.d)
    with code.loop(0, given.runs) as k:
        square = code.at(given.squares, code.mul(k, given.square_size))
        x = code.at(given.x, code.mul(k, given.x_stride))
        with code.loop(0, given.d) as i:
            row = code.at(square, code.mul(i, given.square_stride), i)
            goal = code.at(x, _packed_start(code, i, given.d))
            with code.loop(0, code.sub(given.d, i), code.lanes) as j:
                code.write(code.fmul(code.read(code.at(row, j)), scale), code.at(goal, j))
            code.store(code.load(row, typ=real), goal)
        with code.loop(length, given.n) as j:
            code.store(ir.Constant(real, 0.0), code.at(x, j))
    return code.finish()


def _unpack(module, real):
    """Write smat of packed arrays, each divided by its divisor: upper triangles by whole vectors, then their mirror images."""
    code = Code(module, "unpack", "x divisors squares", "d x_stride square_stride square_size runs", real, inner=False)
    given = code.given
    scale = code.spread(ir.Constant(real, 1 / math.sqrt(2.0)))
    with code.loop(0, given.runs) as k:
        x = code.at(given.x, code.mul(k, given.x_stride))
        square = code.at(given.squares, code.mul(k, given.square_size))
        divisor = code.load(code.at(given.divisors, k), typ=real)
        divisors = code.spread(divisor)
        with code.loop(0, given.d) as i:
            source = code.at(x, _packed_start(code, i, given.d))
            row = code.at(square, code.mul(i, given.square_stride), i)
            with code.loop(0, code.sub(given.d, i), code.lanes) as j:
                mean = code.fdiv(code.read(code.at(source, j)), divisors)
                code.write(code.fmul(mean, scale), code.at(row, j))
            code.store(code.fdiv(code.load(source, typ=real), divisor), row)
        with code.loop(0, given.d) as i, code.loop(code.plus(i, 1), given.d) as j:
            entry = code.load(code.at(square, code.mul(i, given.square_stride), j), typ=real)
            code.store(entry, code.at(square, code.mul(j, given.square_stride), i))
    return code.finish()


def _product_tile(module, real, rows, vectors):
    """Write products of some rows of a matrix with some columns of another, each added up in order; ask for later rows meanwhile."""
    code = Code(
        module,
        f"product_{rows}_{vectors}",
        "left right goal later",
        "inner left_stride right_stride goal_stride",
        real,
    )
    given = code.given
    cells = [(i, q) for i in range(rows) for q in range(vectors)]
    sums = {cell: code.slot(code.vector) for cell in cells}
    for cell in cells:
        code.store(code.zeros, sums[cell])
    left = [code.at(given.left, code.times(given.left_stride, i)) for i in range(rows)]
    with code.loop(0, given.inner) as k:
        code.fetch(code.at(given.later, code.times(k, code.lanes)))
        row = code.at(given.right, code.mul(k, given.right_stride))
        right = [code.read(code.at(row, q * code.lanes)) for q in range(vectors)]
        for i in range(rows):
            entry = code.spread(code.load(code.at(left[i], k), typ=real))
            for q in range(vectors):
                code.store(code.multiply_add(entry, right[q], code.load(sums[i, q], typ=code.vector)), sums[i, q])
    for i, q in cells:
        value = code.load(sums[i, q], typ=code.vector)
        code.write(value, code.at(given.goal, code.times(given.goal_stride, i), q * code.lanes))
    return code.finish()


def _product(module, real, tiles):
    """Write the product of two matrices by whole vectors, or (``upper``) those of its tiles that reach its upper triangle.

    Columns of the right one stay in the first-level cache for all rows of the left one. Meanwhile as many ``later``
    numbers are asked for as the left one has.
    """
    code = Code(
        module,
        "product",
        "left right goal later",
        "rows inner columns left_stride right_stride goal_stride upper",
        real,
    )
    given = code.given
    columns = code.times(code.whole(code.plus(given.columns, code.lanes - 1), code.lanes), code.lanes)

    def panel(j, vectors):
        end = code.select(
            code.icmp_signed("!=", given.upper, ir.Constant(I64, 0)),
            code.least(given.rows, code.plus(j, vectors * code.lanes)),
            given.rows,
        )
        fetched = code.select(code.icmp_signed("==", j, ir.Constant(I64, 0)), given.later, given.left)

        def tile(i, height):
            offset = code.mul(i, given.left_stride)
            code.do(
                f"product_{height}_{vectors}",
                code.at(given.left, offset), code.at(given.right, j), code.at(given.goal, code.mul(i, given.goal_stride), j),
                code.at(fetched, offset), given.inner, given.left_stride, given.right_stride, given.goal_stride,
            )  # fmt: skip

        code.tiles(0, end, tiles.product_rows, tile)

    code.tiles(0, columns, tiles.product_vectors, panel, code.lanes)
    return code.finish()


def _outer(module, real):
    """Write svec(UUᵀ) of every run; UUᵀ is a sum over columns, of its upper triangle's tiles only."""
    code = Code(
        module,
        "outer",
        "factors x transposed square",
        "d columns factor_stride square_stride n x_stride runs",
        real,
        inner=False,
    )
    given = code.given
    with code.loop(0, given.runs) as k:
        factor = code.at(given.factors, code.mul(k, code.mul(given.d, given.factor_stride)))
        with code.loop(0, given.columns) as column, code.loop(0, given.d) as i:
            entry = code.load(code.at(factor, code.mul(i, given.factor_stride), column), typ=real)
            code.store(entry, code.at(given.transposed, code.mul(column, given.square_stride), i))
        code.do(
            "product", factor, given.transposed, given.square, factor,
            given.d, given.columns, given.d, given.factor_stride, given.square_stride, given.square_stride, 1,
        )  # fmt: skip
        x = code.at(given.x, code.mul(k, given.x_stride))
        code.do("pack", given.square, x, given.d, given.square_stride, 0, given.n, given.x_stride, 1)
    return code.finish()


def _step(module, real):
    """Subtract ηMU from U for every run, where svec(M) is its total over its divisor."""
    code = Code(
        module,
        "step",
        "total divisors steps factors square change",
        "d columns factor_stride square_stride total_stride runs",
        real,
        inner=False,
    )
    given = code.given
    size = code.mul(given.d, given.factor_stride)
    with code.loop(0, given.runs) as k:
        factor = code.at(given.factors, code.mul(k, size))
        total, divisor = code.at(given.total, code.mul(k, given.total_stride)), code.at(given.divisors, k)
        code.do("unpack", total, divisor, given.square, given.d, given.total_stride, given.square_stride, 0, 1)
        code.do(
            "product", given.square, factor, given.change, given.square,
            given.d, given.d, given.columns, given.square_stride, given.factor_stride, given.factor_stride, 0,
        )  # fmt: skip
        _subtract(code, factor, code.load(code.at(given.steps, k), typ=real), given.change, size)
    return code.finish()


def _subtract(code, goal, factor, numbers, length):
    """Build the subtraction of ``factor`` times a whole number of vectors."""
    factor = code.spread(code.fneg(factor))
    with code.loop(0, length, code.lanes) as j:
        place = code.at(goal, j)
        code.write(code.multiply_add(factor, code.read(code.at(numbers, j)), code.read(place)), place)


def _inner(module, real):
    """Write the inner product of two times ``length`` numbers, which are whole vectors: four sums of vectors, then of their lanes."""
    code = Code(module, "inner", "a b out", "length", real)
    given = code.given
    sums = [code.slot(code.vector) for _ in range(4)]
    for one in sums:
        code.store(code.zeros, one)

    def add(j, count):
        for q in range(count):
            a, b = (code.read(code.at(pointer, j, q * code.lanes)) for pointer in (given.a, given.b))
            code.store(code.multiply_add(a, b, code.load(sums[q], typ=code.vector)), sums[q])

    code.tiles(0, given.length, (4, 1), add, code.lanes)
    first, second, third, fourth = (code.load(one, typ=code.vector) for one in sums)
    code.store(code.total(code.fadd(code.fadd(first, second), code.fadd(third, fourth))), given.out)
    return code.finish()


def _single_samples(module, real):
    """Take a step of every run on one measurement after the other: U ← U − η(⟨A, UUᵀ⟩ − y)AU, in the order given.

    The matrix that comes next is asked for meanwhile: ``order`` names one more than are used.
    """
    code = Code(
        module,
        "single_samples",
        "matrices order labels steps factors change",
        "count d columns factor_stride labels_stride runs",
        real,
        inner=False,
    )
    given = code.given
    size, factor_size = code.mul(given.d, given.d), code.mul(given.d, given.factor_stride)
    result = code.slot(real)
    with code.loop(0, given.count) as number:
        i, later = (code.load(code.at(given.order, number, q, kind=I64), typ=I64) for q in range(2))
        matrix, later = (code.at(given.matrices, code.mul(which, size)) for which in (i, later))
        with code.loop(0, given.runs) as k:
            factor = code.at(given.factors, code.mul(k, factor_size))
            code.do(
                "product", matrix, factor, given.change, later,
                given.d, given.d, given.columns, given.d, given.factor_stride, given.factor_stride, 0,
            )  # fmt: skip
            code.do("inner", given.change, factor, result, factor_size)
            label = code.load(code.at(given.labels, code.mul(k, given.labels_stride), i), typ=real)
            residual = code.fsub(code.load(result, typ=real), label)
            step = code.load(code.at(given.steps, k), typ=real)
            _subtract(code, factor, code.fmul(step, residual), given.change, factor_size)
    return code.finish()


def _descend(module, real, gram):
    """Take ``step_count`` steps of every run, on an ensemble's rows or on its Gram matrix."""
    code = Code(
        module,
        "descend_gram" if gram else "descend",
        "rows labels counts segments divisors steps factors x total sums weights transposed square change",
        "step_count segment_count block_rows row_stride n labels_stride d columns factor_stride square_stride x_stride runs",
        real,
        inner=False,
    )
    given = code.given
    with code.loop(0, given.step_count):
        code.do(
            "outer", given.factors, given.x, given.transposed, given.square,
            given.d, given.columns, given.factor_stride, given.square_stride, given.n, given.x_stride, given.runs,
        )  # fmt: skip
        if gram:
            length = _packed_start(code, given.d, given.d)
            code.do(
                "measure", given.rows, given.x, given.total, given.sums,
                length, given.row_stride, given.n, given.x_stride, given.runs, given.x_stride,
            )  # fmt: skip
            with code.loop(0, given.runs) as k, code.loop(0, length) as j:
                place = code.at(given.total, code.mul(k, given.x_stride), j)
                label = code.load(code.at(given.labels, code.mul(k, given.labels_stride), j), typ=real)
                code.store(code.fsub(code.load(place, typ=real), label), place)
        else:
            _clear(code, given.total, code.mul(given.runs, given.x_stride))
            code.do(
                "residuals", given.rows, given.x, given.labels, given.counts, given.total, given.segments, given.sums, given.weights,
                given.segment_count, given.block_rows, given.row_stride, given.n, given.x_stride, given.labels_stride,
                given.x_stride,
            )  # fmt: skip
        code.do(
            "step", given.total, given.divisors, given.steps, given.factors, given.square, given.change,
            given.d, given.columns, given.factor_stride, given.square_stride, given.x_stride, given.runs,
        )  # fmt: skip
    return code.finish()


def module_text(dtype, tiles):
    """Return the kernels of a floating-point type in LLVM's intermediate language."""
    module, real = ir.Module("algoreg"), REALS[dtype]
    for rows in tiles.dot_rows:
        for runs in sorted({*tiles.dot_runs[0], *tiles.dot_runs[1]}):
            _dot_tile(module, real, rows, runs)
    for runs in sorted({*tiles.add_runs[0], *tiles.add_runs[1]}):
        for vectors in tiles.add_vectors:
            _add_tile(module, real, runs, vectors)
        _add_tile(module, real, runs, tiles.add_vectors[0], fetching=True)
    for rows in tiles.product_rows:
        for vectors in tiles.product_vectors:
            _product_tile(module, real, rows, vectors)
    for build in (_dots, _add, _product):
        build(module, real, tiles)
    for build in (_measure, _adjoint, _residuals, _pack, _unpack, _outer, _step, _inner, _single_samples):
        build(module, real)
    for gram in (False, True):
        _descend(module, real, gram)
    return str(module)


def _optimise(module, machine):
    """Bring variables into registers and simplify; the heavy passes find nothing more here."""
    passes = binding.create_new_function_pass_manager()
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=0))
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)


@contextmanager
def _no_collection():
    """Put off the search for unreachable objects: among torch's hundred thousand it takes half of the time that compiling does."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Compiled:
    """A compiled module; each of its external functions is an attribute that takes addresses, then whole numbers.

    Parameters
    ----------
    text : str
        LLVM's intermediate language.
    cpu, features : str, optional
        Another processor's name and features than this one's, in LLVM's words.
    """

    def __init__(self, text, cpu=None, features=None):
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        cpu = cpu or binding.get_host_cpu_name()
        features = host_features() if features is None else features
        machine = binding.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2)
        with _no_collection():
            module = binding.parse_assembly(text)
        module.verify()
        _optimise(module, machine)
        # The engine owns the code: it has to live as long as the functions do.
        self._engine = binding.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        for function in module.functions:
            if function.linkage == binding.Linkage.external and not function.is_declaration:
                kinds = [ctypes.c_void_p if str(kind.type) == "ptr" else ctypes.c_int64 for kind in function.arguments]
                address = self._engine.get_function_address(function.name)
                setattr(self, function.name, ctypes.CFUNCTYPE(None, *kinds)(address))


def host_features():
    """Return what this processor can do, in LLVM's words."""
    return binding.get_host_cpu_features().flatten()


def tiles_for(features=None):
    """Return the :class:`Tiles` of a processor by what it can do, or of this one."""
    features = host_features() if features is None else features
    return WIDE if "+avx512f" in features.split(",") else NARROW


class Kernels(Compiled):
    """The compiled kernels of a floating-point type, for this processor or (tests compare the bits) another.

    Parameters
    ----------
    dtype : torch.dtype
        ``float32`` or ``float64``.
    """

    def __init__(self, dtype, cpu=None, features=None):
        super().__init__(module_text(dtype, tiles_for(features)), cpu, features)


_compiled, _compiling = {}, threading.Lock()


def compiled(dtype):
    """Return the :class:`Kernels` of a type for this machine.

    Raises
    ------
    ValueError
        If the type is neither float32 nor float64.
    """
    if dtype not in REALS:
        raise ValueError(f"no kernels for {dtype}; allowed are {', '.join(map(str, REALS))}")
    # LLVM compiles for one thread at a time.
    with _compiling:
        if dtype not in _compiled:
            _compiled[dtype] = Kernels(dtype)
        return _compiled[dtype]
