"""An ensemble over processes: the numbers of one process, memory in shares,
and an end with words where a process is lost.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import torch
from test_descent import PROBLEM, run
from test_engine import FITS, SEED, D, batch_of

from algoreg.engine import study
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.kernels import passes
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends
from algoreg.ensembles import gaussian, sharded
from algoreg.numerics import problems, processes
from algoreg.studies.descents import recorded, recorded_batch

SIZE, M = 9, 4 * 128 + 45
DTYPES = [torch.float32, torch.float64]
KNOWN = [None, (M, 300, 290, 30, 2)]


@pytest.fixture(scope="module", params=[2, 4])
def count(request):
    """How many processes: they start once."""
    yield request.param
    processes.close()


@pytest.fixture
def alone(monkeypatch):
    """Let a test start processes of its own, and end them."""
    processes.close()
    yield monkeypatch
    processes.close()


def drawn(dtype=torch.float64, processes=1, d=SIZE, m=M):
    return sharded.Ensemble.draw(d, m, 4, 1, dtype=dtype, processes=processes)


def data(dtype, runs=5, d=SIZE, m=M):
    generator = np.random.default_rng(runs)
    x, y = generator.standard_normal((runs, d, d)) / d, generator.standard_normal((runs, m))
    return torch.from_numpy(x + x.transpose(0, 2, 1)).to(dtype), torch.from_numpy(y).to(dtype)


def test_pieces_that_no_run_knows_are_no_trial_of_how_many_rows_go_together(monkeypatch):
    monkeypatch.setattr(passes, "SMALL_TOTALS", 0)
    passes.rows_at_once.cache_clear()
    runs, known = 11, 130
    assert runs > passes.FEW_RUNS
    x, y = data(torch.float64, runs)
    found = drawn().shared_by([known] * runs).gradient(x, y)
    passes.rows_at_once.cache_clear()
    whole = gaussian.Ensemble.draw(SIZE, M, 4, 1).shared_by([known] * runs).gradient(x, y)
    assert torch.allclose(found, whole, atol=1e-12)


def sums(ensemble, dtype, known):
    """Return all that is added up over measurements."""
    seen = ensemble if known is None else ensemble.shared_by(known)
    x, y = data(dtype)
    steps = torch.full((5,), 1e-3, dtype=dtype)
    return seen.gradient(x, y), seen.adjoint(y), seen.factored_gradient(x, y), seen.descend(x.clone(), steps, y, 5)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_gaussians_up_to_rounding_and_of_the_same_bits_whatever_the_number_of_processes(count, dtype, known):
    dense, one, many = gaussian.Ensemble.draw(SIZE, M, 4, 1, dtype=dtype), drawn(dtype), drawn(dtype, count)
    assert (many.processes, many.d, many.m, many.number, many.dtype, many.digest) == (
        count,
        SIZE,
        M,
        1,
        dtype,
        dense.digest,
    )
    for ours, single, expected in zip(*(sums(e, dtype, known) for e in (many, one, dense)), strict=True):
        assert torch.equal(ours, single)
        torch.testing.assert_close(
            ours, expected, rtol=1e-12 if dtype == torch.float64 else 1e-4, atol=100 * torch.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_measurements_have_gaussians_bits(count, dtype):
    dense, many = gaussian.Ensemble.draw(SIZE, M, 4, 1, dtype=dtype), drawn(dtype, count)
    x, y = data(dtype)
    assert torch.equal(many.measure(x), dense.measure(x))
    assert torch.equal(many.train_error(x, y), dense.train_error(x, y))
    chosen = torch.tensor([M - 1, 0, 200, 0])
    assert torch.equal(many.select(chosen).rows, dense.select(chosen).rows)
    assert many.select(chosen).number == dense.number


def test_a_whole_descent_is_gaussians(count):
    runs = [
        run(target=t, alpha=a, iterations=n, m=k)
        for t in range(3)
        for a, n, k in ((1, 40, M), (0.01, 90, M), (1, 70, 300))
    ]
    results = []
    for own in (
        {"ensemble": "gaussian"},
        {"ensemble": "sharded", "processes": 1},
        {"ensemble": "sharded", "processes": count},
    ):
        problem = {**PROBLEM, "m": M, **own}
        arrays = problems.draw_problem(problem, 5, 0)
        ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", torch.float64, "problem.npz")
        record = {"errors": {"every": 10}, "spectrum": {"log_spaced": 4}}
        batch = recorded_batch(ensemble, arrays["factors"], arrays["labels"], "factored", runs, record, 5)
        results.append({**recorded(batch), "labels": arrays["labels"], "problem": arrays["ensemble_sha256"]})
    dense, one, many = results
    for name, expected in dense.items():
        assert np.array_equal(many[name], one[name]), name
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(many[name], expected, rtol=1e-10, atol=1e-13, err_msg=name)
        else:
            assert np.array_equal(many[name], expected), name


@pytest.mark.parametrize("algorithm", [algorithm for algorithm, ensemble in FITS if ensemble == "sharded"])
def test_every_algorithm_that_fits_has_the_bits_of_one_process(count, algorithm):
    found = []
    for number in (1, count):
        # Options as in the engine's contract, on an ensemble that is large enough to be cut.
        small, ends = batch_of(algorithm, "sharded"), Ends()
        ensemble = sharded.Ensemble.draw(D, M, SEED, 0, processes=number)
        runs = [{**one, "m": M} for one in small.runs]
        labels = ensemble.label(small.targets)
        Descent(Batch(ensemble, small.algorithm, runs, small.targets, labels, [ends], SEED)).run()
        found.append(ends.memory["estimates"])
    assert torch.equal(*found)


def resident(pid):
    lines = open(f"/proc/{pid}/status").read().splitlines()  # noqa: SIM115
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
def test_every_process_holds_its_share_only(count):
    d, m = 60, 8192
    whole = 8 * m * d * (d + 1) // 2
    for rank in range(count):
        rows = sharded.Shard(rank, count, torch.device("cpu"), d, 1024, 0, 0, "float64").rows
        assert len(rows) == 1024 // count
    first = drawn(processes=count, d=d, m=1024)
    pids = first._team._pids
    before = [resident(pid) for pid in pids]
    kept = drawn(processes=count, d=d, m=m)
    grown = [resident(pid) - size for pid, size in zip(pids, before, strict=True)]
    assert len(pids) == count - 1
    assert all(0.8 * whole / count < size < 1.1 * whole / count + 4e6 for size in grown), (grown, whole)
    del kept
    # What is no longer needed goes with the next call.
    first.measure(torch.eye(d, dtype=torch.float64)[None])
    assert all(resident(pid) - size < 0.4 * whole / count for pid, size in zip(pids, before, strict=True))


def descent(processes):
    ensemble = drawn(processes=processes)
    runs = [run(m=M, alpha=alpha, iterations=120, step=0.02) for alpha in (0.5, 0.1)]
    target = torch.eye(SIZE, dtype=torch.float64)[None].repeat(2, 1, 1) / SIZE
    record = {"errors": {"every": 10}}
    batch = recorded_batch(
        ensemble, np.eye(SIZE)[None, :, :2], ensemble.label(target[:1]).numpy(), "factored", runs, record, 5
    )
    return ensemble, batch


def test_a_killed_process_ends_the_job_with_words_and_the_rerun_has_the_bits_of_a_run_in_one(alone, tmp_path):
    _, whole = descent(1)
    expected = Descent(whole).run().save()
    ensemble, batch = descent(2)

    def checkpoint():
        return Checkpoint(tmp_path / "checkpoint.npz", "job", 0.0)

    (pid,), seen = ensemble._team._pids, []
    look = batch.observers[0].look

    def kill_later(at):
        seen.append(at.iteration)
        if len(seen) == 7:
            os.kill(pid, signal.SIGKILL)
        return look(at)

    alone.setattr(batch.observers[0], "look", kill_later)
    context = study.Context(5, [], ensemble.device, ensemble.dtype, lambda line: None, checkpoint())
    with pytest.raises(processes.Lost, match="process 1 of 0 to 1 was ended by SIGKILL") as caught:
        context.descend(batch)
    assert "run it again, and it continues from its last checkpoint" in str(caught.value)
    with pytest.raises(processes.Lost, match="have been ended"):
        ensemble.measure(torch.eye(SIZE, dtype=torch.float64)[None])
    ensemble, batch = descent(2)
    said = []
    context = study.Context(5, [], ensemble.device, ensemble.dtype, said.append, checkpoint())
    found = context.descend(batch).save()
    assert said[0].startswith(f"continuing from iteration {seen[-2]} "), said
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


@pytest.mark.any_kernels
def test_a_process_that_does_not_answer_is_given_up(alone):
    alone.setitem(processes.SECONDS, "call", 3)
    ensemble = drawn(processes=2)
    (pid,) = ensemble._team._pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(processes.Lost, match="over 2 processes has lost one"):
        ensemble.gradient(*data(torch.float64))
    assert gone(pid)


def gone(*pids, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.any_kernels
def test_processes_leave_no_folder_of_their_starter_behind(alone, tmp_path):
    alone.setattr(tempfile, "tempdir", str(tmp_path))
    assert drawn(processes=2).processes == 2
    assert list(tmp_path.iterdir()) == []


def test_processes_that_do_not_start_are_told_of(alone):
    alone.setattr(
        processes, "command", lambda *told: ([sys.executable, "-c", "raise SystemExit('no such node')"], "RANK")
    )
    with pytest.raises(processes.Lost, match="has lost one: no such node"):
        drawn(processes=2)
    alone.setitem(processes.SECONDS, "start", 1)
    alone.setattr(processes, "command", lambda *told: (["sleep", "60"], "RANK"))
    with pytest.raises(processes.Lost, match="not all of 2 processes have started within 1 s"):
        drawn(processes=2)


@pytest.mark.parametrize(
    ("name", "said"), [("digest", "draws another ensemble than"), ("code", "has another version of this package than")]
)
def test_processes_that_see_different_data_are_refused_before_the_first_step(alone, name, said):
    facts = sharded.Shard.facts
    alone.setattr(sharded.Shard, "facts", lambda self: changed(facts(self), name))
    with pytest.raises(RuntimeError, match=f"process 1 of the sharded ensemble {said} process 0"):
        drawn(processes=2)


def changed(found, name):
    found[1][name] = "ffff"
    return found


LEFT = """
import json, os, signal
from algoreg.ensembles import sharded
kept = sharded.Ensemble.draw(5, 300, 0, 0, processes=2)
print(json.dumps([kept._team._launcher.pid, *kept._team._pids]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
@pytest.mark.any_kernels
def test_no_process_outlives_a_killed_job():
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=200)
    assert done.returncode == -9, done.stderr
    # Older releases of torch print above it that processes are connected.
    assert gone(*json.loads(done.stdout.splitlines()[-1]))


def test_an_error_in_this_process_is_told_as_it_is(alone):
    ensemble = drawn()
    with pytest.raises(ValueError, match="labels have shape"):
        ensemble.gradient(data(torch.float64)[0], torch.ones(5, 3, dtype=torch.float64))


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_number_of_processes_that_cannot_be_is_refused(number):
    with pytest.raises(ValueError, match=f"processes = {number}: allowed are 1 to 2 for m = 300"):
        sharded.Ensemble.draw(5, 300, 0, 0, processes=number)


def test_in_an_allocation_of_several_nodes_slurm_starts_the_processes(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    found, number = processes.command(3, "a.module", "logs")
    assert found[:4] == [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    assert "--nproc-per-node=3" in found
    assert number == "RANK"
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    found, number = processes.command(7, "a.module", "logs")
    assert found[0] == "srun"
    assert {"--nodes=2", "--ntasks=7", "--kill-on-bad-exit=1", "--overlap"} <= set(found)
    assert found[-3:] == [sys.executable, "-m", "a.module"]
    assert number == "SLURM_PROCID"


@pytest.mark.parametrize("pieces", [1, 2, 4, 16, 64])
def test_the_tree_is_the_same_however_it_is_shared(pieces):
    values = torch.randn(pieces, generator=torch.Generator().manual_seed(0))
    whole = sharded.tree_sum((1, value.clone()) for value in values)
    for count in range(1, pieces + 1):
        parts, end = [], 0
        for rank in range(count):
            start, stop = sharded.pieces_of(rank, count, pieces)
            assert start == end < stop
            end = stop
            for first, size in sharded.subtrees(start, stop):
                assert first % size == 0
                parts.append((size, sharded.tree_sum((1, value.clone()) for value in values[first : first + size])))
        assert end == pieces
        assert torch.equal(sharded.tree_sum(parts), whole)
    assert len(sharded.subtrees(0, pieces)) == 1


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    x, y = data(torch.float64)
    cpu, gpu = (sharded.Ensemble.draw(SIZE, M, 4, 1, device=device) for device in ("cpu", "cuda"))
    torch.testing.assert_close(cpu.gradient(x, y), gpu.gradient(x.cuda(), y.cuda()).cpu(), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(cpu.measure(x), gpu.measure(x.cuda()).cpu(), rtol=1e-11, atol=1e-11)
