# Studies measure what has a shape of its own. One job measures a small one; the ensembles of a larger one are dealt out to
# several, and one table collects what they measured.


rule measure:
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("measure/{study}"),
    wildcard_constraints:
        study="|".join(MEASURED_AT_ONCE or ["0"]),
    cache: True
    # After descents, which take longer.
    priority: 5
    group:
        "studies"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        gpu=gpus_per_job(),
    params:
        job=lambda wildcards: RECIPES.measure(wildcards.study).params,
    message:
        "Measuring {wildcards.study}; progress in {log}"
    script:
        "../../scripts/measure.py"


use rule measure as measure_part with:
    output:
        table=result("studies/{study}/part-{part}.csv"),
        sidecar=sidecar(result("studies/{study}/part-{part}.csv")),
    log:
        log_path("measure/{study}-{part}"),
    wildcard_constraints:
        study="|".join(MEASURED_IN_PARTS or ["0"]),
    # Before the small ones: what is dealt out takes longest.
    priority: 7
    params:
        job=lambda wildcards: RECIPES.measure(
            wildcards.study, int(wildcards.part)
        ).params,
    message:
        "Measuring {wildcards.study}, part {wildcards.part}; progress in {log}"


rule tabulate_study:
    input:
        unpack(lambda wildcards: RECIPES.collect_parts(wildcards.study).inputs),
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("tabulate_study/{study}"),
    wildcard_constraints:
        study="|".join(MEASURED_IN_PARTS or ["0"]),
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
