# The report page, the table of verdicts, the explorer, executed notebooks, and the comparison with the reference.


report: "../report/workflow.rst"


rule tabulate_verdicts:
    input:
        claims=rules.collect_claims.output.claims,
        template=from_root("workflow", "report", "verdicts.html.j2"),
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
        titles={chapter.name: chapter.title for chapter in CHAPTERS},
        code=code("tabulate_verdicts.py"),
        versions={"jinja2": version("jinja2")},
    message:
        f"Table of the verdicts of tier {TIER}"
    script:
        "../../scripts/tabulate_verdicts.py"


rule build_page:
    input:
        claims=rules.collect_claims.output.claims,
        tables=all_tables(),
        figures=all_figures(),
        spectra=results(jobs.spectrum_files(config)),
        published=PUBLISHED.values(),
        templates=sorted(relative(ROOT.glob("workflow/report/page/*.*"))),
        presets=from_root("workflow", "report", "explorer", "presets.json"),
        chapters=sorted(relative(ROOT.glob("docs/chapters/*.md"))),
        fresh=relative(replications.files()),
        papers=relative(papers.files()),
    output:
        page=report(
            result("report/index.html"),
            caption="../report/page.rst",
            category="Report page",
        ),
        sidecar=sidecar(result("report/index.html")),
    log:
        log_path("build_page"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        registry=CLAIMS,
        settings=settings_hash(config),
        said=[[one.name, one.title, one.question, *one.papers] for one in CHAPTERS],
        chain=expected_chain,
        labels=jobs.page_labels(config),
        # The runs of the spectra have this algorithm's options; see plan.spectrum_descents.
        code=code("build_page.py", ["algoreg.algorithms.factored"]),
        versions={name: version(name) for name in ("jinja2", "mistune", "plotly")},
    message:
        f"Building the report page of tier {TIER}"
    script:
        "../../scripts/build_page.py"


# The same in every tier: its map is of the committed standard tier, its runs are computed where it is read.
rule build_explorer:
    input:
        parts=sorted(relative(ROOT.glob("workflow/report/explorer/*.*"))),
        style=from_root("workflow", "report", "page", "page.css"),
        reference=from_root("reference", "runs", "standard", "theorem.json"),
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
        table="samples_r",
        code=code("build_explorer.py"),
        versions={name: version(name) for name in ("jinja2", "scipy")},
    message:
        "Building the page on which descent runs live"
    script:
        "../../scripts/build_explorer.py"


rule execute_notebook:
    input:
        notebook=from_root("notebooks", "{notebook}.ipynb"),
        template=from_root("workflow", "report", "notebook.html.j2"),
        # What its metadata name; a notebook that opens another result fails.
        results=lambda wildcards: results(NOTEBOOK_READS[wildcards.notebook]["files"]),
        committed=committed_for_notebook,
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
        tier=TIER,
        code=lambda wildcards: code(
            "execute_notebook.py",
            jobs.modules_of_notebook(
                ROOT / "notebooks" / f"{wildcards.notebook}.ipynb"
            ),
        ),
    message:
        "Executing notebook {wildcards.notebook} on tier {params.tier}"
    script:
        "../../scripts/execute_notebook.py"


rule compare_with_reference:
    input:
        **{
            kind: results(files)
            for kind, files in jobs.compared_files(config, REFERENCES).items()
        },
        references=relative(REFERENCES.values()),
        tolerances=from_root("reference", "tolerances.yaml"),
        own_tolerances=relative(references.tolerance_files(CHAPTERS)),
    output:
        report=result("verify.txt"),
    log:
        log_path("compare_with_reference"),
    # In no group, as it needs check_controls, which is in none: what may fail by intent shall not take others with it.
    conda:
        "../../environment.yml"
    params:
        chain=expected_chain,
        chapters=[chapter.name for chapter in CHAPTERS],
        code=code("compare_with_reference.py"),
    message:
        f"Comparing tier {TIER} with its committed reference"
    script:
        "../../scripts/compare_with_reference.py"
