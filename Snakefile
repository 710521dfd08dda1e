# Loads the tier and the registry, includes the stages, names the targets; nothing else.
from snakemake.utils import min_version

min_version("9.20")


if "tier" not in config:

    configfile: "config/standard.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/machine.smk"
include: "workflow/rules/chain.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/descend.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cache.smk"


NOTEBOOKS = all_notebooks()


rule figures:
    input:
        all_figures(),


rule claims:
    input:
        rules.check_controls.output.report,


rule notebooks:
    input:
        NOTEBOOKS,


rule report:
    input:
        rules.check_controls.output.report,
        rules.build_page.output.page,
        rules.build_explorer.output.page,
        rules.tabulate_verdicts.output.table,
        all_figures(),
        NOTEBOOKS,


rule replication:
    default_target: True
    input:
        rules.report.input,
        all_tables(),


rule verify:
    input:
        rules.compare_with_reference.output.report,


# Of a chapter: its claims, tables and figures.
for chapter in CHAPTERS:

    rule:
        name:
            f"chapter_{chapter.name}"
        input:
            results(jobs.chapter_files(config, chapter)),
