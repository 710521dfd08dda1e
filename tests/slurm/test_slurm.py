"""What the smoke tier measures, draws and judges on a Slurm cluster of one node,
through profiles/slurm: make test-slurm.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import copy_repository, lacking, tiny_repository

CLUSTER = Path(__file__).with_name("cluster.sh")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "srun")
DESCENT = "results/smoke/experiments/gaussian/part-0.csv"
TINY_DESCENT = "results/tiny/experiments/tiny_runs/part-0.csv"
# Here there is no accounting (squeue knows what ended), no account, no network file system, and time is dear.
HERE = [
    *("--slurm-status-command", "squeue", "--slurm-no-account", "--slurm-init-seconds-before-status-checks", "1"),
    *("--slurm-keep-successful-logs", "--cores", "2", "--latency-wait", "5"),
]

ASKED = "ALGOREG_TEST_SLURM"
if os.environ.get(ASKED) != "1":
    pytest.skip("starts a Slurm cluster: make test-slurm", allow_module_level=True)

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster and return the environment in which its clients find it."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        lacking(ASKED, f"no Slurm here: {', '.join(missing)} not found (Debian's packages slurm-wlm and munge)")
    # Not pytest's own folder: a socket's path is at most 107 characters long.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    started = subprocess.run([CLUSTER, "up", folder], capture_output=True, text=True, timeout=120)
    if started.returncode:
        shutil.rmtree(folder)
        lacking(ASKED, f"Slurm is installed but does not start here: {started.stderr.strip()[-1500:]}")
    yield {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}{os.pathsep}{path}"}
    subprocess.run([CLUSTER, "down", folder], check=True, timeout=120)
    shutil.rmtree(folder)


def start(folder, cluster, *arguments, tier="smoke"):
    """Start Snakemake in a scratch repository, submitting to the cluster; its output goes to run.txt."""
    settings = {**os.environ, **cluster, "PYTHONPATH": str(folder / "src")}
    settings["PATH"] = os.pathsep.join(
        [cluster["PATH"].split(os.pathsep)[0], str(Path(sys.executable).parent), settings["PATH"]]
    )
    command = [sys.executable, "-m", "snakemake", *arguments, "--workflow-profile", "profiles/slurm", *HERE]
    with open(folder / "run.txt", "w") as log:
        return subprocess.Popen(
            [*command, "--configfile", f"config/{tier}.yaml"], cwd=folder, env=settings, stdout=log, stderr=log
        )


def finish(process, folder):
    """Wait for Snakemake; return its exit status and output."""
    try:
        status = process.wait(timeout=1500)
    finally:
        process.kill()
        # A lost node's steps do not hear of it: they would go on where nobody looks.
        subprocess.run(["pkill", "-KILL", "-f", f"{folder}/Snakefile"], check=False)
    return status, (folder / "run.txt").read_text()


def scontrol(cluster, *arguments):
    """Ask the controller."""
    return subprocess.run(
        ["scontrol", *arguments], env={**os.environ, **cluster}, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def wait_until(true, what, seconds=300):
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.2)


def back_in_service(cluster):
    """Resume the node; return whether it is there.
    One that has registered by itself meanwhile is refused to be resumed.
    """
    with contextlib.suppress(subprocess.CalledProcessError):
        scontrol(cluster, "update", "NodeName=node1", "State=RESUME")
    return "State=DOWN" not in scontrol(cluster, "show", "node", "node1")


def test_slurm_gives_the_bytes_of_a_local_run_in_few_submissions(smoke, cluster, tmp_path):
    """Of two chapters, which between them have jobs of every kind: data, experiments whole and in parts."""
    folder = copy_repository(tmp_path / "repository")
    here, there = folder / "results" / "smoke", smoke / "results" / "smoke"
    status, output = finish(start(folder, cluster, "chapter_simulations", "chapter_networks"), folder)
    assert status == 0, output[-3000:]
    compared = [
        path.relative_to(here)
        for name in ("data", "experiments", "tables", "figures", "claims")
        for path in sorted((here / name).rglob("*"))
        if path.is_file()
    ]
    assert {path.parts[0] for path in compared} == {"data", "experiments", "tables", "figures", "claims"}
    assert len(compared) > 50
    for path in compared:
        assert (here / path).read_bytes() == (there / path).read_bytes(), path
    # Experiments with their data by fours, everything after them.
    experiments = sum(1 for _ in (here / "logs" / "measure").glob("*.log"))
    assert experiments > 4
    assert output.count("has been submitted with SLURM jobid") <= 1 + -(-experiments // 4)


def test_a_lost_node_costs_no_more_than_the_time_since_the_last_checkpoint(finished_tiny, cluster, tmp_path):
    folder = tiny_repository(tmp_path / "repository", checkpoint_seconds=1e-9)
    # The descent waits at this iteration, so that there is time to lose the node.
    (folder / "hold").write_text("200")
    process = start(folder, cluster, TINY_DESCENT, tier="tiny")
    checkpoint = folder / "results" / "tiny" / "checkpoints" / "measure-tiny_runs-0.npz"
    wait_until(lambda: checkpoint.exists() or process.poll() is not None, "there is a checkpoint")
    assert process.poll() is None, (folder / "run.txt").read_text()[-3000:]
    scontrol(cluster, "update", "NodeName=node1", "State=DOWN", "Reason=lost")
    wait_until(lambda: "PENDING" in scontrol(cluster, "show", "job"), "Slurm has queued the job again")
    assert not (folder / TINY_DESCENT).exists()
    (folder / "hold").unlink()
    wait_until(lambda: back_in_service(cluster), "the node is back in service")
    status, output = finish(process, folder)
    assert status == 0, output[-3000:]
    assert "Restarts=1" in scontrol(cluster, "show", "job")
    assert (folder / TINY_DESCENT).read_bytes() == (finished_tiny / TINY_DESCENT).read_bytes()
    log = (folder / "results" / "tiny" / "logs" / "measure" / "tiny_runs-0.log").read_text()
    assert "continuing from iteration" in log


def test_descents_on_a_gpu_ask_slurm_for_one(cluster, tmp_path):
    """Two descents in one submission take one GPU by turns; Slurm's here is a fake,
    so that torch says that it is none.
    """
    import torch

    folder = copy_repository(tmp_path / "repository")
    targets = [DESCENT, DESCENT.replace("part-0", "part-1")]
    status, output = finish(start(folder, cluster, *targets, "--retries", "0", "--config", "device=cuda"), folder)
    number = output.split("has been submitted with SLURM jobid ", 1)[1].split()[0]
    assert output.count("has been submitted with SLURM jobid") == 1, output[-3000:]
    assert "TresPerJob=gres/gpu:1" in scontrol(cluster, "show", "job", number)
    if not torch.cuda.is_available():
        assert status != 0
        # The one that went first has failed, and the other was not begun.
        logs = (folder / "results" / "smoke" / "logs" / "measure").glob("gaussian-*.log")
        assert sum("torch sees no CUDA device here" in log.read_text() for log in logs) == 1


def test_verify_collects_checks_and_compares_in_submissions_of_their_own(smoke, repository, cluster):
    results = repository / "results" / "smoke"
    for name in ("claims.json", "controls.json"):
        (results / name).unlink()
    status, output = finish(start(repository, cluster, "verify"), repository)
    assert status == 0, output[-3000:]
    assert "verify: passed" in (results / "verify.txt").read_text()
    for name in ("claims.json", "controls.json"):
        assert (results / name).read_bytes() == (smoke / "results" / "smoke" / name).read_bytes()
    assert output.count("has been submitted with SLURM jobid") == 3
