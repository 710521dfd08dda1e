# Studies measure what has a shape of its own: each job takes some of the ensembles, one table collects them.


rule measure:
    output:
        table=result("studies/{study}/part-{part}.csv"),
        sidecar=sidecar(result("studies/{study}/part-{part}.csv")),
    log:
        log_path("measure/{study}-{part}"),
    benchmark:
        benchmark_path("measure/{study}-{part}")
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
        study_name=study_name,
        part=part_number,
        study=study_module,
        options=study_options,
        ensembles=part_ensembles,
        seed=config["seed"],
        dtype=study_dtype,
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/measure-{study}-{part}.npz"),
        title=study_title,
        code=study_code,
        versions=STUDY_VERSIONS,
    message:
        "Measuring {wildcards.study}, ensembles {params.ensembles}: {params.title}; progress in {log}"
    script:
        "../../scripts/measure.py"


rule tabulate_study:
    input:
        parts=study_tables,
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("tabulate_study/{study}"),
    benchmark:
        benchmark_path("tabulate_study/{study}")
    wildcard_constraints:
        study="|".join(STUDIES or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        study_name=study_name,
        study=study_module,
        options=study_options,
        code=code_digests("scripts/tabulate_study.py"),
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate_study.py"
