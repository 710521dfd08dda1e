# The settings, which are checked before any job starts, and functions that the rules of all stages call.
import os
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Attributes of Snakemake's workflow object are only read in these lines and in check_device, and none is set.
# workflow.basedir is not used, because it is the other workflow's folder if that imports this one as a module.
ROOT = Path(str(workflow.current_basedir)).parents[1]
IS_MAIN_PROCESS = workflow.is_main_process
# A workflow that imports this one may have further settings files; it passes one block of settings to this one.
IS_ALONE = IS_MAIN_PROCESS and workflow.modifier.is_main_snakefile()
SETTINGS_FILES = [str(file) for file in workflow.configfiles]
SHARES_CACHE = workflow.enable_cache

# Set also for the processes that jobs start, here or on a cluster, because each of them reads this file first.
for key in ("chapter_path", "algorithm_path"):
    if key in config:
        places = str(config[key]).split(os.pathsep)
        os.environ[f"ALGOREG_{key.upper()}"] = os.pathsep.join(
            map(os.path.expanduser, places)
        )

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake reads braces in the path of a workflow as wildcards. Move the checkout to a path without braces."
    )
try:
    from algoreg import jobs, plugins
    from algoreg.recipes import Recipes
    from algoreg.settings import checking, entries, plan
    from algoreg.settings.workflow import checked

    # Renamed, because Snakemake runs these lines in a namespace that already contains a chain.
    from algoreg.results import chain as result_chain
    from algoreg.results import digests
    from algoreg.results.records import sidecar_path
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{sys.executable} has no {error.name}: install the package with its dependencies, "
        f"'{sys.executable} -m pip install -e {ROOT}[workflow]', or run `make setup` in {ROOT} and use .venv there."
    ) from error


def checked_settings():
    """Complete the tier's settings and return its chapters' claims, or stop with a list of all problems."""
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
        f"--cache with device = {config['device']}: cached results do not record their device, "
        "so only results of a CPU are cached. Add --config device=cpu, or leave --cache out."
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
    """Return the path of a log."""
    return result(f"logs/{name}.log")


def sidecar(path):
    """Return the provenance sidecar of a result."""
    return str(sidecar_path(path))


def one_of(names):
    """Return the constraint of a wildcard that must be one of these names; without names, no name matches."""
    return "|".join(names) or "0"


def required(files):
    """Return what the given results, and all results that they depend on, must have been made from."""
    return result_chain.as_params(RECIPES.required(files))


def all_notebooks():
    """Return the pages of the notebooks whose results this tier has, and log which notebooks are left out and why."""
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


def gpus_per_job(wildcards):
    """Return how many GPUs a measuring job needs, so that local jobs use one GPU in turn."""
    if config["device"] != "auto":
        return int(config["device"] == "cuda")
    entry = config["experiments"][wildcards.experiment]
    return int(entry.get("gpu", False) and shutil.which("nvidia-smi") is not None)


def check_device():
    """Stop if the settings require a GPU and local jobs have none."""
    # Checked at the start and not while parsing, because the executor is known only then: a cluster's submit host needs
    # no GPU.
    if config["device"] != "cuda" or not workflow.local_exec:
        return
    import torch

    if not torch.cuda.is_available():
        raise WorkflowError(
            "device = cuda: torch sees no CUDA device here. Use --config device=cpu or device=auto."
        )


onstart:
    check_device()
