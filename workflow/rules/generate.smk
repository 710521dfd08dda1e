# What is drawn before it is measured, a file an ensemble: targets, and the labels that the ensemble gives them.
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
    # What measurements wait for comes first.
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
