"""Write the verdicts of a tier as a table for Snakemake's report."""

from pathlib import Path

from algoreg.reporting import verdict_page
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
claims = records.read_json(snakemake.input.claims)
template = Path(snakemake.input.template).read_text(encoding="utf-8")
records.write_text(
    snakemake.output.table,
    verdict_page.render(claims, snakemake.params.job["titles"], snakemake.config["tier"], template),
)
records.seal(snakemake.output.table, facts)
