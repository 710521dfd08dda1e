# Settings, checked before any job, and what the rules of all stages ask of them.
import os
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# What is read of Snakemake's own object of the workflow is read in these lines and in check_device, and nothing is set.
# Not workflow.basedir: where another workflow imports this one as a module, that is the other one's folder.
ROOT = Path(str(workflow.current_basedir)).parents[1]
IS_MAIN_PROCESS = workflow.is_main_process
# A workflow that imports this one may have settings files of its own; it hands over one block of settings.
IS_ALONE = IS_MAIN_PROCESS and workflow.modifier.is_main_snakefile()
SETTINGS_FILES = [str(file) for file in workflow.configfiles]
SHARES_CACHE = workflow.enable_cache

# Also for what jobs start, here or on a cluster: each of them reads this file first.
for key in ("chapter_path", "algorithm_path"):
    if key in config:
        places = str(config[key]).split(os.pathsep)
        os.environ[f"ALGOREG_{key.upper()}"] = os.pathsep.join(
            map(os.path.expanduser, places)
        )

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake reads braces in the path of a workflow as wildcards. Move the checkout to a path without."
    )
try:
    from algoreg import jobs, plugins
    from algoreg.regression import references
    from algoreg.recipes import Recipes
    from algoreg.settings import plan, checking
    from algoreg.settings.workflow import checked

    # Not under its own name: Snakemake runs these lines among its own, which have a chain already.
    from algoreg.results import chain as result_chain
    from algoreg.results.records import sidecar_path
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{sys.executable} has no {error.name}: install the package and what it needs for it, "
        f"'{sys.executable} -m pip install -e {ROOT}[workflow]', or run `make setup` in {ROOT} and use .venv there."
    ) from error


def checked_settings():
    """Complete the tier's settings and return its chapters' claims, or stop with every problem of both."""
    try:
        complete, claims = checked(config, SETTINGS_FILES, ROOT, IS_ALONE)
    except checking.SettingsError as error:
        raise WorkflowError(f"The settings cannot be used:{error}") from error
    config.update(complete)
    return claims


RECIPES = Recipes(config, checked_settings(), ROOT)
TIER = config["tier"]
MEASURED = plan.measured(config)
MEASURED_IN_PARTS = [name for name, block in MEASURED.items() if plan.in_parts(block)]

if SHARES_CACHE and config["device"] != "cpu":
    raise WorkflowError(
        f"--cache with device = {config['device']}: cached results do not say on which device they were computed, "
        "so only those of a CPU are cached. Add --config device=cpu, or leave --cache out."
    )


wildcard_constraints:
    experiment="[a-z][a-z0-9_]*",
    part="[0-9]+",
    notebook="[a-z0-9_]+",
    ensemble="[0-9]+",


def result(path):
    """Return a path below the tier's folder."""
    return RECIPES.result(path)


def log_path(name):
    """Return a log's path."""
    return result(f"logs/{name}.log")


def sidecar(path):
    """Return the provenance sidecar of a result."""
    return str(sidecar_path(path))


def one_of(names):
    """Return the constraint of a wildcard that is one of these names; no name matches where there are none."""
    return "|".join(names) or "0"


def required(files):
    """Return what results must have been made of, those that the given files are made from with them."""
    return result_chain.as_params(RECIPES.required(files))


def all_notebooks():
    """Return the executed notebooks whose results this tier has, as pages; say which are left out for what they lack."""
    for name, reads in RECIPES.notebooks.items():
        if reads["lacking"] and IS_MAIN_PROCESS:
            logger.info(
                f"Notebook {name} left out: tier {TIER} has no {', no '.join(reads['lacking'])}."
            )
    return [
        result(f"notebooks/{name}.html")
        for name, reads in RECIPES.notebooks.items()
        if not reads["lacking"]
    ]


def gpus_per_job():
    """Return how many GPUs a measuring job takes, so that local jobs share one by turns."""
    wanted = config["device"] == "cuda" or (
        config["device"] == "auto" and shutil.which("nvidia-smi")
    )
    return 1 if wanted else 0


def check_device():
    """Stop if a GPU is asked for on this machine and there is none."""
    # Not while parsing: which executor will run the jobs is known only then, and a cluster's submit host needs no GPU.
    if config["device"] != "cuda" or not workflow.local_exec:
        return
    import torch

    if not torch.cuda.is_available():
        raise WorkflowError(
            "device = cuda: torch sees no CUDA device here. Use --config device=cpu or device=auto."
        )


onstart:
    check_device()
    if duration := references.duration(TIER):
        logger.info(duration)
