# One rule per claim that this tier judges, one rule for all others, the list of verdicts, and the check of the controls.
for entry in RECIPES.judged:

    rule:
        name:
            entries.rule_name(entry["id"])
        input:
            **RECIPES.judge(entry).inputs,
        output:
            claim=RECIPES.verdict(entry),
            sidecar=sidecar(RECIPES.verdict(entry)),
        log:
            log_path(f"claims/{entry['id']}"),
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            job=RECIPES.judge(entry).params,
        message:
            f"Judging {entry['id']}"
        script:
            "../../scripts/judge_claim.py"


# The claims that this tier does not judge read no tables, so one job writes them all and only one Python is started.
if RECIPES.skipped:

    rule skip_claims:
        output:
            claims=list(map(RECIPES.verdict, RECIPES.skipped)),
            sidecars=[sidecar(RECIPES.verdict(entry)) for entry in RECIPES.skipped],
        log:
            log_path("skip_claims"),
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            # Snakemake stores a copy of each parameter with each output, which would be 64 MB for all entries and
            # hundreds of outputs. It does not do so for a parameter that is a function of the outputs.
            job=lambda wildcards, output: RECIPES.skip_claims().params,
            job_sha256=digests.params_digest(RECIPES.skip_claims().params),
        message:
            f"Writing {len(RECIPES.skipped)} claims as not judged: tier {TIER} lacks their runs"
        script:
            "../../scripts/skip_claims.py"


for entry in RECIPES.skipped:

    rule:
        name:
            entries.rule_name(entry["id"])
        input:
            RECIPES.verdict(entry),


rule collect_claims:
    input:
        **RECIPES.collect_claims().inputs,
    output:
        claims=result("claims.json"),
        sidecar=sidecar(result("claims.json")),
    log:
        log_path("collect_claims"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=RECIPES.collect_claims().params,
    message:
        "Collecting the verdicts"
    script:
        "../../scripts/collect_claims.py"


rule check_controls:
    input:
        **RECIPES.check_controls().inputs,
    output:
        report=result("controls.json"),
        sidecar=sidecar(result("controls.json")),
    log:
        log_path("check_controls"),
    conda:
        "../../environment.yml"
    params:
        job=RECIPES.check_controls().params,
    message:
        "Checking the verdicts of the controls"
    script:
        "../../scripts/check_controls.py"
