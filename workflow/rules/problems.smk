# Targets and labels: what is planted, and what the ensembles say of it.
rule draw_problem:
    output:
        arrays=result("problems/{problem}/ensemble-{ensemble}.npz"),
        sidecar=sidecar(result("problems/{problem}/ensemble-{ensemble}.npz")),
    log:
        log_path("draw_problem/{problem}-{ensemble}"),
    benchmark:
        benchmark_path("draw_problem/{problem}-{ensemble}")
    # What descents wait for comes first.
    priority: 20
    group:
        "descents"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    params:
        problem_name=problem_name,
        ensemble=ensemble_number,
        problem=problem_block,
        seed=config["seed"],
        torch_threads=config["threads"],
        code=problem_code,
        versions=VERSIONS,
    message:
        "Drawing problem {wildcards.problem}: targets and labels under ensemble {wildcards.ensemble}"
    script:
        "../../scripts/draw_problem.py"
