# Results whose sidecars say that they are not what would be made now are made again.


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
        lines = [
            f"Made again, of results that are there ({len(stale)}):",
            *shown,
            *more,
        ]
        print("\n".join(lines), file=sys.stderr)


def check_chain_before_the_plan():
    """Look at the chain when targets are known, and before Snakemake decides which jobs to run."""
    build = workflow._build_dag

    def build_checked():
        force_stale_results()
        build()

    workflow._build_dag = build_checked


# Not in the processes of single jobs: what they make was decided by the first.
if workflow.is_main_process:
    check_chain_before_the_plan()
