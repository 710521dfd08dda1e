"""Ensembles of short types: their numbers by definition, measurements against dense loops, the bits of wide rows."""

import functools
import platform
import struct

import numpy as np
import plain
import pytest
import torch
from test_kernels import DTYPES, close

from algoreg.engine.kernels import library, passes, whole_steps
from algoreg.ensembles import gaussian, gaussian_bfloat16, gram, signs
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension

SEED = 3
SHORT = {"gaussian_bfloat16": gaussian_bfloat16, "signs": signs}


def nearest_bfloat16(number):
    """Return the nearest number of which a float32 has zeros in its lower half; of two, the one that is even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", number))
    below, rest = bits >> 16, bits & 0xFFFF
    up = rest > 0x8000 or (rest == 0x8000 and below % 2 == 1)
    return struct.unpack("<f", struct.pack("<I", (below + up) << 16))[0]


def packed_by_definition(kind, d, m, number):
    """Return the packed matrices number by number."""
    length = symmetric_dimension(d)
    generator = stream("ensemble", kind="signs" if kind == "signs" else "gaussian", d=d, seed=SEED, ensemble=number)
    if kind == "gaussian_bfloat16":
        return np.array([[nearest_bfloat16(x) for x in row] for row in generator.standard_normal((m, length))])
    width = -(-length // 8)
    drawn = generator.bytes(m * width)
    return np.array(
        [[1 - 2 * (drawn[i * width + j // 8] >> j % 8 & 1) for j in range(length)] for i in range(m)], float
    )


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 3, 9])
@pytest.mark.parametrize("compiled", [True, False])
def test_measurements_are_those_of_the_matrices_by_definition(kind, dtype, d, compiled, monkeypatch):
    """By the compiled loops, and by torch's own operations."""
    if not compiled:
        monkeypatch.setattr(library, "serve", lambda device: False)
    m = 21
    ensemble = SHORT[kind].Ensemble.draw(d, m, SEED, 4, dtype=dtype)
    rows = packed_by_definition(kind, d, m, 4)
    matrices, generator = plain.unpack(rows, d), np.random.default_rng(d)
    np.testing.assert_array_equal(ensemble.packed().double().numpy(), rows)
    close(ensemble.unpacked(), torch.from_numpy(matrices), dtype)
    x, y = generator.standard_normal((2, d, d)), generator.standard_normal((2, m))
    x = x + x.transpose(0, 2, 1)
    taken, labels = torch.from_numpy(x).to(dtype), torch.from_numpy(y).to(dtype)
    close(ensemble.measure(taken), torch.from_numpy(np.stack([plain.measure(matrices, one) for one in x])), dtype)
    close(ensemble.adjoint(labels), torch.from_numpy(np.tensordot(y, matrices, 1)), dtype)
    slopes = [plain.gradient(matrices, *one) for one in zip(x, y, strict=True)]
    close(ensemble.gradient(taken, labels), torch.from_numpy(np.stack(slopes)), dtype)


# This machine's vectors, and the narrowest that multiply and add in one rounding.
PROCESSORS = [None, *(["haswell"] if platform.machine() in ("x86_64", "AMD64") else [])]


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("cpu", PROCESSORS)
def test_short_rows_have_the_bits_of_wide_ones(kind, dtype, lanes, cpu, monkeypatch):
    """Of steps, gradients, measurements and adjoints, of runs that know prefixes."""
    monkeypatch.setattr(passes, "LEAST_FOR_THREADS", 1)
    kernels = functools.cache(functools.partial(library.Kernels, cpu=cpu))
    for module in (passes, whole_steps):
        monkeypatch.setattr(module, "compiled", kernels)
    before = torch.get_num_threads()
    torch.set_num_threads(lanes)
    # More columns than the loops take at a time, and numbers on all sides of their tiles.
    d, m, runs, counts = 70, 150, 5, [150, 149, 128, 66, 9]
    short = SHORT[kind].Ensemble.draw(d, m, SEED, 0, dtype=dtype)
    wide = gaussian.Ensemble(short.packed(), d)
    assert short.dtype == wide.dtype == dtype
    generator = np.random.default_rng(5)
    x, y, u = (torch.from_numpy(generator.standard_normal(n)).to(dtype) for n in ((5, d, d), (5, m), (5, d, 4)))
    steps = torch.full((runs,), 0.01, dtype=dtype)

    def results(ensemble):
        known = ensemble.shared_by(counts)
        moved = known.descend(u / d, steps, y, 3), known.gradient(x + x.mT, y)
        return [*moved, ensemble.measure(x + x.mT), ensemble.adjoint(y)]

    expected, found = results(wide), results(short)
    torch.set_num_threads(before)
    assert all(map(torch.equal, found, expected))
    assert expected[0].isfinite().all()


@pytest.mark.parametrize(("kind", "less"), [("gaussian_bfloat16", 2), ("signs", 32)])
def test_rows_take_so_much_less_memory_than_float32(kind, less):
    wide = gaussian.Ensemble.draw(80, 30, SEED, 0, dtype=torch.float32).rows.untyped_storage().nbytes()
    short = SHORT[kind].Ensemble.draw(80, 30, SEED, 0).rows.untyped_storage().nbytes()
    # What pads a row is at most 128 bits.
    assert wide / less <= short <= wide / less + 30 * 16 + passes.VECTOR_BYTES
    assert SHORT[kind].Limits.stored(80, 30) * 8 == pytest.approx(30 * 3240 * 4 / less, rel=0.01)


def test_signs_see_every_symmetric_matrix_alike():
    """E⟨A, X⟩A = X: the Gram matrix of many is the identity, to the noise of a mean."""
    small = gram.Ensemble.of(signs.Ensemble.draw(3, 40_000, SEED, 0))
    assert (small.gram - torch.eye(6)).abs().max() < 5 / np.sqrt(40_000)
    assert (signs.sign_bits(3, 50, SEED, 1)[:, -1] < 64).all()


def test_kernels_refuse_short_rows_of_another_length():
    rows = signs.Ensemble.draw(9, 20, SEED, 0).rows
    with pytest.raises(ValueError, match="points"):
        passes.measure(rows, passes.pack(torch.ones(1, 4, 4), 4), torch.empty(1, 20))
    with pytest.raises(ValueError, match="6 columns"):
        signs.Ensemble(rows[:, :5], 9)
