"""The compiled loops against plain sums, and what their bits do not depend on."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plain
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algoreg.engine.kernels import build, library, passes, whole_steps
from algoreg.ensembles import base, gaussian, gram
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension

DTYPES = {torch.float32: 2e-5, torch.float64: 1e-12}
dtypes = st.sampled_from(list(DTYPES))


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def always_shared(monkeypatch):
    """Let several threads share passes of any size."""
    monkeypatch.setattr(passes, "LEAST_FOR_THREADS", 1)


def draw(seed, d, m, runs, columns=None, dtype=torch.float64):
    generator = np.random.default_rng(seed)
    rows, x, y, u = (
        torch.from_numpy(generator.standard_normal(shape)).to(dtype)
        for shape in ((m, symmetric_dimension(d)), (runs, d, d), (runs, m), (runs, d, columns or d))
    )
    return gaussian.Ensemble(rows, d), x + x.mT, y, u / d


def plain_steps(rows, d, factors, steps, labels, counts, count):
    """Descend one run after the other, in float64 and on whole matrices."""
    matrices = plain.unpack(rows.double().numpy(), d)
    runs = zip(factors.double().numpy(), steps.tolist(), labels.double().numpy(), counts, strict=True)
    ends = [plain.factored(u, matrices[:m], y[:m], step, count) for u, step, y, m in runs]
    return torch.from_numpy(np.stack(ends))


def close(found, expected, dtype, size=1.0):
    """Compare with the largest entry, or with the size that summands have: sums may cancel."""
    scale = max(expected.abs().max().item(), size)
    assert (found.double() - expected.double()).abs().max().item() <= DTYPES[dtype] * scale


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 999), st.integers(1, 40), st.integers(1, 150), st.integers(1, 14), st.integers(1, 45), dtypes,
    st.sampled_from([1, 2, 3]), st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_loop_against_plain_sums(always_shared, seed, d, m, runs, columns, dtype, lanes, random):
    """Sizes on all sides of the tiles', runs that know prefixes, factors that are not square, up to three threads."""
    torch.set_num_threads(lanes)
    ensemble, x, y, u = draw(seed, d, m, runs, columns, dtype)
    rows = ensemble.rows.double()
    measured = svec(x.double()) @ rows.T
    close(ensemble.measure(x), measured, dtype)
    close(ensemble.adjoint(y), smat(y.double() @ rows, d), dtype)
    counts = sorted((random.randint(1, m) for _ in range(runs)), reverse=True)
    known = ensemble.shared_by(counts)
    residual = measured - y.double()
    for k, count in enumerate(counts):
        residual[k, count:] = 0
    expected = smat(residual @ rows / torch.tensor(counts)[:, None], d)
    passed = passes.Pass(known.rows, passes.tables(tuple(counts), lanes), torch.tensor(counts), y, d)
    close(passes.unpack(passed(passes.pack(x, d)), torch.tensor(counts).to(dtype), d), expected, dtype)
    steps = torch.linspace(0.01, 0.1, runs, dtype=dtype)
    close(known.descend(u.clone(), steps, y, 3), plain_steps(rows, d, u, steps, y, counts, 3), dtype, 1 / d)
    small, labels = gram.Ensemble.of(ensemble), gram.label_rows(ensemble, y)
    close(small.descend(u.clone(), steps, labels, 3), plain_steps(rows, d, u, steps, y, [m] * runs, 3), dtype, 1 / d)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_run_has_the_same_bits_alone_and_in_any_batch(dtype, lanes, always_shared):
    torch.set_num_threads(lanes)
    ensemble, x, y, u = draw(1, 50, 450, 47, dtype=dtype)
    steps = torch.linspace(0.02, 0.2, 47, dtype=dtype)
    together, gradients = ensemble.descend(u.clone(), steps, y, 5), ensemble.gradient(x, y)
    measured = ensemble.measure(x)
    for members in ([0], [46], [3, 1], list(range(5)), list(range(10, 33))):
        alone = ensemble.descend(u[members].clone(), steps[members], y[members], 5)
        assert torch.equal(alone, together[members])
        assert torch.equal(ensemble.gradient(x[members], y[members]), gradients[members])
        assert torch.equal(ensemble.measure(x[members]), measured[members])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_run_that_knows_a_prefix_has_the_bits_of_the_shorter_ensemble(dtype, lanes, always_shared):
    torch.set_num_threads(lanes)
    ensemble, _, y, u = draw(2, 50, 1000, 5, dtype=dtype)
    steps, counts = torch.full((5,), 0.1, dtype=dtype), [1000, 777, 500, 401, 3]
    together = ensemble.shared_by(counts).descend(u.clone(), steps, y, 5)
    for k, m in enumerate(counts):
        alone = gaussian.Ensemble(ensemble.rows[:m], 50).descend(u[k : k + 1].clone(), steps[:1], y[k : k + 1, :m], 5)
        assert torch.equal(alone[0], together[k])


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_and_chunks_do_not_change_a_bit(dtype, monkeypatch):
    # Longer rows than a chunk of columns, and runs that end in the middle of every block.
    ensemble, x, y, u = draw(7, 70, 150, 13, dtype=dtype)
    ensemble = ensemble.shared_by([150, 150, 149, 130, 129, 128, 127, 100, 66, 65, 64, 9, 1])
    steps = torch.full((13,), 0.01, dtype=dtype)
    ends = [(ensemble.descend(u.clone(), steps, y, 3), ensemble.gradient(x, y))]
    # More columns than the source's ADD_CHUNK.
    assert symmetric_dimension(70) > 2048
    for height in (8, 16, 64, 256):
        fixed = SimpleNamespace(trials=(), call=lambda work, count=1, height=height: work(height))
        for module in (passes, whole_steps):
            monkeypatch.setattr(module, "rows_at_once", lambda *sizes, fixed=fixed: fixed)
        ends.append((ensemble.descend(u.clone(), steps, y, 3), ensemble.gradient(x, y)))
    for chunks in ({"CHUNK": 64}, {"ADD_CHUNK": 64, "ADD_ROWS": 8}):
        kernels = library.Kernels(dtype, **chunks)
        monkeypatch.setattr(passes, "compiled", lambda *_, kernels=kernels: kernels)
        ends.append((ensemble.descend(u.clone(), steps, y, 3), ensemble.gradient(x, y)))
    for end in ends[1:]:
        assert all(torch.equal(a, b) for a, b in zip(end, ends[0], strict=True))
    close(ends[0][0], plain_steps(ensemble.rows.double(), 70, u, steps, y, ensemble.counts, 3), dtype, 1 / 70)


