# Studies measure what has a shape of its own. One job measures a small one; the ensembles of a larger one are dealt out to
# several, and one table collects what they measured.


rule measure:
    output:
        table=table_path("{study}"),
        sidecar=sidecar(table_path("{study}")),
    log:
        log_path("measure/{study}"),
    wildcard_constraints:
        study="|".join(MEASURED_AT_ONCE or ["0"]),
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
        study_name="{study}",
        study=configured("studies/{study}/study"),
        options=options_of,
        ensembles=lambda wildcards: parts_of(wildcards)[0],
        seed=config["seed"],
        # Verdicts are judged from studies.
        dtype=configured("studies/{study}/dtype", "float64"),
        torch_threads=config["threads"],
        checkpoint=result("checkpoints/measure-{study}.npz"),
        title=lambda wildcards: plugins.module_title(
            "studies", config["studies"][wildcards.study]["study"]
        ),
        code=lambda wildcards: code(
            "measure.py",
            plugins.modules_of_study(
                config["studies"][wildcards.study]["study"], options_of(wildcards)
            ),
        ),
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
        ensembles=lambda wildcards: parts_of(wildcards)[int(wildcards.part)],
        checkpoint=result("checkpoints/measure-{study}-{part}.npz"),


rule tabulate_study:
    input:
        parts=lambda wildcards: results(
            f"studies/{wildcards.study}/part-{part}.csv"
            for part in range(len(parts_of(wildcards)))
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
        key_columns=lambda wildcards: list(study_of(wildcards).KEYS),
        columns=lambda wildcards: study_tables.columns(study_of(wildcards)),
        code=code("tabulate_study.py"),
    message:
        "Table {wildcards.study}: {input}"
    script:
        "../../scripts/tabulate_study.py"
