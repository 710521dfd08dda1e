# Targets and labels: what is planted, and what the ensembles say of it.
rule draw_problem:
    input:
        unpack(
            lambda wildcards: RECIPES.draw_problem(
                wildcards.problem, int(wildcards.ensemble)
            ).inputs
        ),
    output:
        arrays=result("problems/{problem}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("problems/{problem}/ensemble-{ensemble}.npz")),
    log:
        log_path("draw_problem/{problem}-{ensemble}"),
    cache: True
    # What descents wait for comes first.
    priority: 20
    group:
        "descents"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    params:
        job=lambda wildcards: RECIPES.draw_problem(
            wildcards.problem, int(wildcards.ensemble)
        ).params,
    message:
        "Drawing problem {wildcards.problem}: targets and labels under ensemble {wildcards.ensemble}"
    script:
        "../../scripts/draw_problem.py"
