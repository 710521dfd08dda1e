# Gradient descent: one job per descent and ensemble, all runs and targets in one batch.
def descent_arrays(wildcards):
    """Return the problem file of a descent."""
    return result(
        f"problems/{descent_block(wildcards)['problem']}/ensemble-{wildcards.ensemble}.npz"
    )


def descent_code(wildcards):
    """Return the digests of a descent, its ensemble's and algorithm's modules included."""
    ensemble = descent_problem(wildcards)["ensemble"]
    algorithm = descent_block(wildcards)["algorithm"]
    extra = [f"algoreg.ensembles.{ensemble}", f"algoreg.algorithms.{algorithm}"]
    return code_digests("scripts/descend.py", extra)


def expanded_runs(wildcards):
    """Return the runs of a descent."""
    return descent_runs(wildcards.descent)


def plan(wildcards):
    """Return what a descent will do, for its message."""
    block, problem = descent_block(wildcards), descent_problem(wildcards)
    runs = descent_runs(wildcards.descent)
    longest = max(run["iterations"] for run in runs)
    return (
        f"d={problem['d']}, r={problem['rank']}, m={problem['m']}, ensemble {int(wildcards.ensemble) + 1} of "
        f"{problem['ensembles']}: {len(runs)} {block['algorithm']} runs × up to {longest} iterations"
    )


rule descend:
    input:
        arrays=descent_arrays,
    output:
        arrays=result("descents/{descent}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("descents/{descent}/ensemble-{ensemble}.npz")),
    log:
        log_path("descend/{descent}-{ensemble}"),
    benchmark:
        benchmark_path("descend/{descent}-{ensemble}")
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        gpu=(
            1
            if config["device"] == "cuda"
            or Path("/dev/nvidia0").exists()
            and config["device"] == "auto"
            else 0
        ),
    params:
        problem=descent_problem,
        block=descent_block,
        runs=expanded_runs,
        seed=config["seed"],
        dtype=config["dtype"],
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/{descent}-{ensemble}.npz"),
        plan=plan,
        code=descent_code,
        versions=VERSIONS,
    message:
        "Descent {wildcards.descent}, {params.plan}; progress in {log}"
    script:
        "../../scripts/descend.py"
