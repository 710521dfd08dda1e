"""Build the report of a tier: the front page, the plots of runs, and a page for each chapter."""

from pathlib import Path

from algoreg.regression import references, replications
from algoreg.reporting import report
from algoreg.reporting.page import addresses
from algoreg.reporting.page.render import render
from algoreg.results import chain, records
from algoreg.results.provenance import begin_job
from algoreg.settings.chapters import load_chapters

facts = begin_job(snakemake)
made = chain.from_params(snakemake.params.required)
chain.require(made)
claims = records.read_json(snakemake.input.claims)
pages = render(
    Path(snakemake.input.claims).parent,
    snakemake.params.job["registry"],
    claims,
    snakemake.config,
    records.read_tables(snakemake.input.tables),
    Path(snakemake.input.templates[0]).parent,
    load_chapters([name for name, *_ in snakemake.params.job["titles"]]),
    {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in snakemake.input.chapters},
    list(map(records.name_in_tier, made)),
    replications.of_tiers({tier: {"claims": references.read_claims(tier)} for tier in replications.tiers()}),
    snakemake.params.job["labels"],
    references.read_claims("standard"),
    snakemake.params.job["lead"],
    "".join(report.filled(Path(path).read_text(encoding="utf-8"))["found"] for path in snakemake.input.readme),
)
for path in snakemake.output.pages:
    records.write_text(path, pages[Path(path).name])
    records.seal(path, facts)
addresses.remove_left_over(snakemake.output.pages)
