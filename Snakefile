# Loads the tier, includes the stages, names the targets; nothing else.
from snakemake.utils import min_version

min_version("9.20")


if "tier" not in config:

    configfile: "config/standard.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/descend.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"


def all_notebooks():
    """Return the executed notebooks whose results this tier has, as pages; say which are left out for what they lack."""
    for name, reads in RECIPES.notebooks.items():
        if reads["lacking"] and IS_MAIN_PROCESS:
            logger.info(
                f"Notebook {name} left out: tier {TIER} has no {', no '.join(reads['lacking'])}."
            )
    return [
        result(f"notebooks/{name}.html")
        for name, reads in RECIPES.notebooks.items()
        if not reads["lacking"]
    ]


rule figures:
    input:
        RECIPES.figures_of(config["figures"]),


rule claims:
    input:
        rules.check_controls.output.report,


rule notebooks:
    input:
        all_notebooks(),


rule report:
    input:
        rules.claims.input,
        rules.build_page.output.page,
        rules.build_explorer.output.page,
        rules.tabulate_verdicts.output.table,
        rules.figures.input,
        rules.notebooks.input,


rule replication:
    default_target: True
    input:
        rules.report.input,
        RECIPES.tables(),


rule verify:
    input:
        rules.compare_with_reference.output.report,


# Of a chapter: its claims, tables and figures.
for chapter in RECIPES.chapters:

    rule:
        name:
            f"chapter_{chapter.name}"
        input:
            RECIPES.results(jobs.chapter_files(config, chapter)),
