"""Kills, full and read-only disks, damaged files, two Snakemakes at once: with real processes.

After each there is a clear message, nothing half-written is taken as finished, and the rerun gives the bytes of an
undisturbed run. The guide's "When something goes wrong" is written from these tests.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TIMERS, set_yaml, snakemake

from algoreg.results import joblog, records

pytestmark = pytest.mark.workflow

DESCENT = "results/tiny/experiments/tiny_runs/part-0.csv"
OTHER = "results/tiny/experiments/tiny_runs/part-1.csv"
CHECKPOINT = "results/tiny/checkpoints/measure-tiny_runs-0.npz"
LOG = "results/tiny/logs/measure/tiny_runs-0.log"
PROBLEM = "results/tiny/data/tiny_runs/ensemble-0.npz"
PATIENCE = 600


@pytest.fixture(autouse=True)
def no_jobs_left(request):
    """End the jobs that a failed test leaves in its copy of the repository."""
    folder = request.getfixturevalue("tiny") if "tiny" in request.fixturenames else None
    yield
    for job in jobs(folder, "measure.py") if folder and Path("/proc/self/cmdline").exists() else []:
        os.kill(job, signal.SIGKILL)


@pytest.fixture
def mounted():
    """Mount things, or skip the test where that is not permitted; unmount them all in the end."""
    places = []

    def mount(*words):
        done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mount is not permitted here: {done.stderr.strip()}")
        if words[-1] not in places:
            places.append(words[-1])

    if shutil.which("mount") is None:
        pytest.skip("there is no mount here")
    yield mount
    for place in reversed(places):
        subprocess.run(["umount", str(place)], check=True)


def started(folder, *targets):
    """Start Snakemake in a session of its own, as a terminal would, and return the process."""
    settings = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *TIMERS, *targets, "--configfile", "config/tiny.yaml"]
    return subprocess.Popen(
        command, cwd=folder, env=settings, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background would have them, and all below them, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def text_of(path):
    """Return a file's text, none where it does not exist (any more)."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {PATIENCE} s"
        time.sleep(0.02)