def test_the_faster_number_of_rows_stays_and_costs_no_step(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(passes, "perf_counter", lambda: clock[0])
    used = []

    def work(rows):
        used.append(rows)
        # One slow moment of the machine does not decide.
        clock[0] += {16: 3.0, 256: 2.0}[rows] + (9.0 if len(used) == 1 else 0.0)

    timed = passes.RowsAtOnce(45, 5056, 4)
    for _ in range(10):
        timed.call(work)
    assert sorted(used[:6]) == [16] * 3 + [256] * 3
    assert used[6:] == [256] * 4
    for runs, n, rows in ((8, 10**6, 8), (9, 64, 16)):
        passes.RowsAtOnce(runs, n, 4).call(used.append)
        assert used[-1] == rows

    monkeypatch.setattr(passes, "SMALL_TOTALS", 0)
    ensemble, _, y, u = draw(7, 20, 90, 13)
    steps = torch.full((13,), 0.01, dtype=torch.float64)
    passes.rows_at_once.cache_clear()
    for count in (2, 9):
        ends = ensemble.descend(u.clone(), steps, y, count)
        close(ends, plain_steps(ensemble.rows.double(), 20, u, steps, y, [90] * 13, count), torch.float64, 1 / 20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gram_matrix_has_the_same_bits_on_any_number_of_threads(dtype, always_shared):
    ensemble, _, y, u = draw(8, 12, 200, 3, dtype=dtype)
    small, labels = gram.Ensemble.of(ensemble), gram.label_rows(ensemble, y)
    ends, steps = [], torch.full((3,), 0.1, dtype=dtype)
    for lanes in (1, 2, 3):
        torch.set_num_threads(lanes)
        ends.append(small.descend(u.clone(), steps, labels, 5))
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


def test_steps_one_by_one_and_without_coming_back_have_the_same_bits():
    ensemble, _, y, u = draw(3, 20, 90, 6)
    steps = torch.full((6,), 0.1, dtype=torch.float64)
    one_by_one = u.clone()
    for _ in range(7):
        one_by_one = ensemble.descend(one_by_one, steps, y, 1)
    assert torch.equal(one_by_one, ensemble.descend(u.clone(), steps, y, 7))
    torch.testing.assert_close(one_by_one, base.Ensemble.descend(ensemble, u.clone(), steps, y, 7))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["whole", "prefixes", "gram"])
def test_accelerated_steps_without_coming_back_have_the_bits_of_single_steps(kind, dtype, always_shared):
    """Also with threads, where factors have columns of padding, with no momentum, and of a run that diverges."""
    ensemble, _, y, u = draw(9, 12, 90, 3, 5, dtype=dtype)
    ensemble = ensemble.shared_by([90, 60, 33]) if kind == "prefixes" else ensemble
    ensemble, labels = (gram.Ensemble.of(ensemble), gram.label_rows(ensemble, y)) if kind == "gram" else (ensemble, y)
    steps, momentum = torch.tensor([0.05, 0.1, 9.0], dtype=dtype), torch.tensor([0.0, 0.75, 0.9], dtype=dtype)
    for lanes in (1, 2):
        torch.set_num_threads(lanes)
        found = ensemble.accelerate(u.clone(), u.clone(), steps, momentum, labels, 40)
        single = base.Ensemble.accelerate(ensemble, u.clone(), u.clone(), steps, momentum, labels, 40)
        for these, those in zip(found, single, strict=True):
            assert torch.equal(these.isfinite(), those.isfinite())
            assert torch.equal(these.nan_to_num(), those.nan_to_num())
        assert not found[0][2].isfinite().all()
        assert (found[1][1] - found[0][1]).abs().max() > 0


def samples(seed, d, m, runs, count, columns=None, dtype=torch.float64):
    """Return what single-sample steps take."""
    ensemble, _, y, u = draw(seed, d, m, runs, columns, dtype)
    order = torch.from_numpy(np.random.default_rng(seed).integers(m, size=count))
    return ensemble.unpacked(), order, u, y, torch.linspace(0.001, 0.02, runs, dtype=dtype) / d


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 12),
    dtypes,
)
def test_single_samples_against_plain_steps(d, columns, m, runs, count, dtype):
    matrices, order, u, y, steps = samples(d, d, m, runs, count, columns, dtype)
    before = u.clone()
    ends = whole_steps.single_samples(matrices, order, u, y, steps)
    assert torch.equal(u, before)
    whole, draws = matrices.double().numpy(), order.numpy()[:, None]
    runs = zip(u.double().numpy(), y.double().numpy(), steps.tolist(), strict=True)
    expected = np.stack([plain.stochastic(start, whole, labels, step, draws) for start, labels, step in runs])
    close(ends, torch.from_numpy(expected), dtype, 1 / d)


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_samples_have_the_same_bits_alone_and_in_a_batch_and_in_pieces(dtype):
    matrices, order, u, y, steps = samples(7, 33, 20, 5, 200, dtype=dtype)
    together = whole_steps.single_samples(matrices, order, u, y, steps)
    assert not torch.equal(together, u)
    for members in ([0], [4], [3, 1]):
        alone = whole_steps.single_samples(matrices, order, u[members], y[members], steps[members])
        assert torch.equal(alone, together[members])
    half = whole_steps.single_samples(matrices, order[:77], u, y, steps)
    assert torch.equal(whole_steps.single_samples(matrices, order[77:], half, y, steps), together)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="compares two kinds of x86 processors")
