# Studies are measured. One job measures a small one; the ensembles of a larger one are dealt out to several jobs, each of
# which writes a part.


rule measure:
    input:
        generated=lambda wildcards: results(
            plan.generated_files(
                wildcards.study,
                config["studies"][wildcards.study],
                ensembles_of(wildcards),
            )
        ),
        data=own_data_of,
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("measure/{study}"),
    wildcard_constraints:
        study="|".join(MEASURED_AT_ONCE or ["0"]),
    priority: 5
    group:
        "studies"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        gpu=gpus_per_job(),
    params:
        study_name="{study}",
        study=configured("studies/{study}/study"),
        options=options_of,
        ensembles=ensembles_of,
        seed=config["seed"],
        dtype=lambda wildcards: plan.dtype_of(
            config["studies"][wildcards.study], config
        ),
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/measure-{study}.npz"),
        title=lambda wildcards: sources.module_title(
            "studies", config["studies"][wildcards.study]["study"]
        ),
        code=study_code("measure.py", options_of),
        versions=MEASURED_WITH,
    message:
        "Measuring {wildcards.study}, ensembles {params.ensembles}: {params.title}; progress in {log}"
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
        checkpoint=result("checkpoints/measure-{study}-{part}.npz"),
