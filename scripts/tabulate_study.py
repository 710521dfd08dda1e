"""Collect a study's parts into one tidy table."""

from algoreg.store import records, study_tables
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
table = study_tables.collect(
    [records.read_table(path) for path in snakemake.input.parts], snakemake.params.job["study"]
)
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
