# One rule per claim that this tier judges, one for all others, the list of verdicts, and the check that the judge can say no.
JUDGED = [entry for entry in CLAIMS if plan.judged(entry, config)]
SET_ASIDE = [entry for entry in CLAIMS if entry not in JUDGED]
VERDICTS = {entry["id"]: result(f"claims/{entry['id']}.json") for entry in CLAIMS}


for entry in JUDGED:

    rule:
        name:
            plan.rule_name(entry["id"])
        input:
            tables=[table_path(name) for name in entry["experiments"]],
            published=[PUBLISHED[name] for name in plan.published_for(entry)],
        output:
            claim=VERDICTS[entry["id"]],
            sidecar=sidecar(VERDICTS[entry["id"]]),
        log:
            log_path(f"claims/{entry['id']}"),
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            entry=entry,
            seed=config["seed"],
            estimands=plugins.estimands_of(entry),
            code=code("judge_claim.py", plugins.estimands_of(entry).values()),
            versions=VERSIONS,
        message:
            f"Judging {entry['id']}"
        script:
            "../../scripts/judge_claim.py"


# They have no tables to wait for: a job each would only start a Python each.
if SET_ASIDE:

    rule set_claims_aside:
        output:
            claims=[VERDICTS[entry["id"]] for entry in SET_ASIDE],
            sidecars=[sidecar(VERDICTS[entry["id"]]) for entry in SET_ASIDE],
        log:
            log_path("set_claims_aside"),
        # The first of a run: it needs no torch, and so need not wait until that is loaded.
        priority: 25
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            # Of what depends on outputs, Snakemake keeps no copy with each of them: it would be hundreds of times all claims.
            entries=lambda wildcards, output: SET_ASIDE,
            entries_sha256=result_chain.params_digest({"entries": SET_ASIDE}),
            code=code("set_claims_aside.py"),
        message:
            f"Setting {len(SET_ASIDE)} claims aside, which tier {TIER} does not judge"
        script:
            "../../scripts/set_claims_aside.py"


for entry in SET_ASIDE:

    rule:
        name:
            plan.rule_name(entry["id"])
        input:
            VERDICTS[entry["id"]],


rule collect_claims:
    input:
        claims=VERDICTS.values(),
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
    conda:
        "../../environment.yml"
    params:
        code=code("check_controls.py"),
    message:
        "Checking that every control came out as it must"
    script:
        "../../scripts/check_controls.py"
