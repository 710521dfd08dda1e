# Settings, checked before any job, and what the rules of all stages ask of them.
import gc
import os
import sys
from importlib.metadata import version
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Not workflow.basedir: where another workflow imports this one as a module, that is the other one's folder.
ROOT = Path(str(workflow.current_basedir)).parents[1]

# Until the graph of jobs is built, see chain.smk: next to nothing is garbage, and looking for it takes a fifth of a start.
gc.disable()

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
    from algoreg import digests, jobs, registry, sources
    from algoreg.judge import references, replications
    from algoreg.spec import plan, settings
    from algoreg.spec.chapters import load_chapters
    from algoreg.spec.workflow import checked

    # Not under its own name: Snakemake runs these lines among its own, which have a chain already.
    from algoreg.store import chain as result_chain
    from algoreg.store.provenance import settings_hash
    from algoreg.store.records import sidecar_path
    from algoreg.tell import papers
    from algoreg.tell.charts.claims import claims_of
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{sys.executable} has no {error.name}: install the package and what it needs for it, "
        f"'{sys.executable} -m pip install -e {ROOT}[workflow]', or run `make setup` in {ROOT} and use .venv there."
    ) from error


def checked_settings():
    """Complete the tier's settings and return its chapters' claims, or stop with every problem of both."""
    # A workflow that imports this one may have files of its own beside; it hands over one block of settings.
    alone = workflow.is_main_process and workflow.modifier.is_main_snakefile()
    files = [str(file) for file in workflow.configfiles]
    try:
        complete, claims = checked(config, files, ROOT, alone)
    except settings.SettingsError as error:
        raise WorkflowError(f"The settings cannot be used:{error}") from error
    config.update(complete)
    return claims


CLAIMS = checked_settings()
TIER = config["tier"]
MEASURED, GENERATED = plan.measured(config), [
    name for name, block in config["studies"].items() if plan.generates(block)
]
MEASURED_IN_PARTS = [name for name, block in MEASURED.items() if plan.in_parts(block)]
MEASURED_AT_ONCE = [name for name in MEASURED if name not in MEASURED_IN_PARTS]
PUBLISHED = {path.stem: os.path.relpath(path) for path in jobs.published_files()}
VERSIONS = {name: version(name) for name in ("numpy", "scipy", "torch")}
# The compiler of the inner loops; what studies take besides.
COMPILED = {**VERSIONS, "ziglang": version("ziglang")}
MEASURING = ("cvxpy", "clarabel", "scs", "scikit-learn")
MEASURED_WITH = {**COMPILED, **{name: version(name) for name in MEASURING}}
CHAPTERS = load_chapters({entry["chapter"] for entry in CLAIMS})
REFERENCES = references.paths(TIER, [chapter.name for chapter in CHAPTERS])
NOTEBOOK_READS = jobs.notebooks(config, CLAIMS, ROOT / "notebooks")


wildcard_constraints:
    study="[a-z][a-z0-9_]*",
    part="[0-9]+",
    figure="[a-z][a-z0-9_]*",
    notebook="[a-z0-9_]+",
    ensemble="[0-9]+",


def relative(paths):
    """Return paths as seen from the working directory: results then outlive a move of the checkout."""
    return [os.path.relpath(path) for path in paths]


def from_root(*parts):
    """Return a path of the repository; see :func:`relative`."""
    return os.path.relpath(ROOT.joinpath(*parts))


def result(path):
    """Return a path below the tier's folder."""
    return f"results/{TIER}/{path}"


def results(paths):
    """Return paths below the tier's folder."""
    return [result(path) for path in paths]


def table_path(name):
    """Return a table's path."""
    return result(f"tables/{name}.csv")


def log_path(name):
    """Return a log's path."""
    return result(f"logs/{name}.log")


def sidecar(path):
    """Return the provenance sidecar of a result."""
    return str(sidecar_path(path))


def all_tables():
    """Return every table of the tier."""
    return [table_path(name) for name in plan.tables(config)]


def all_figures():
    """Return every figure of the tier."""
    return results(
        f"figures/{name}.{kind}" for name in config["figures"] for kind in jobs.KINDS
    )


def all_notebooks():
    """Return the executed notebooks whose results this tier has, as pages; say which are left out for what they lack."""
    for name, reads in NOTEBOOK_READS.items():
        if reads["lacking"] and workflow.is_main_process:
            logger.info(
                f"Notebook {name} left out: tier {TIER} has no {', no '.join(reads['lacking'])}."
            )
    return results(
        f"notebooks/{name}.html"
        for name, reads in NOTEBOOK_READS.items()
        if not reads["lacking"]
    )


def committed_for_notebook(wildcards):
    """Return the committed verdicts that a notebook may show, where this tier judges none of those that it reads."""
    shown = NOTEBOOK_READS[wildcards.notebook]["chapters"]
    if all(entry in JUDGED for entry in CLAIMS if entry["chapter"] in shown):
        return []
    return relative(references.paths("standard", shown).values())


def configured(path):
    """Return a function of a job's wildcards: the settings' value at a path such as ``studies/{study}``.

    Snakemake's own ``lookup`` walks through all settings at every call: hundredths of a second for each parameter.
    """

    def of_job(wildcards):
        *folders, last = path.format(**dict(wildcards.items())).split("/")
        block = config
        for folder in folders:
            block = block[folder]
        return block[last]

    return of_job


def options_of(wildcards):
    """Return the options of a study, defaults included."""
    return plan.study_options(config["studies"][wildcards.study], config)


def drawn_options_of(wildcards):
    """Return the options that the data of a study are generated from."""
    study = config["studies"][wildcards.study]["study"]
    return plan.generated_from(study, options_of(wildcards))


def own_data_of(wildcards):
    """Return the files of the user's own that a study reads."""
    study = config["studies"][wildcards.study]["study"]
    return jobs.data_files(study, options_of(wildcards))


def parts_of(wildcards):
    """Return the ensembles that each part of a study takes."""
    return plan.study_parts(config["studies"][wildcards.study])


def ensembles_of(wildcards):
    """Return the ensembles that a job of a study takes: those of its part, or all."""
    return parts_of(wildcards)[int(getattr(wildcards, "part", 0))]


def study_code(script, options):
    """Return a function of a job's wildcards: the digests of its script, and of what its study finds by these options."""
    return lambda wildcards: code(
        script,
        registry.modules_of_study(
            config["studies"][wildcards.study]["study"], options(wildcards)
        ),
    )


def code(script, found=()):
    """Return the digests of a rule's script, of every module that it loads and of those that it finds by name."""
    return digests.code_digests(str(ROOT / "scripts" / script), tuple(found))
