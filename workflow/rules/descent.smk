# Gradient descent: a job per descent and ensemble, with all its runs and targets.


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
    # The longest jobs first: the short ones then fill what is left of the cores.
    priority: 10
    group:
        "descents"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        gpu=gpus_per_job(),
    params:
        descent=descent_name,
        ensemble=ensemble_number,
        problem=descent_problem,
        block=descent_block,
        runs=expanded_runs,
        record=recorded,
        seed=config["seed"],
        dtype=descent_dtype,
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/{descent}-{ensemble}.npz"),
        plan=plan,
        code=descent_code,
        versions=VERSIONS,
    message:
        "Descent {wildcards.descent}, {params.plan}; progress in {log}"
    script:
        "../../scripts/descend.py"
