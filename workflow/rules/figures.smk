# Pictures of the tables.
rule draw_figure:
    input:
        tables=lambda wildcards: map(table_path, config["figures"][wildcards.figure]),
    output:
        svg=report(
            result("figures/{figure}.svg"),
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda wildcards: sources.chapter_of(
                *registry.modules_of_figure(wildcards.figure)
            ).capitalize(),
            labels={"figure": "{figure}"},
        ),
        pdf=result("figures/{figure}.pdf"),
        png=result("figures/{figure}.png"),
        sidecars=[sidecar(result(f"figures/{{figure}}.{kind}")) for kind in jobs.KINDS],
    log:
        log_path("draw_figure/{figure}"),
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        claims=lambda wildcards: claims_of(wildcards.figure, CLAIMS),
        title=lambda wildcards: sources.figure_title(wildcards.figure),
        code=lambda wildcards: code(
            "draw_figure.py", registry.modules_of_figure(wildcards.figure)
        ),
        matplotlib=version("matplotlib"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/draw_figure.py"
