# Settings, checked before any job, and the small named helpers of the other stages.
import json
import os
import shutil
import subprocess
import sys
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.output_index import OutputIndex

# Not workflow.basedir: where another workflow imports this one as a module, that is the other one's folder.
ROOT = Path(str(workflow.current_basedir)).parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"

# Also what jobs start, here or on a cluster: each of them reads this file first.
if "chapter_path" in config:
    os.environ["ALGOREG_CHAPTER_PATH"] = str(config["chapter_path"])

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake reads braces in the path of a workflow as wildcards. Move the checkout to a path without."
    )
try:
    # Not under its own name: Snakemake runs these lines among its own, which have a chain already.
    from algoreg.store import chain as result_chain
    from algoreg import registry, sources
    from algoreg.tell.charts.claims import claims_of
    from algoreg.spec import settings
    from algoreg.store.provenance import settings_hash
    from algoreg.store.records import sidecar_path
    from algoreg.spec.settings import rule_name
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{sys.executable} has no {error.name}: install the package and what it needs for it, "
        f"'{sys.executable} -m pip install -e {ROOT}', or run `make setup` in {ROOT} and use .venv there."
    ) from error


def checked_settings():
    """Complete the tier's settings and return its chapters' claims, or stop with every problem of both."""
    problems, complete, claims = [], None, []
    files = [str(file) for file in workflow.configfiles]
    file = files[0] if files else "--config"
    # A workflow that imports this one may have its own files beside; it hands over one block of settings.
    alone = workflow.modifier.is_main_snakefile()
    if len(files) > 1 and workflow.is_main_process and alone:
        problems.append(
            f"{', '.join(files)}: a tier file is complete; give exactly one"
        )
    for name in files:
        try:
            settings.load_yaml(name)
            problems += settings.taken_names(name, ROOT / "config")
        except settings.SettingsError as error:
            problems += error.problems
    try:
        complete = settings.complete_tier(config, file, SCHEMAS)
    except settings.SettingsError as error:
        problems += error.problems
    try:
        claims = settings.load_claims(SCHEMAS, complete and chapter_names(complete))
    except settings.SettingsError as error:
        problems += error.problems
    if not problems:
        problems = settings.exponent_problems(claims, complete, file)
    if problems:
        raise WorkflowError(
            "The settings cannot be used:\n" + "\n".join(dict.fromkeys(problems))
        )
    config.update(complete)
    return claims


def chapter_names(tier):
    """Return the names of a tier's chapters, None for all."""
    return None if tier["chapters"] == "all" else tier["chapters"]


def check_device():
    """Stop if a GPU is asked for on this machine and there is none; the only look at torch, in its own process."""
    if config["device"] != "cuda" or not workflow.local_exec:
        return
    question = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-c", question]).returncode:
        raise WorkflowError(
            "device = cuda: torch sees no CUDA device here. Use --config device=cpu or device=auto."
        )


CLAIMS = checked_settings()
TIER = config["tier"]
RESULTS = f"results/{TIER}"
COMPARED = [
    name for name in config["experiments"] if "compare" in config["experiments"][name]
]
MEASURED = [name for name in config["experiments"] if name not in COMPARED]
STUDIES = list(config.get("studies", {}))
VERSIONS = {name: version(name) for name in ("numpy", "scipy", "torch")}
STUDY_VERSIONS = {
    **VERSIONS,
    **{name: version(name) for name in ("cvxpy", "clarabel", "scs")},
}


# Not while parsing: which executor will run the jobs is known only now, and a cluster's submit host needs no GPU.
onstart:
    check_device()


def from_root(*parts):
    """Return a path of the repository as seen from the working directory: results then outlive a move of the checkout."""
    return os.path.relpath(ROOT.joinpath(*parts))


PUBLISHED = [
    os.path.relpath(path)
    for folder in sources.chapters().values()
    for path in sorted(folder.glob("published/*.csv"))
]


wildcard_constraints:
    problem="[a-z][a-z0-9_]*",
    descent="[a-z][a-z0-9_]*",
    experiment="[a-z][a-z0-9_]*",
    study="[a-z][a-z0-9_]*",
    part="[0-9]+",
    figure="[a-z][a-z0-9_]*",
    notebook="[a-z0-9_]+",
    ensemble="[0-9]+",


