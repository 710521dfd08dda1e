# What is drawn before it is measured, a file an ensemble: targets, and the labels that the ensemble gives them.
rule generate:
    input:
        unpack(
            lambda wildcards: RECIPES.generate(
                wildcards.study, int(wildcards.ensemble)
            ).inputs
        ),
    output:
        arrays=result("data/{study}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("data/{study}/ensemble-{ensemble}.npz")),
    log:
        log_path("generate/{study}-{ensemble}"),
    cache: True
    # What measurements wait for comes first.
    priority: 20
    group:
        "studies"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    params:
        job=lambda wildcards: RECIPES.generate(
            wildcards.study, int(wildcards.ensemble)
        ).params,
    message:
        "Generating the data of {wildcards.study}, ensemble {wildcards.ensemble}"
    script:
        "../../scripts/generate.py"