def processes(folder, belongs):
    """Return the process ids of the interpreters in a folder whose command line belongs to what is looked for."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text().split("\0")[:-1]
            if "python" in words[0] and belongs(words):
                found += [int(entry.name)] if (entry / "cwd").readlink() == folder else []
        except (OSError, ValueError, IndexError):
            continue
    return found


def jobs(folder, script):
    """Return the process ids of the jobs in a folder that run a script."""
    return processes(folder, lambda words: words[-1].endswith(f".{script}"))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds jobs by /proc")
def test_a_long_run_killed_in_every_way_continues_to_the_same_bytes(finished_tiny, tiny):
    (tiny / DESCENT).unlink()
    set_yaml(tiny / "config" / "tiny.yaml", "checkpoint_seconds", to=1e-9)
    # The chapter's algorithm waits at an iteration while this file says so.
    hold = tiny / "hold"

    def holding(iteration):
        """Start Snakemake; return the process once its job is at this iteration."""
        hold.write_text(str(iteration))
        process, checkpoint = started(tiny, DESCENT), tiny / CHECKPOINT

        def reached():
            return checkpoint.exists() and int(records.load_arrays(checkpoint)["running/1/reached"][0]) >= iteration

        wait_for(reached, f"checkpoint at {iteration}")
        return process

    # Ctrl-C: the whole group is told. No lock is left.
    process = holding(100)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "Terminating processes on user request" in output
    assert not (tiny / DESCENT).exists()

    # The job is killed, by the system for memory perhaps. A second Snakemake meanwhile is refused.
    process = holding(200)
    second = snakemake(tiny, DESCENT, tier="tiny")
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    (job,) = jobs(tiny, "measure.py")
    os.kill(job, signal.SIGKILL)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "Error in rule measure_part" in output
    assert LOG in output
    assert not (tiny / DESCENT).exists()

    # Snakemake alone is killed; its job lives on. The lock stays, and the same command says what to do.
    process = holding(300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tiny / DESCENT).exists()
    refused = snakemake(tiny, DESCENT, tier="tiny")
    assert refused.returncode != 0
    assert "--unlock" in refused.stdout + refused.stderr
    assert snakemake(tiny, "--unlock", tier="tiny").returncode == 0
    process = started(tiny, DESCENT)
    # The orphan's log is gone: Snakemake deletes it before it starts the job anew.
    wait_for(lambda: "continuing from iteration 300" in text_of(tiny / LOG), "job that continues")
    hold.unlink()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output[-2000:]
    wait_for(lambda: not jobs(tiny, "measure.py"), "end of the orphan")
    assert records.check(tiny / DESCENT).read_bytes() == (finished_tiny / DESCENT).read_bytes()
    assert not (tiny / CHECKPOINT).exists()
    assert not list((tiny / "results").rglob("*.part"))


def test_damaged_data_sidecars_and_checkpoints_are_named_and_rerun(finished_tiny, tiny):
    for path in (DESCENT, OTHER):
        (tiny / path).unlink()
    problem = tiny / PROBLEM
    problem.write_bytes(problem.read_bytes()[: problem.stat().st_size // 2])
    other = tiny / PROBLEM.replace("ensemble-0", "ensemble-1")
    sidecar = records.sidecar_path(other)
    sidecar.write_bytes(sidecar.read_bytes()[:100])
    for path in (problem, sidecar):
        # A damaged disk changes no modification time: Snakemake cannot know.
        os.utime(path, ns=(1, 1))
    done = snakemake(tiny, DESCENT, OTHER, tier="tiny")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"content does not match the checksum in its sidecar. Delete {PROBLEM} and rerun" in output
    assert f"cannot be read. Delete {other.relative_to(tiny)} and rerun" in output
    assert not (tiny / DESCENT).exists()
    assert not (tiny / OTHER).exists()

    problem.unlink()
    other.unlink()
    checkpoint = tiny / CHECKPOINT
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(b"PK half of a checkpoint")
    done = snakemake(tiny, DESCENT, OTHER, tier="tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "damaged checkpoint" in (tiny / LOG).read_text()
    for path in (PROBLEM, DESCENT, OTHER):
        assert records.check(tiny / path).read_bytes() == (finished_tiny / path).read_bytes(), path
    assert not checkpoint.exists()


def test_a_full_disk_is_said_and_leaves_nothing_half_written(finished_tiny, tiny, mounted):
    results = tiny / "results" / "tiny"
    kept = tiny / "kept"
    shutil.copytree(
        results, kept, ignore=shutil.ignore_patterns("figures", "notebooks", "report"), copy_function=shutil.copy2
    )
    mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", results)
    shutil.copytree(kept, results, copy_function=shutil.copy2, dirs_exist_ok=True)
    for path in (DESCENT, LOG):
        (tiny / path).unlink()
    with open(results / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    done = snakemake(tiny, DESCENT, tier="tiny")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    # Neither the result nor the log could be written: the reason is in the output all the same.
    assert f"{DESCENT}: cannot be written (No space left on device). Nothing half-written is left" in output
    assert not (tiny / DESCENT).exists()
    assert not list(results.rglob("*.part"))
    (results / "filler").unlink()
    done = snakemake(tiny, DESCENT, tier="tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    assert records.check(tiny / DESCENT).read_bytes() == (finished_tiny / DESCENT).read_bytes()


def test_read_only_results_are_said_before_any_job(finished_tiny, tiny, mounted):
    results = tiny / "results"
    (tiny / DESCENT).unlink()
    mounted("--bind", results, results)
    mounted("-o", "remount,ro,bind", results)
    done = snakemake(tiny, DESCENT, tier="tiny")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Write-protected output files for rule measure_part" in output
    assert not (tiny / DESCENT).exists()


def test_what_the_disk_refuses_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results" / "tier" / "a.json"
    records.write_json(path, {"a": 1})
    before = path.read_bytes()
    monkeypatch.setattr(records.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(records.NotWritten, match=r"a\.json: cannot be written \(No space left on device\)"):
        records.write_json(path, {"a": 2})
    with pytest.raises(records.NotWritten, match=r"make room \(space, or inodes: df -i\)"):
        records.write_json(path, {"a": 2})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == ["a.json"]


def test_a_log_that_cannot_be_written_goes_to_the_terminal(capfd, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    joblog.write_to("/dev/full")
    print("why it failed")
    sys.stdout.flush()
    monkeypatch.undo()
    assert "why it failed" in capfd.readouterr().err