def code_digests(script, extra=()):
    """Return the digests of a script and of every module it loads; see algoreg.sources."""
    return sources.code_digests(str(ROOT / script), tuple(extra))


def sidecar(path):
    """Return the provenance sidecar of a result."""
    return str(sidecar_path(path))


def result(path):
    """Return a path below the tier's folder."""
    return f"{RESULTS}/{path}"


def log_path(name):
    """Return a log's path."""
    return f"{RESULTS}/logs/{name}.log"


def benchmark_path(name):
    """Return a benchmark's path."""
    return f"{RESULTS}/benchmarks/{name}.tsv"


def table_path(name):
    """Return an experiment's table."""
    return result(f"tables/{name}.csv")


def gpus_per_job():
    """Return how many GPUs a descent takes, so that local jobs share one by turns; torch is not asked while parsing."""
    wanted = config["device"] == "cuda" or (
        config["device"] == "auto" and shutil.which("nvidia-smi")
    )
    return 1 if wanted else 0


def problem_block(wildcards):
    """Return the settings of a problem."""
    return config["problems"][wildcards.problem]


def descent_block(wildcards):
    """Return the settings of a descent."""
    return config["descents"][wildcards.descent]


def descent_problem(wildcards):
    """Return the settings of the problem that a descent solves."""
    return config["problems"][descent_block(wildcards)["problem"]]


def descent_runs(name):
    """Return the runs of a descent, each on every target, in a fixed order."""
    block = config["descents"][name]
    targets = range(config["problems"][block["problem"]]["targets"])
    return [
        {**run, "target": target}
        for run in settings.expand_runs(config, name)
        for target in targets
    ]


def all_tables():
    """Return every table of the tier."""
    return [table_path(name) for name in [*config["experiments"], *STUDIES]]


def all_figures():
    """Return every figure of the tier."""
    return [
        result(f"figures/{name}.{kind}")
        for name in config["figures"]
        for kind in ("svg", "pdf", "png")
    ]


def problem_code(wildcards):
    """Return the digests of drawing a problem, its ensemble's module included."""
    found = registry.modules_of_problem(problem_block(wildcards))
    return code_digests("scripts/draw_problem.py", found)


def problem_name(wildcards):
    """Return the name of a problem; a result that says whose it is cannot be taken for another's."""
    return wildcards.problem


def ensemble_number(wildcards):
    """Return the number of a problem file's ensemble."""
    return int(wildcards.ensemble)


def span(numbers):
    """Return what names several ensembles in a file's or rule's name: first and last, where none is left out between."""
    if len(numbers) < 3 or int(numbers[-1]) - int(numbers[0]) != len(numbers) - 1:
        return "_".join(numbers)
    return f"{numbers[0]}_to_{numbers[-1]}"


def descent_rule(numbers):
    """Return the name of the rule whose jobs take these ensembles."""
    return "descend" if numbers == ("{ensemble}",) else f"descend_{span(numbers)}"


def job_ensembles(wildcards, numbers):
    """Return the numbers of the ensembles that a descent's job takes; see settings.descent_jobs."""
    return [n.format(ensemble=wildcards.get("ensemble")) for n in numbers]


def descent_arrays(wildcards, numbers):
    """Return the problem files of a descent's job."""
    problem = descent_block(wildcards)["problem"]
    return [
        result(f"problems/{problem}/ensemble-{number}.npz")
        for number in job_ensembles(wildcards, numbers)
    ]


def descent_files(numbers):
    """Return the files that a descent's job writes, each with a name: Snakemake's cache asks for that."""
    files = {}
    for position, number in enumerate(numbers):
        arrays = result(f"descents/{{descent}}/ensemble-{number}.npz")
        files[f"arrays_{position}"] = arrays
        files[f"sidecar_{position}"] = sidecar(arrays)
    return files


def drawn_problems():
    """Return the problem files of every descent."""
    return [
        result(f"problems/{problem}/ensemble-{number}.npz")
        for problem, number in settings.drawn_problems(config)
    ]


def descent_code(wildcards):
    """Return the digests of a descent, its ensemble's and algorithm's modules included."""
    found = registry.modules_of_descent(
        descent_block(wildcards), descent_problem(wildcards)
    )
    return code_digests("scripts/descend.py", found)


def descent_name(wildcards):
    """Return the name of a descent."""
    return wildcards.descent


