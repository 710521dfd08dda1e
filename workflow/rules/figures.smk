# Figures of the tables: one job draws all figures of a chapter.
for chapter, shown in RECIPES.chapter_figures.items():

    rule:
        name:
            f"draw_{chapter}"
        input:
            **RECIPES.draw_figures(chapter).inputs,
        output:
            svg=[
                report(
                    result(f"figures/{figure}.svg"),
                    caption="../report/figure.rst",
                    category="Figures",
                    subcategory=chapter.capitalize(),
                    labels={"figure": figure, "shows": plugins.figure_title(figure)},
                )
                for figure in shown
            ],
            pdf=[result(f"figures/{figure}.pdf") for figure in shown],
            png=[result(f"figures/{figure}.png") for figure in shown],
            sidecars=list(map(sidecar, RECIPES.figures_of(shown))),
        log:
            log_path(f"draw_figures/{chapter}"),
        group:
            "results"
        conda:
            "../../environment.yml"
        params:
            job=RECIPES.draw_figures(chapter).params,
        message:
            f"Drawing the figures of chapter {chapter}: {', '.join(shown)}"
        script:
            "../../scripts/draw_figures.py"
