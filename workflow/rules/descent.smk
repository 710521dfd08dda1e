# Gradient descent: a job per descent and ensemble, or for several ensembles of a descent, with all their runs and targets.
for numbers, names in planned.descent_jobs(config).items():

    rule:
        name:
            descent_rule(numbers)
        input:
            arrays=partial(descent_arrays, numbers=numbers),
        output:
            **descent_files(numbers),
        log:
            log_path(f"descend/{{descent}}-{span(numbers)}"),
        benchmark:
            benchmark_path(f"descend/{{descent}}-{span(numbers)}")
        wildcard_constraints:
            descent="|".join(names),
        # The longest jobs first: the short ones then fill what is left of the cores.
        priority: 10
        group:
            "descents"
        conda:
            "../../environment.yml"
        threads: config["threads"]
        resources:
            gpu=gpus_per_job(),
        params:
            descent=descent_name,
            ensembles=partial(job_ensembles, numbers=numbers),
            problem=descent_problem,
            block=descent_block,
            runs=expanded_runs,
            record=recorded,
            seed=config["seed"],
            dtype=descent_dtype,
            torch_threads=config["threads"],
            checkpoints=[result(f"checkpoints/{{descent}}-{n}.npz") for n in numbers],
            plan=partial(plan, numbers=numbers),
            code=descent_code,
            versions=VERSIONS,
        message:
            "Descent {wildcards.descent}, {params.plan}; progress in {log}"
        script:
            "../../scripts/descend.py"
