"""Collect an experiment's parts into one tidy table."""

from algoreg.results import experiment_tables, records
from algoreg.results.provenance import begin_job

facts, job = begin_job(snakemake), snakemake.params.job
frames = [records.read_table(path) for path in snakemake.input.parts]
table = experiment_tables.collect(frames, job["experiment"], job["key_columns"], job["columns"])
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