@pytest.mark.parametrize("dtype", DTYPES)
def test_vector_instructions_do_not_change_a_bit(dtype, monkeypatch):
    ensemble, _, y, u = draw(4, 30, 140, 7, dtype=dtype)
    ensemble = ensemble.shared_by([140, 140, 140, 99, 99, 50, 7])
    steps, ends = torch.full((7,), 0.1, dtype=dtype), []
    # Vectors of 64 bytes where this machine has them, then of 32 bytes, which every machine has that multiplies and
    # adds in one.
    for kernels in (library.Kernels(dtype, cpu="native"), library.Kernels(dtype, cpu="haswell")):
        monkeypatch.setattr(passes, "compiled", lambda *_, kernels=kernels: kernels)
        singles = whole_steps.single_samples(ensemble.unpacked(), torch.arange(140) % 7, u, y, steps / 30)
        ends.append(torch.stack([ensemble.descend(u.clone(), steps, y, 20), singles]))
    assert torch.equal(*ends)


def descents_by(folder, real, *processor, emulator=()):
    """Return the digests that ``bits.c`` prints, compiled for a processor."""
    program = folder / "-".join((real, *processor))
    source = f'-DKERNELS="{library.SOURCE}"'
    command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-ffp-contract=on", *processor, f"-DREAL={real}", source]
    # The C library that it builds for another processor stays in no home.
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder)}
    subprocess.run([*command, "-o", program, Path(__file__).with_name("bits.c")], check=True, env=environment)
    return subprocess.run([*emulator, program], check=True, capture_output=True, text=True).stdout.splitlines()


