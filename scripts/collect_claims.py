"""Gather the claims of a tier in registry order and print the verdict table."""

from algoreg.store import records
from algoreg.store.provenance import begin_job
from algoreg.tell.wording import verdict_table

facts = begin_job(snakemake)
collected = [records.read_json(path) for path in snakemake.input.claims]
records.write_json(snakemake.output.claims, collected, facts)
print(verdict_table(collected, snakemake.params.job["titles"]))
