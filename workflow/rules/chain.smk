# What results must be made of; those whose sidecars say otherwise are made again, see algoreg.store.chain.
from functools import cache

from snakemake.output_index import OutputIndex


def expected_chain(wildcards, input):
    """Return what the results below a job's inputs must have been made of, as a parameter."""
    return result_chain.as_params(made_from(input))


@cache
def producers():
    """Return the index of rules by what they make; asked for when all rules are known."""
    return OutputIndex(workflow.rules)


@cache
def made_by(file):
    """Return the results that a file's job seals, as ``{result: algoreg.store.chain.Job}``, and the job's inputs."""
    made_of, inputs = {}, []
    for producer in producers().match_producers(file):
        wildcards = producer.get_wildcards(file)
        made, _ = producer.expand_output(wildcards)
        files, *_ = producer.expand_input(wildcards)
        inputs += map(str, files)
        sealed = [one for one in map(str, made) if result_chain.has_place(one)]
        sealed = [one for one in sealed if sidecar(one) in made]
        if sealed:
            params, _ = producer.expand_params(wildcards, files, made, None)
            digest = result_chain.params_digest(params.items())
            job = result_chain.Job(digest, tuple(map(str, files)))
            made_of.update(dict.fromkeys(sealed, job))
    return made_of, inputs


def made_from(files):
    """Return ``{result: algoreg.store.chain.Job}`` of the given files and of all that they are made from."""
    found, todo, seen = {}, [str(file) for file in files], set()
    while todo:
        file = todo.pop()
        if file not in seen and file not in found:
            made_of, inputs = made_by(file)
            found.update(made_of)
            todo += inputs
        seen.add(file)
    return found


def force_stale_results():
    """Force the jobs of stale results among those that this run asks for; say which.

    Snakemake looks at time stamps and, where it remembers a job, at its parameters; results that were copied, mounted or
    stamped otherwise get past both.
    """
    dag = workflow.dag
    asked = [*dag.targetfiles]
    # A target with wildcards is none; Snakemake says so itself.
    for target in (one for one in dag.targetrules if not one.has_wildcards()):
        asked += [*target.products(), *target.expand_input({})[0]]
    stale = result_chain.stale(made_from(asked))
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
    """Look at the chain when targets are known, and before Snakemake decides which jobs to run."""
    build = workflow._build_dag

    def build_checked():
        forget_groups()
        forget_rate()
        force_stale_results()
        build()

    workflow._build_dag = build_checked


# Not in the processes of single jobs: what they make was decided by the first.
if workflow.is_main_process:
    check_chain_before_the_plan()