def descent_dtype(wildcards):
    """Return the data type of a descent: its own, or the tier's."""
    return descent_block(wildcards).get("dtype", config["dtype"])


def recorded(wildcards):
    """Return what a descent records, in iterations as they run."""
    return settings.own_record(config, wildcards.descent)


def expanded_runs(wildcards):
    """Return the runs of a descent."""
    return descent_runs(wildcards.descent)


def plan(wildcards, numbers):
    """Return what a job of a descent will do, for its message."""
    block, problem = descent_block(wildcards), descent_problem(wildcards)
    runs = descent_runs(wildcards.descent)
    longest = max(run["iterations"] for run in runs)
    which = [str(int(n) + 1) for n in job_ensembles(wildcards, numbers)]
    return (
        f"d={problem['d']}, r={problem['rank']}, m={problem['m']}, ensemble{'s' * (len(which) > 1)} {', '.join(which)} of "
        f"{problem['ensembles']}: {len(runs)} {block['algorithm']} runs × up to {longest} iterations"
    )


def spectrum_arrays():
    """Return the recorded eigenvalues that the report page shows, and the problems they belong to."""
    paths = []
    for name in settings.spectrum_descents(config):
        number = settings.descent_ensembles(config, name)[0]
        paths.append(result(f"descents/{name}/ensemble-{number}.npz"))
        problem = config["descents"][name]["problem"]
        paths.append(result(f"problems/{problem}/ensemble-{number}.npz"))
    return list(dict.fromkeys(paths))


def experiment_block(wildcards):
    """Return the settings of an experiment."""
    return config["experiments"][wildcards.experiment]


def experiment_pairs(wildcards):
    """Return the (descent, ensemble) pairs that an experiment collects."""
    names = experiment_block(wildcards)["descents"]
    return [
        (name, number)
        for name in names
        for number in settings.descent_ensembles(config, name)
    ]


def experiment_arrays(wildcards):
    """Return the recorded runs that an experiment collects."""
    return [
        result(f"descents/{name}/ensemble-{number}.npz")
        for name, number in experiment_pairs(wildcards)
    ]


def experiment_sources(wildcards):
    """Return what each collected file holds."""
    return [
        {
            "problem": config["problems"][config["descents"][name]["problem"]],
            "algorithm": config["descents"][name]["algorithm"],
            "ensemble": number,
            "runs": descent_runs(name),
        }
        for name, number in experiment_pairs(wildcards)
    ]


def compared_table(wildcards):
    """Return the table that is compared with a published curve."""
    return table_path(experiment_block(wildcards)["compare"])


def published_curve(wildcards):
    """Return the published curve's file."""
    name = experiment_block(wildcards)["published"]
    return from_root("reference", "published", f"{name}.csv")


def study_block(wildcards):
    """Return the settings of a study."""
    return config["studies"][wildcards.study]


def study_module(wildcards):
    """Return the name of the module that measures a study."""
    return study_block(wildcards)["study"]


def study_options(wildcards):
    """Return the options of a study, defaults included."""
    return settings.study_options(study_block(wildcards))


def study_title(wildcards):
    """Return what a study is, for its message."""
    return sources.module_title("studies", study_module(wildcards))


def study_dtype(wildcards):
    """Return the data type of a study: its own, or float64, as verdicts are judged from it."""
    return study_block(wildcards).get("dtype", "float64")


def study_code(wildcards):
    """Return the digests of measuring a study, its module included."""
    found = registry.modules_of_study(study_module(wildcards), study_options(wildcards))
    return code_digests("scripts/measure.py", found)


def study_name(wildcards):
    """Return the name of a study."""
    return wildcards.study


def part_number(wildcards):
    """Return the number of a study's part."""
    return int(wildcards.part)


def part_ensembles(wildcards):
    """Return the ensembles that one job of a study takes."""
    return settings.study_parts(study_block(wildcards))[int(wildcards.part)]


def study_tables(wildcards):
    """Return the parts of a study's table."""
    return [
        result(f"studies/{wildcards.study}/part-{part}.csv")
        for part in range(len(settings.study_parts(study_block(wildcards))))
    ]


def claim_code(entry):
    """Return the digests of judging a claim, the modules of its estimands included."""
    return code_digests("scripts/judge_claim.py", registry.modules_of_claim(entry))


