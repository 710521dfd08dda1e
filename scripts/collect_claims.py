"""Gather the claims of a tier in registry order and print the verdict table."""

from algoreg import claims, records
from algoreg.provenance import provenance

facts = provenance(snakemake.config)
collected = [records.read_json(path) for path in snakemake.input.claims]
records.write_json(snakemake.output.claims, collected, facts)
records.write_text(snakemake.log[0], claims.verdict_table(collected) + "\n")
