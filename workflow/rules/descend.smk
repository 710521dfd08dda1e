# Measure experiments. One job measures a small experiment; several jobs share the ensembles of a larger one, and each
# writes a part.


rule measure:
    input:
        unpack(lambda wildcards: RECIPES.measure(wildcards.experiment).inputs),
    output:
        table=RECIPES.table("{experiment}"),
        sidecar=sidecar(RECIPES.table("{experiment}")),
    log:
        log_path("measure/{experiment}"),
    wildcard_constraints:
        experiment=one_of(name for name in MEASURED if name not in MEASURED_IN_PARTS),
    cache: True
    priority: 5
    group:
        "experiments"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        gpu=gpus_per_job,
    params:
        job=lambda wildcards: RECIPES.measure(wildcards.experiment).params,
    message:
        "Measuring {wildcards.experiment}; progress in {log}"
    script:
        "../../scripts/measure.py"


use rule measure as measure_part with:
    input:
        unpack(
            lambda wildcards: RECIPES.measure(
                wildcards.experiment, int(wildcards.part)
            ).inputs
        ),
    output:
        table=result("experiments/{experiment}/part-{part}.csv"),
        sidecar=sidecar(result("experiments/{experiment}/part-{part}.csv")),
    log:
        log_path("measure/{experiment}-{part}"),
    wildcard_constraints:
        experiment=one_of(MEASURED_IN_PARTS),
    cache: True
    # Parts come before small experiments, because experiments with parts take longest.
    priority: 7
    params:
        job=lambda wildcards: RECIPES.measure(
            wildcards.experiment, int(wildcards.part)
        ).params,
    message:
        "Measuring {wildcards.experiment}, part {wildcards.part}; progress in {log}"
