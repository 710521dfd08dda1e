# Gradient descent: a job per descent and ensemble, with all the descent's runs and targets.
rule descend:
    input:
        unpack(
            lambda wildcards: RECIPES.descend(
                wildcards.descent, int(wildcards.ensemble)
            ).inputs
        ),
    output:
        arrays=result("descents/{descent}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("descents/{descent}/ensemble-{ensemble}.npz")),
    log:
        log_path("descend/{descent}-{ensemble}"),
    cache: True
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
        job=lambda wildcards: RECIPES.descend(
            wildcards.descent, int(wildcards.ensemble)
        ).params,
        plan=lambda wildcards: jobs.descent_plan(
            config, wildcards.descent, int(wildcards.ensemble)
        ),
    message:
        "Descent {wildcards.descent}, {params.plan}; progress in {log}"
    script:
        "../../scripts/descend.py"
