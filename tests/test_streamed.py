import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import torch
from test_descent import PROBLEM, run

from algoreg.algorithms import stochastic
from algoreg.engine.kernels.passes import padded
from algoreg.engine.loop import Descent
from algoreg.ensembles import gaussian, streamed
from algoreg.ensembles.gaussian import BLOCK_ROWS
from algoreg.numerics import problems
from algoreg.studies.descents import recorded, recorded_batch

DTYPES = [torch.float32, torch.float64]
D, M = 9, 2 * BLOCK_ROWS + 45


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Give every test its own empty folder for temporary files, and look that it is empty at the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert os.listdir(tmp_path) == []


def both(dtype, d=D, m=M):
    return [module.Ensemble.draw(d, m, 4, 1, dtype=dtype) for module in (gaussian, streamed)]


def data(dtype, runs, d=D, m=M):
    generator = np.random.default_rng(runs)
    x, y = generator.standard_normal((runs, d, d)), generator.standard_normal((runs, m))
    return torch.from_numpy(x + x.transpose(0, 2, 1)).to(dtype), torch.from_numpy(y).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("runs", [1, 5, 12])
@pytest.mark.parametrize("counts", [None, (M, BLOCK_ROWS + 7, 30), (2 * BLOCK_ROWS, 1, 1)])
def test_gradients_are_those_of_the_ensemble_in_memory_to_the_last_bit(dtype, runs, counts):
    dense, file = both(dtype)
    assert (file.d, file.m, file.number, file.dtype, file.device) == (D, M, 1, dtype, torch.device("cpu"))
    assert file.digest == dense.digest
    if counts is not None:
        counts = [counts[min(k, 2)] for k in range(runs)]
        dense, file = dense.shared_by(counts), file.shared_by(counts)
    x, y = data(dtype, runs)
    for _ in range(2):
        assert torch.equal(file.gradient(x, y), dense.gradient(x, y))
        assert torch.equal(file.factored_gradient(x, y), dense.factored_gradient(x, y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("counts", [None, (M, BLOCK_ROWS + 7, 30)])
def test_measurements_are_those_of_the_ensemble_in_memory_to_the_last_bit(dtype, counts):
    dense, file = both(dtype)
    if counts is not None:
        dense, file = dense.shared_by(counts), file.shared_by(counts)
    x, y = data(dtype, 12 if counts is None else 3)
    assert torch.equal(file.measure(x), dense.measure(x))
    assert torch.equal(file.adjoint(y), dense.adjoint(y))
    assert torch.equal(file.train_error(x, y), dense.train_error(x, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_block_has_the_bits_of_the_ensemble_in_memory_throughout(dtype):
    dense, file = both(dtype, m=BLOCK_ROWS)
    x, y = data(dtype, 12, m=BLOCK_ROWS)
    assert torch.equal(file.measure(x), dense.measure(x))
    assert torch.equal(file.label(x), dense.label(x))
    assert torch.equal(file.train_error(x, y), dense.train_error(x, y))


def test_selected_measurements_are_in_memory():
    dense, file = both(torch.float32)
    drawn = torch.tensor([M - 1, 0, BLOCK_ROWS, 0])
    part = file.select(drawn)
    assert torch.equal(part.rows, dense.rows[drawn])
    assert part.number == file.number


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [60, BLOCK_ROWS + 40])
def test_a_whole_descent_is_that_of_the_ensemble_in_memory(dtype, m):
    runs = [
        run(target=t, alpha=a, iterations=n, m=k)
        for t in range(3)
        for a, n, k in ((1, 40, m), (0.01, 90, m), (1, 70, 50))
    ]
    problem = {**PROBLEM, "m": m}
    arrays = problems.draw_problem(problem, 5, 0)
    iterates, results = [], []
    for name in ("gaussian", "streamed"):
        own = problems.draw_problem({**problem, "ensemble": name}, 5, 0)
        assert own["ensemble_sha256"] == arrays["ensemble_sha256"]
        np.testing.assert_allclose(own["labels"], arrays["labels"], rtol=1e-12, atol=1e-12)
        ensemble = problems.regenerate_ensemble({**problem, "ensemble": name}, arrays, "cpu", dtype, "problem.npz")
        record = {"errors": {"every": 10}, "spectrum": {"log_spaced": 4}}
        batch = recorded_batch(ensemble, arrays["factors"], arrays["labels"], "factored", runs, record, 5)
        iterates.append(Descent(batch).run(until=80).state["factor"])
        results.append(recorded(batch))
    assert torch.equal(*iterates)
    dense, file = results
    for name in ("spectra", "status", "ended"):
        assert np.array_equal(dense[name], file[name]), name
    assert np.array_equal(dense["errors"], file["errors"])


def test_stochastic_descent_never_holds_all_rows():
    options = {"step": 0.05, "alpha": 0.5, "start": "identity", "batch_size": 1, "target": 0, "m": M}
    ends = []
    for ensemble in both(torch.float64):
        labels = ensemble.measure(data(torch.float64, 1)[0])
        solver = stochastic.Algorithm(ensemble, labels / labels.norm(), [options], 0)
        assert solver.reads_unpacked == (type(ensemble) is gaussian.Ensemble)
        ends.append(solver.advance(solver.initial(), 0, 50)["factor"])
    torch.testing.assert_close(*ends, rtol=1e-10, atol=1e-12)


def test_too_little_room_is_refused_with_the_sizes_before_drawing(temporary, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10**5, 10**5))
    monkeypatch.setattr(streamed, "packed_rows", None)
    with pytest.raises(
        OSError, match=r"needs 11\.0 MB in .*, where 0\.1 MB are free: make room, or set TMPDIR"
    ) as caught:
        streamed.Ensemble.draw(100, 545, 0, 0, dtype=torch.float32)
    assert str(temporary) in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_disk_filled_by_others_meanwhile_is_told_alike(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open("/dev/full", "r+b"))  # noqa: SIM115
    with pytest.raises(OSError, match=r"needs 11\.0 MB in .* are free"):
        streamed.Ensemble.draw(100, 545, 0, 0, dtype=torch.float32)


def test_nothing_is_left_by_a_killed_job(temporary):
    code = (
        "import os, signal, tempfile; from algoreg.ensembles.streamed import Ensemble\n"
        "kept = Ensemble.draw(9, 300, 0, 0)\n"
        "print(tempfile.gettempdir(), os.fstat(kept._file.fileno()).st_size, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9
    assert done.stdout.split() == [str(temporary), str(300 * padded(45) * 8)]


# The peak of a process starts at that of whatever started it, which here is the test run: hence a shell in between.
PEAK = """
import resource, sys, torch
from importlib import import_module

torch.set_num_threads(1)
module = import_module("algoreg.ensembles." + sys.argv[1])

def use(m):
    ensemble = module.Ensemble.draw(60, m, 0, 0)
    x = torch.eye(60, dtype=torch.float64)[None]
    ensemble.gradient(x, ensemble.measure(x))
    ensemble.shared_by([m // 2]).gradient(x, ensemble.measure(x))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

print(use(2000), use(16000))
"""


@pytest.mark.parametrize("name", ["gaussian", "streamed"])
def test_resident_memory_does_not_grow_with_m(name):
    command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", PEAK, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    row, block = 60 * 61 // 2 * 8, BLOCK_ROWS * 60 * 61 // 2 * 8
    if name == "streamed":
        assert large - small < 3 * block
    else:
        # The measurement sees what it should: the ensemble in memory grows by most of its 14 000 further rows.
        assert large - small > 0.8 * 14_000 * row


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    x, y = data(torch.float64, 3)
    cpu, gpu = (streamed.Ensemble.draw(D, M, 4, 1, device=device) for device in ("cpu", "cuda"))
    torch.testing.assert_close(cpu.gradient(x, y), gpu.gradient(x.cuda(), y.cuda()).cpu(), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(cpu.measure(x), gpu.measure(x.cuda()).cpu(), rtol=1e-11, atol=1e-11)
    drawn = torch.tensor([5, 0], device="cuda")
    assert torch.equal(gpu.select(drawn).rows.cpu(), cpu.select(drawn.cpu()).rows)
