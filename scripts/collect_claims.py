"""Collect the verdicts on a tier's claims in the order of chapters, and print them as a table."""

from algoreg.reporting.wording import verdict_table
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
collected = [records.read_json(path) for path in snakemake.input.claims]
records.write_json(snakemake.output.claims, collected, facts)
print(verdict_table(collected, snakemake.params.job["titles"]))