def figure_code(wildcards):
    """Return the digests of drawing a figure, its drawing's module included."""
    found = registry.modules_of_figure(wildcards.figure)
    return code_digests("scripts/draw_figure.py", found)


def figure_claims(wildcards):
    """Return the entries of the claims that are judged from a figure: a margin that moves redraws it."""
    return claims_of(wildcards.figure, CLAIMS)


def figure_caption(wildcards):
    """Return what a figure shows, for its caption."""
    return sources.figure_title(wildcards.figure)


def figure_subject(wildcards):
    """Return the subject of a figure: the module that draws it, in words."""
    (module,) = registry.modules_of_figure(wildcards.figure)
    return sources.chapter_of(module).capitalize()


def figure_tables(wildcards):
    """Return the tables that a figure shows."""
    return [table_path(name) for name in config["figures"][wildcards.figure]]


def claim_tables(entry):
    """Return the tables a claim reads; none where this tier cannot judge it."""
    if not settings.judged(entry, config):
        return []
    return [table_path(name) for name in entry["experiments"]]


def reference_part():
    """Return the committed reference of this tier where it is of a part of it; a whole one is not read while parsing."""
    path = ROOT / "reference" / "runs" / f"{TIER}.json"
    if not path.exists():
        return None
    with open(path, encoding="utf-8") as handle:
        partial = '"partial": true' in handle.read(40)
        handle.seek(0)
        return json.load(handle) if partial else None


def compared_results():
    """Return what is compared with the committed reference: the tier, or the part of it that the reference has."""
    part = reference_part()
    if part is None:
        return {
            "controls": result("controls.json"),
            "verdicts": [result("claims.json")],
            "tables": all_tables(),
            "problems": drawn_problems(),
        }
    names = [*part["tables"], *part["comparisons"]]
    return {
        "verdicts": [result(f"claims/{claim['id']}.json") for claim in part["claims"]],
        "tables": [table_path(name) for name in names],
        "problems": [result(f"problems/{name}.npz") for name in part["problems"]],
    }


def readable_notebooks():
    """Return the notebooks whose tables this tier has, and say which are left out for what they lack."""
    names = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        tables = notebook["metadata"].get("algoreg", {}).get("tables", ())
        lacking = [
            name for name in tables if name not in {*config["experiments"], *STUDIES}
        ]
        if not lacking:
            names.append(path.stem)
        elif workflow.is_main_process:
            logger.info(
                f"Notebook {path.stem} left out: tier {TIER} has no table {', '.join(lacking)}."
            )
    return names


NOTEBOOKS = readable_notebooks()


def expected_chain(wildcards, input):
    """Return what the results below a job's inputs must have been made of, as a parameter; see algoreg.store.chain."""
    return result_chain.as_params(made_from(input))


@cache
def producers():
    """Return the index of rules by what they make; asked for when all rules are known."""
    return OutputIndex(workflow.rules)


@cache
def made_by(file):
    """Return the results that a file's job seals, as ``{result: algoreg.store.chain.Job}``, and the job's inputs."""
    jobs, inputs = {}, []
    for producer in producers().match_producers(file):
        wildcards = producer.get_wildcards(file)
        made, _ = producer.expand_output(wildcards)
        files, *_ = producer.expand_input(wildcards)
        inputs += map(str, files)
        results = [one for one in map(str, made) if result_chain.is_result(one)]
        results = [one for one in results if sidecar(one) in made]
        if results:
            params, _ = producer.expand_params(wildcards, files, made, None)
            digest = result_chain.params_digest(params.items())
            job = result_chain.Job(digest, tuple(map(str, files)))
            jobs.update(dict.fromkeys(results, job))
    return jobs, inputs


def made_from(files):
    """Return ``{result: algoreg.store.chain.Job}`` of the given files and of all that they are made from."""
    found, todo, seen = {}, [str(file) for file in files], set()
    while todo:
        file = todo.pop()
        if file not in seen and file not in found:
            jobs, inputs = made_by(file)
            found.update(jobs)
            todo += inputs
        seen.add(file)
    return found


def all_notebooks():
    """Return the executed notebooks of the tier, as pages."""
    return [result(f"notebooks/{name}.html") for name in NOTEBOOKS]


def notebook_source(wildcards):
    """Return a notebook's source."""
    return from_root("notebooks", f"{wildcards.notebook}.ipynb")
