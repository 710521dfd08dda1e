# Tables made of tables: of the parts of one study, of runs that are selected from recorded descents, and of our runs
# beside a published curve.


rule tabulate_study:
    input:
        parts=lambda wildcards: results(
            plan.part_files(wildcards.study, config["studies"][wildcards.study])
        ),
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("tabulate_study/{study}"),
    wildcard_constraints:
        study="|".join(MEASURED_IN_PARTS or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        study_name="{study}",
        study=configured("studies/{study}/study"),
        options=options_of,
        code=code("tabulate_study.py"),
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate_study.py"


rule tabulate:
    input:
        parts=lambda wildcards: results(jobs.selected_files(config, wildcards.study)),
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("tabulate/{study}"),
    wildcard_constraints:
        study="|".join(plan.selected(config) or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=configured("studies/{study}"),
        code=code("tabulate.py"),
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate.py"


rule compare_published:
    input:
        table=lambda wildcards: table_path(
            config["studies"][wildcards.study]["compare"]
        ),
        curve=lambda wildcards: PUBLISHED[
            config["studies"][wildcards.study]["published"]
        ],
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("compare_published/{study}"),
    wildcard_constraints:
        study="|".join(plan.compared(config) or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=configured("studies/{study}"),
        code=code("compare_published.py"),
    message:
        "Table {wildcards.study}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
