"""Build the report page of a tier."""

from pathlib import Path

from algoreg.regression import references, replications
from algoreg.reporting.page.render import render
from algoreg.results import chain, records
from algoreg.results.provenance import begin_job
from algoreg.settings.checking import chosen_chapters

facts = begin_job(snakemake)
made = chain.from_params(snakemake.params.required)
chain.require(made)
claims = records.read_json(snakemake.input.claims)
text = render(
    Path(snakemake.input.claims).parent,
    snakemake.params.job["registry"],
    claims,
    snakemake.config,
    records.read_tables(snakemake.input.tables),
    Path(snakemake.input.templates[0]).parent,
    chosen_chapters(snakemake.config),
    {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in snakemake.input.chapters},
    list(map(records.name_in_tier, made)),
    replications.of_tiers({tier: {"claims": references.read_claims(tier)} for tier in replications.tiers()}),
    snakemake.params.job["labels"],
    references.read_claims("standard"),
    snakemake.params.job["lead"],
)
records.write_text(snakemake.output.page, text)
records.seal(snakemake.output.page, facts)
