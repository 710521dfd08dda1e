# What is drawn before it is measured, a file an ensemble: targets, and the labels that the ensemble gives them.
rule generate:
    input:
        data=own_data_of,
    output:
        arrays=result("data/{study}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("data/{study}/ensemble-{ensemble}.npz")),
    log:
        log_path("generate/{study}-{ensemble}"),
    wildcard_constraints:
        study="|".join(GENERATED or ["0"]),
    # What measurements wait for comes first.
    priority: 20
    group:
        "studies"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    params:
        study_name="{study}",
        study=configured("studies/{study}/study"),
        options=drawn_options_of,
        ensemble=lambda wildcards: int(wildcards.ensemble),
        seed=config["seed"],
        torch_threads=config["threads"],
        code=study_code("generate.py", drawn_options_of),
        versions=VERSIONS,
    message:
        "Generating the data of {wildcards.study}, ensemble {wildcards.ensemble}"
    script:
        "../../scripts/generate.py"
