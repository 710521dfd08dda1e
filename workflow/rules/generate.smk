# Generate the data before they are measured, one file per ensemble: targets and their observations.
rule generate:
    input:
        unpack(
            lambda wildcards: RECIPES.generate(
                wildcards.experiment, int(wildcards.ensemble)
            ).inputs
        ),
    output:
        arrays=result("data/{experiment}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("data/{experiment}/ensemble-{ensemble}.npz")),
    log:
        log_path("generate/{experiment}-{ensemble}"),
    cache: True
    # Generated data come first, because measurements wait for them.
    priority: 20
    group:
        "experiments"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    params:
        job=lambda wildcards: RECIPES.generate(
            wildcards.experiment, int(wildcards.ensemble)
        ).params,
    message:
        "Generating the data of {wildcards.experiment}, ensemble {wildcards.ensemble}"
    script:
        "../../scripts/generate.py"
