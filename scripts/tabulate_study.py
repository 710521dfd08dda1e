"""Collect a study's parts into one tidy table."""

from algoreg.store.handover import hand_over

hand_over("pandas")

from algoreg.store import records, study_tables
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
frames, params = [records.read_table(path) for path in snakemake.input.parts], snakemake.params
table = study_tables.collect(frames, params.study, params.key_columns, params.columns)
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
