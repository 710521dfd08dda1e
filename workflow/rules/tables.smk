# Tidy tables: our runs in the paper's units, and their comparison with the published curves.
MEASURED = [
    name for name, block in config["experiments"].items() if "compare" not in block
]
COMPARED = [name for name, block in config["experiments"].items() if "compare" in block]


def experiment_block(wildcards):
    """Return the settings of an experiment."""
    return config["experiments"][wildcards.experiment]


def experiment_pairs(wildcards):
    """Return the (descent, ensemble) pairs that an experiment collects."""
    names = experiment_block(wildcards)["descents"]
    return [
        (name, number)
        for name in names
        for number in settings.descent_ensembles(config, name)
    ]


def experiment_arrays(wildcards):
    """Return the recorded runs that an experiment collects."""
    return [
        result(f"descents/{name}/ensemble-{number}.npz")
        for name, number in experiment_pairs(wildcards)
    ]


def experiment_sources(wildcards):
    """Return what each collected file holds."""
    return [
        {
            "problem": config["problems"][config["descents"][name]["problem"]],
            "ensemble": number,
            "runs": descent_runs(name),
        }
        for name, number in experiment_pairs(wildcards)
    ]


def compared_table(wildcards):
    """Return the table that is compared with a published curve."""
    return table_path(experiment_block(wildcards)["compare"])


def published_curve(wildcards):
    """Return the published curve's file."""
    return str(
        ROOT
        / "reference"
        / "published"
        / f"{experiment_block(wildcards)['published']}.csv"
    )


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
        experiment="|".join(COMPARED or ["none"]),
    conda:
        "../../environment.yml"
    params:
        block=experiment_block,
        code=code_digests("scripts/compare_published.py"),
    message:
        "Table {wildcards.experiment}: our runs beside the published curve"
    script:
        "../../scripts/compare_published.py"
