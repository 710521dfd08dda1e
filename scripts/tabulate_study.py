"""Collect a study's parts into one tidy table."""

from algoreg.store import joblog, records, study_tables
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])
facts = of_job(snakemake)
table = study_tables.collect([records.read_table(path) for path in snakemake.input.parts], snakemake.params.study)
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
