# Pictures of the tables.
rule draw_figure:
    input:
        tables=lambda wildcards: map(table_path, config["figures"][wildcards.figure]),
    output:
        svg=report(
            result("figures/{figure}.svg"),
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda wildcards: plugins.figure_chapter(
                wildcards.figure
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
        drawing=lambda wildcards: plugins.reference("figures", wildcards.figure),
        claims=lambda wildcards: claims_of(wildcards.figure, CLAIMS),
        title=lambda wildcards: plugins.figure_title(wildcards.figure),
        code=lambda wildcards: code(
            "draw_figure.py", [plugins.reference("figures", wildcards.figure)]
        ),
        matplotlib=version("matplotlib"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/draw_figure.py"
