# What results must be made of; those whose sidecars say otherwise are made again, see algoreg.store.chain.
import gc
from functools import cache

from snakemake.output_index import OutputIndex


def expected_chain(wildcards, input):
    """Return what the results below a job's inputs must have been made of, as a parameter."""
    return result_chain.as_params(made_from(input))


@cache
def planned():
    """Return the jobs of this process's graph by what they make; asked for when it is built."""
    return {str(file): job for job in workflow.dag.jobs for file in job.output}


@cache
def producers():
    """Return the index of rules by what they make; asked for when all rules are known."""
    return OutputIndex(workflow.rules)


def expanded(file):
    """Return outputs and inputs of the job that makes a file, and what returns its parameters; nones where none does.

    The process of a single job has no graph of what lies above it, and asks the rules.
    """
    if job := planned().get(file):
        return job.output, job.input, lambda: job.params
    for producer in producers().match_producers(file):
        wildcards = producer.get_wildcards(file)
        made, _ = producer.expand_output(wildcards)
        files, *_ = producer.expand_input(wildcards)
        return (
            made,
            files,
            lambda: producer.expand_params(wildcards, files, made, None)[0],
        )
    return (), (), dict


@cache
def made_by(file):
    """Return the results that a file's job seals, as ``{result: algoreg.store.chain.Job}``, all its files, and its inputs."""
    made, files, params = expanded(file)
    # Hundreds, of the job that sets claims aside; a dictionary, as a set has another order in every process.
    made, inputs = dict.fromkeys([file, *map(str, made)]), tuple(map(str, files))
    sealed = [one for one in made if result_chain.has_place(one)]
    sealed = [one for one in sealed if sidecar(one) in made]
    if not sealed:
        return {}, made, inputs
    job = result_chain.Job(result_chain.params_digest(params().items()), inputs)
    return dict.fromkeys(sealed, job), made, inputs


def made_from(files):
    """Return ``{result: algoreg.store.chain.Job}`` of the given files and of all that they are made from."""
    found, todo, seen = {}, [str(file) for file in files], set()
    while todo:
        file = todo.pop()
        if file not in seen:
            made_of, made, inputs = made_by(file)
            found.update(made_of)
            seen.update(made)
            todo += inputs
    return found


def force_stale_results():
    """Force the jobs of stale results among those of the graph; say which.

    Snakemake looks at time stamps and, where it remembers a job, at its parameters; results that were copied, mounted or
    stamped otherwise get past both.
    """
    dag = workflow.dag
    stale = result_chain.stale(made_from(one for job in dag.jobs for one in job.output))
    dag.forcefiles.update(stale)
    if stale:
        shown = [f"  {path}: {reason}" for path, reason in list(stale.items())[:5]]
        more = [f"  and {len(stale) - 5} more"] if len(stale) > 5 else []
        head = f"Made again, of results that are there ({len(stale)}):"
        print("\n".join([head, *shown, *more]), file=sys.stderr)


def forget_groups():
    """Forget the rules' groups where no profile says how many jobs of one are submitted together.

    Local runs have none anyway. A dry run looks in each for circles, which takes longer than all else of it.
    """
    if not workflow.group_settings.group_components:
        for one in workflow.rules:
            one.group = None


def forget_rate():
    """Forget the limit of jobs a second in local runs, where cores are the limit.

    Every job that has been started would wake the scheduler once a second until the end: a third of a core in a run of hundreds.
    """
    # Where only the graph or a report is asked for, nothing is scheduled.
    if workflow.scheduling_settings and workflow.local_exec:
        workflow.scheduling_settings.max_jobs_per_timespan = None


def check_chain_before_the_plan():
    """Look at the chain when the graph is built, and before Snakemake decides which of its jobs to run."""
    decide = workflow.dag.update_needrun

    async def decide_checked(*given, **named):
        force_stale_results()
        workflow.dag.update_needrun = decide
        await decide(*given, **named)

    workflow.dag.update_needrun = decide_checked


def prepare_building():
    """Do what a process does once it knows its targets, and before and after it builds the graph of jobs."""
    build = workflow._build_dag

    def build_checked():
        # The processes of single jobs make what the first has decided.
        if workflow.is_main_process:
            forget_groups()
            forget_rate()
            check_chain_before_the_plan()
            # It loads its libraries while this process builds the graph.
            start_forkserver()
        build()
        # The graph stays until the end; nothing need look through it again and again.
        gc.freeze()
        gc.enable()

    workflow._build_dag = build_checked


prepare_building()
