# Pictures of the tables.
rule draw_figure:
    input:
        tables=figure_tables,
    output:
        svg=report(
            result("figures/{figure}.svg"),
            caption="../report/figure.rst",
            category="Figures",
            subcategory=figure_subject,
            labels={"figure": "{figure}"},
        ),
        pdf=result("figures/{figure}.pdf"),
        png=result("figures/{figure}.png"),
        sidecars=[
            sidecar(result(f"figures/{{figure}}.{kind}"))
            for kind in ("svg", "pdf", "png")
        ],
    log:
        log_path("draw_figure/{figure}"),
    benchmark:
        benchmark_path("draw_figure/{figure}")
    group:
        "results"
    conda:
        "../../environment.yml"
    params:
        title=figure_caption,
        claims=figure_claims,
        code=figure_code,
        matplotlib=version("matplotlib"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/draw_figure.py"
