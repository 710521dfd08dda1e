# Tidy tables: our runs in the paper's units, and their comparison with the published curves.
rule tabulate:
    input:
        unpack(lambda wildcards: RECIPES.tabulate(wildcards.experiment).inputs),
    output:
        table=RECIPES.table("{experiment}"),
        sidecar=sidecar(RECIPES.table("{experiment}")),
    log:
        log_path("tabulate/{experiment}"),
    wildcard_constraints:
        experiment="|".join(MEASURED or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.tabulate(wildcards.experiment).params,
    message:
        "Table {wildcards.experiment}: {input}"
    script:
        "../../scripts/tabulate.py"


rule compare_published:
    input:
        unpack(lambda wildcards: RECIPES.compare_published(wildcards.experiment).inputs),
    output:
        table=RECIPES.table("{experiment}"),
        sidecar=sidecar(RECIPES.table("{experiment}")),
    log:
        log_path("compare_published/{experiment}"),
    wildcard_constraints:
        experiment="|".join(COMPARED or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.compare_published(wildcards.experiment).params,
    message:
        "Table {wildcards.experiment}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
