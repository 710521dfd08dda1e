# What a run looks at and starts on its machine before the first job.
import shutil
import subprocess
import sys

from snakemake.script import PythonScript

from algoreg.store import forkserver


def gpus_per_job():
    """Return how many GPUs a descent takes, so that local jobs share one by turns; torch is not asked while parsing."""
    wanted = config["device"] == "cuda" or (
        config["device"] == "auto" and shutil.which("nvidia-smi")
    )
    return 1 if wanted else 0


def check_device():
    """Stop if a GPU is asked for on this machine and there is none; the only look at torch, in its own process."""
    if config["device"] != "cuda" or not workflow.local_exec:
        return
    question = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-P", "-c", question]).returncode:
        raise WorkflowError(
            "device = cuda: torch sees no CUDA device here. Use --config device=cpu or device=auto."
        )


def write_script(script, preamble, file):
    """Write a script that hands itself over before all else; otherwise its first process loads half of Snakemake."""
    file.write(forkserver.beginning_with_call(script.source, preamble).encode())


# What Snakemake sets to a job's number of threads.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# What measuring needs, see scripts/measure.py: most jobs, and the first ones. What takes longest comes last.
LIBRARIES = ("pydantic.root_model", "scipy.optimize", "pandas", "torch")


def start_forkserver():
    """Let the jobs of this machine start with their libraries loaded, where they run in this process's own environment."""
    # Only a graph, a report or a dry run is asked for.
    if workflow.executor_plugin is None or workflow.dryrun:
        return
    deployed = workflow.deployment_settings.deployment_method
    if (
        sys.platform == "linux"
        and workflow.local_exec
        and not deployed
        and not gpus_per_job()
    ):
        # Kept: it ends with its last reference.
        globals()["server"] = forkserver.start(
            *LIBRARIES, **dict.fromkeys(THREAD_VARIABLES, "1")
        )
        PythonScript.write_script = write_script


# Not while parsing: which executor will run the jobs is known only now, and a cluster's submit host needs no GPU.
onstart:
    check_device()
    if said := references.duration(TIER):
        logger.info(said)
