"""Gather the claims of a tier in registry order and print the verdict table."""

from algoreg.judge import claims
from algoreg.store import joblog, records
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])

facts = of_job(snakemake)
collected = [records.read_json(path) for path in snakemake.input.claims]
records.write_json(snakemake.output.claims, collected, facts)
print(claims.verdict_table(collected))
