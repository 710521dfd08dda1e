# Tidy tables: our runs in the paper's units, and their comparison with the published curves.


rule tabulate:
    input:
        arrays=experiment_arrays,
    output:
        table=table_path("{experiment}"),
        sidecar=sidecar(table_path("{experiment}")),
    log:
        log_path("tabulate/{experiment}"),
    benchmark:
        benchmark_path("tabulate/{experiment}")
    wildcard_constraints:
        experiment="|".join(MEASURED),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=experiment_block,
        sources=experiment_sources,
        code=code_digests("scripts/tabulate.py"),
    message:
        "Table {wildcards.experiment}: {input}"
    script:
        "../../scripts/tabulate.py"


rule compare_published:
    input:
        table=compared_table,
        curve=published_curve,
    output:
        table=table_path("{experiment}"),
        sidecar=sidecar(table_path("{experiment}")),
    log:
        log_path("compare_published/{experiment}"),
    benchmark:
        benchmark_path("compare_published/{experiment}")
    wildcard_constraints:
        experiment="|".join(COMPARED or ["0"]),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        block=experiment_block,
        code=code_digests("scripts/compare_published.py"),
    message:
        "Table {wildcards.experiment}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
