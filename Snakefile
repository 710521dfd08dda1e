# This file only loads the tier, includes the stages and names the targets.
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
        rules.build_page.output.pages,
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


# One target per chapter: its claims, tables and figures.
for chapter in RECIPES.chapters:

    rule:
        name:
            f"chapter_{chapter.name}"
        input:
            RECIPES.results(jobs.chapter_files(config, chapter)),