# Once for both types: to build the C library takes most of the time. The environment has no say in what is compiled.
@pytest.mark.any_kernels
@pytest.mark.skipif(
    not shutil.which("qemu-aarch64"), reason="qemu-aarch64, which runs ARM's programs, is not installed"
)
def test_an_arm_processor_has_the_same_bits(tmp_path):
    there = ("-target", "aarch64-linux-musl", "-mcpu=generic")
    for real in ("float", "double"):
        here = descents_by(tmp_path, real, "-mcpu=native")
        assert len(set(here)) == len(here) == 18
        assert descents_by(tmp_path, real, *there, emulator=["qemu-aarch64"]) == here


@pytest.mark.parametrize("lanes", [1, 2])
def test_overflow_gives_no_exception_and_stays_with_its_run(lanes, always_shared):
    torch.set_num_threads(lanes)
    ensemble, _, y, u = draw(5, 10, 140, 3)
    steps = torch.tensor([0.1, 1e6, 0.1], dtype=torch.float64)
    ends = ensemble.descend(u.clone(), steps, y, 30)
    assert not torch.isfinite(ends[1]).all()
    assert torch.equal(ends[::2], ensemble.descend(u[::2].clone(), steps[::2], y[::2], 30))


def test_what_kernels_would_misread_is_refused():
    ensemble, x, y, u = draw(6, 10, 40, 2)
    steps = torch.full((2,), 0.1, dtype=torch.float64)
    with pytest.raises(ValueError, match="labels"):
        ensemble.descend(u, steps, y[:, :39], 1)
    with pytest.raises(ValueError, match=r"torch\.float32"):
        ensemble.descend(u, steps, y.float(), 1)
    with pytest.raises(ValueError, match="steps"):
        ensemble.descend(u, steps[:1], y, 1)
    with pytest.raises(ValueError, match="factors"):
        ensemble.descend(u[:, :9], steps, y, 1)
    with pytest.raises(ValueError, match="labels"):
        ensemble.gradient(x, y[:1])
    with pytest.raises(ValueError, match=r"no kernels for torch\.float16"):
        gaussian.Ensemble(ensemble.rows.half(), 10).measure(x.half())
    matrices, order = ensemble.unpacked(), torch.tensor([0, 39])
    with pytest.raises(ValueError, match="samples 0 to 40 are asked for, of 40"):
        whole_steps.single_samples(matrices, torch.tensor([0, 40]), u, y, steps)
    with pytest.raises(ValueError, match="samples -1 to 39"):
        whole_steps.single_samples(matrices, torch.tensor([39, -1]), u, y, steps)
    with pytest.raises(ValueError, match="of 39"):
        whole_steps.single_samples(matrices, order, u, y[:, :39], steps)
    with pytest.raises(ValueError, match="one after the other"):
        whole_steps.single_samples(matrices[::2], order[:1], u, y, steps)
    with pytest.raises(ValueError, match="factors"):
        whole_steps.single_samples(matrices, order, u[:, :9], y, steps)
    with pytest.raises(ValueError, match="sample numbers"):
        whole_steps.single_samples(matrices, order.int(), u, y, steps)
    # 8 × 8 and 9 × 9 take as many vectors.
    with pytest.raises(ValueError, match="matrices"):
        gaussian.Ensemble(torch.ones(4, 45), 9).measure(torch.ones(1, 8, 8))
    with pytest.raises(ValueError, match="matrices"):
        ensemble.measure(x[:, :, :1])
    with pytest.raises(ValueError, match="detach"):
        ensemble.measure(x.clone().requires_grad_())
    with pytest.raises(ValueError, match="rows lie"):
        passes.adjoint(torch.ones(40, 55, dtype=torch.float64), y)
    with pytest.raises(ValueError, match="contiguous"):
        passes.measure(ensemble.rows, passes.pack(x, 10), torch.empty(40, 2, dtype=torch.float64).T)
    with pytest.raises(ValueError, match="weights"):
        ensemble.adjoint(y.float())


