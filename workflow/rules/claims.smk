# One rule per claim of the registry, the list of verdicts, and the check that the judge can say no.
for entry in CLAIMS:

    rule:
        name:
            plan.rule_name(entry["id"])
        input:
            # None where this tier cannot judge it.
            tables=[
                table_path(name)
                for name in entry["experiments"]
                if plan.judged(entry, config)
            ],
            published=PUBLISHED.values(),
        output:
            claim=result(f"claims/{entry['id']}.json"),
            sidecar=sidecar(result(f"claims/{entry['id']}.json")),
        log:
            log_path(f"claims/{entry['id']}"),
        benchmark:
            benchmark_path(f"claims/{entry['id']}")
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            entry=entry,
            judged=plan.judged(entry, config),
            seed=config["seed"],
            code=code("judge_claim.py", registry.modules_of_claim(entry)),
            versions=VERSIONS,
        message:
            f"Judging {entry['id']}"
        script:
            "../../scripts/judge_claim.py"


rule collect_claims:
    input:
        claims=[result(f"claims/{entry['id']}.json") for entry in CLAIMS],
    output:
        claims=result("claims.json"),
        sidecar=sidecar(result("claims.json")),
    log:
        log_path("collect_claims"),
    benchmark:
        benchmark_path("collect_claims")
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        code=code("collect_claims.py"),
    message:
        "Collecting the verdicts"
    script:
        "../../scripts/collect_claims.py"


rule check_controls:
    input:
        claims=rules.collect_claims.output.claims,
    output:
        report=result("controls.json"),
        sidecar=sidecar(result("controls.json")),
    log:
        log_path("check_controls"),
    benchmark:
        benchmark_path("check_controls")
    conda:
        "../../environment.yml"
    params:
        code=code("check_controls.py"),
    message:
        "Checking that every control came out as it must"
    script:
        "../../scripts/check_controls.py"
