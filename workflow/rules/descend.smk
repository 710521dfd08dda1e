# Studies are measured. One job measures a small one; the ensembles of a larger one are dealt out to several jobs, each of
# which writes a part.


rule measure:
    input:
        unpack(lambda wildcards: RECIPES.measure(wildcards.study).inputs),
    output:
        table=RECIPES.table("{study}"),
        sidecar=sidecar(RECIPES.table("{study}")),
    log:
        log_path("measure/{study}"),
    wildcard_constraints:
        study=one_of(name for name in MEASURED if name not in MEASURED_IN_PARTS),
    cache: True
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
    input:
        unpack(
            lambda wildcards: RECIPES.measure(
                wildcards.study, int(wildcards.part)
            ).inputs
        ),
    output:
        table=result("studies/{study}/part-{part}.csv"),
        sidecar=sidecar(result("studies/{study}/part-{part}.csv")),
    log:
        log_path("measure/{study}-{part}"),
    wildcard_constraints:
        study=one_of(MEASURED_IN_PARTS),
    cache: True
    # Before the small ones: what is dealt out takes longest.
    priority: 7
    params:
        job=lambda wildcards: RECIPES.measure(
            wildcards.study, int(wildcards.part)
        ).params,
    message:
        "Measuring {wildcards.study}, part {wildcards.part}; progress in {log}"
