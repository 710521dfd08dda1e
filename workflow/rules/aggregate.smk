# Tables that are made from other tables: the joined parts of an experiment, runs that are selected from recorded
# descents, and our runs beside a published curve.


rule tabulate_experiment:
    input:
        unpack(lambda wildcards: RECIPES.collect_parts(wildcards.experiment).inputs),
    output:
        table=RECIPES.table("{experiment}"),
        sidecar=sidecar(RECIPES.table("{experiment}")),
    log:
        log_path("tabulate_experiment/{experiment}"),
    wildcard_constraints:
        experiment=one_of(MEASURED_IN_PARTS),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.collect_parts(wildcards.experiment).params,
    message:
        "Table {wildcards.experiment}: {input}"
    script:
        "../../scripts/tabulate_experiment.py"


rule tabulate:
    input:
        unpack(lambda wildcards: RECIPES.select_runs(wildcards.experiment).inputs),
    output:
        table=RECIPES.table("{experiment}"),
        sidecar=sidecar(RECIPES.table("{experiment}")),
    log:
        log_path("tabulate/{experiment}"),
    wildcard_constraints:
        experiment=one_of(plan.selected(config)),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.select_runs(wildcards.experiment).params,
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
        experiment=one_of(plan.compared(config)),
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
