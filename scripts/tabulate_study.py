"""Collect a study's parts into one tidy table."""

from algoreg.store import records, study_tables
from algoreg.store.provenance import begin_job

facts, job = begin_job(snakemake), snakemake.params.job
frames = [records.read_table(path) for path in snakemake.input.parts]
table = study_tables.collect(frames, job["study"], job["key_columns"], job["columns"])
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
