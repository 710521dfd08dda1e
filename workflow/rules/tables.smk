# Tidy tables: our runs in the paper's units, and their comparison with the published curves.


rule tabulate:
    input:
        arrays=lambda wildcards: results(
            f"descents/{name}/ensemble-{number}.npz"
            for name, number in jobs.collected(config, wildcards.experiment)
        ),
    output:
        table=table_path("{experiment}"),
        sidecar=sidecar(table_path("{experiment}")),
    log:
        log_path("tabulate/{experiment}"),
    wildcard_constraints:
        experiment="|".join(MEASURED or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=configured("experiments/{experiment}"),
        sources=lambda wildcards: jobs.collected_sources(config, wildcards.experiment),
        code=code("tabulate.py"),
    message:
        "Table {wildcards.experiment}: {input}"
    script:
        "../../scripts/tabulate.py"


rule compare_published:
    input:
        table=lambda wildcards: table_path(
            config["experiments"][wildcards.experiment]["compare"]
        ),
        curve=lambda wildcards: PUBLISHED[
            config["experiments"][wildcards.experiment]["published"]
        ],
    output:
        table=table_path("{experiment}"),
        sidecar=sidecar(table_path("{experiment}")),
    log:
        log_path("compare_published/{experiment}"),
    wildcard_constraints:
        experiment="|".join(COMPARED or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=configured("experiments/{experiment}"),
        code=code("compare_published.py"),
    message:
        "Table {wildcards.experiment}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
