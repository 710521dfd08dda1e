# Gradient descent: a job per descent and ensemble, with all the descent's runs and targets.
rule descend:
    input:
        arrays=lambda wildcards: result(
            f"problems/{config['descents'][wildcards.descent]['problem']}/ensemble-{wildcards.ensemble}.npz"
        ),
        data=lambda wildcards: jobs.data_file(problem_of(wildcards)),
    output:
        arrays=result("descents/{descent}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("descents/{descent}/ensemble-{ensemble}.npz")),
    log:
        log_path("descend/{descent}-{ensemble}"),
    # The longest jobs first: the short ones then fill what is left of the cores.
    priority: 10
    group:
        "descents"
    conda:
        "../../environment.yml"
    threads: lambda wildcards: jobs.cores(problem_of(wildcards), config["threads"])
    resources:
        gpu=lambda wildcards: jobs.cores(problem_of(wildcards), gpus_per_job()),
    params:
        descent="{descent}",
        ensemble=lambda wildcards: int(wildcards.ensemble),
        problem=problem_of,
        block=configured("descents/{descent}"),
        runs=lambda wildcards: jobs.descent_runs(config, wildcards.descent),
        record=lambda wildcards: plan.own_record(config, wildcards.descent),
        seed=config["seed"],
        dtype=configured("descents/{descent}/dtype", config["dtype"]),
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/{descent}-{ensemble}.npz"),
        plan=lambda wildcards: jobs.descent_plan(
            config, wildcards.descent, int(wildcards.ensemble)
        ),
        code=lambda wildcards: code(
            "descend.py",
            [
                plugins.module_name("ensembles", problem_of(wildcards)["ensemble"]),
                plugins.module_name(
                    "algorithms", config["descents"][wildcards.descent]["algorithm"]
                ),
            ],
        ),
        versions=COMPILED,
    message:
        "Descent {wildcards.descent}, {params.plan}; progress in {log}"
    script:
        "../../scripts/descend.py"