def test_rows_are_copied_only_where_they_have_to_be():
    laid_out = passes.padded_rows(5, 21, torch.float32)
    assert laid_out.data_ptr() % 64 == 0
    assert not laid_out.any()
    assert passes.as_padded(laid_out) is laid_out
    assert passes.as_padded(laid_out[1:]).data_ptr() == laid_out[1].data_ptr()
    # The last row of these ends with the memory: a vector would reach beyond.
    short = torch.empty(4 * 32 + 21).as_strided((5, 21), (32, 1))
    # What pads these is no zero.
    dirty = torch.full((5, 32), torch.nan)[:, :21]
    for rows in (torch.ones(5, 21), short.fill_(1.0), dirty.fill_(1.0)):
        copy = passes.as_padded(rows)
        assert copy.stride() == (32, 1)
        assert torch.equal(copy, rows)


def test_a_library_is_compiled_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "one.c"
    source.write_text("void one(double *x) { *x = ONE; }")

    def one(value):
        number = ctypes.c_double()
        build.load(source, [f"-DONE={value}"]).one(ctypes.byref(number))
        return number.value

    assert [one(1), one(2), one(1)] == [1, 2, 1]
    kept = sorted(path.name for path in (tmp_path / "algoreg").iterdir())
    assert len(kept) == 2
    monkeypatch.setattr(build, "_compile", None)
    assert one(2) == 2


def test_a_source_that_cannot_be_compiled_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "wrong.c").write_text("void one(")
    with pytest.raises(build.CompilerFailed, match=r"wrong\.c cannot be compiled for native"):
        build.load(tmp_path / "wrong.c", cpu="native")
    assert not list(tmp_path.glob("algoreg/*"))


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    source = tmp_path / "one.c"
    source.write_text("void one(double *x) { *x = 1; }")
    assert build.load(source).one is not None


def test_a_cache_that_programs_may_not_be_loaded_from_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "noexec"))
    source, loaded, cdll = tmp_path / "one.c", [], ctypes.CDLL
    source.write_text("void one(double *x) { *x = 1; }")

    def load(name):
        if "noexec" in name:
            raise OSError("failed to map segment from shared object")
        loaded.append(name)
        return cdll(name)

    monkeypatch.setattr(ctypes, "CDLL", load)
    number, library = ctypes.c_double(), build.load(source)
    library.one(ctypes.byref(number))
    assert number.value == 1
    # It is loaded, and its file is gone.
    assert not os.path.exists(loaded[0])
