# The report, the table of verdicts, the explorer, executed notebooks, and the comparison with the reference.


report: "../report/workflow.rst"


rule tabulate_verdicts:
    input:
        **RECIPES.tabulate_verdicts().inputs,
    output:
        table=report(
            result("report/verdicts.html"),
            caption="../report/verdicts.rst",
            category="Verdicts",
        ),
        sidecar=sidecar(result("report/verdicts.html")),
    log:
        log_path("tabulate_verdicts"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=RECIPES.tabulate_verdicts().params,
    message:
        f"Table of the verdicts of tier {TIER}"
    script:
        "../../scripts/tabulate_verdicts.py"


PAGE = RECIPES.build_page("recovery_law")


rule build_page:
    input:
        **PAGE.inputs,
    output:
        # The pages are not in Snakemake's own report, which embeds single files: they link to each other and to figures.
        pages=RECIPES.pages(),
        sidecars=[sidecar(page) for page in RECIPES.pages()],
    log:
        log_path("build_page"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=PAGE.params,
        required=lambda wildcards, input: required(input),
    message:
        f"Building the report of tier {TIER}"
    script:
        "../../scripts/build_page.py"


EXPLORER = RECIPES.build_explorer("theorem", "samples_r")


rule build_explorer:
    input:
        **EXPLORER.inputs,
    output:
        page=report(
            result("explorer.html"),
            caption="../report/explorer.rst",
            category="Explorer",
        ),
        sidecar=sidecar(result("explorer.html")),
    log:
        log_path("build_explorer"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=EXPLORER.params,
    message:
        "Building the explorer page, on which descent runs live"
    script:
        "../../scripts/build_explorer.py"


rule execute_notebook:
    input:
        unpack(lambda wildcards: RECIPES.execute_notebook(wildcards.notebook).inputs),
    output:
        notebook=result("notebooks/{notebook}.ipynb"),
        html=report(
            result("notebooks/{notebook}.html"),
            caption="../report/notebook.rst",
            category="Notebooks",
            labels={"notebook": "{notebook}"},
        ),
        sidecars=[
            sidecar(result(f"notebooks/{{notebook}}.{kind}"))
            for kind in ("ipynb", "html")
        ],
    log:
        log_path("execute_notebook/{notebook}"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: RECIPES.execute_notebook(wildcards.notebook).params,
    message:
        f"Executing notebook {{wildcards.notebook}} on tier {TIER}"
    script:
        "../../scripts/execute_notebook.py"


rule compare_with_reference:
    input:
        **RECIPES.compare_with_reference().inputs,
    output:
        report=result("verify.txt"),
    log:
        log_path("compare_with_reference"),
    # This rule and check_controls, which it needs, are in no group, because they may fail by intent and a failing job
    # would stop the others of its group.
    conda:
        "../../environment.yml"
    params:
        job=RECIPES.compare_with_reference().params,
        required=lambda wildcards, input: required(input),
    message:
        f"Comparing tier {TIER} with its committed reference"
    script:
        "../../scripts/compare_with_reference.py"
