# Targets and labels: what is planted, and what the ensembles say of it.
rule draw_problem:
    input:
        lambda wildcards: jobs.data_file(config["problems"][wildcards.problem]),
    output:
        arrays=result("problems/{problem}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("problems/{problem}/ensemble-{ensemble}.npz")),
    log:
        log_path("draw_problem/{problem}-{ensemble}"),
    # What descents wait for comes first.
    priority: 20
    group:
        "descents"
    conda:
        "../../environment.yml"
    threads: lambda wildcards: jobs.cores(config["problems"][wildcards.problem], config["threads"])
    params:
        problem_name="{problem}",
        ensemble=lambda wildcards: int(wildcards.ensemble),
        problem=configured("problems/{problem}"),
        seed=config["seed"],
        torch_threads=config["threads"],
        code=lambda wildcards: code(
            "draw_problem.py",
            [
                plugins.module_name(
                    "ensembles", config["problems"][wildcards.problem]["ensemble"]
                )
            ],
        ),
        versions=VERSIONS,
    message:
        "Drawing problem {wildcards.problem}: targets and labels under ensemble {wildcards.ensemble}"
    script:
        "../../scripts/draw_problem.py"
