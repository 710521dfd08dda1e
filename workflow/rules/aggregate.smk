# Tables made of tables: of the parts of one study, of runs that are selected from recorded descents, and of our runs
# beside a published curve.


rule tabulate_study:
    input:
        unpack(lambda wildcards: RECIPES.collect_parts(wildcards.study).inputs),
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("tabulate_study/{study}"),
    wildcard_constraints:
        study=one_of(MEASURED_IN_PARTS),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.collect_parts(wildcards.study).params,
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate_study.py"


rule tabulate:
    input:
        unpack(lambda wildcards: RECIPES.select_runs(wildcards.study).inputs),
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("tabulate/{study}"),
    wildcard_constraints:
        study=one_of(plan.selected(config)),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.select_runs(wildcards.study).params,
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate.py"


rule compare_published:
    input:
        unpack(lambda wildcards: RECIPES.compare_published(wildcards.study).inputs),
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("compare_published/{study}"),
    wildcard_constraints:
        study=one_of(plan.compared(config)),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.compare_published(wildcards.study).params,
    message:
        "Table {wildcards.study}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
