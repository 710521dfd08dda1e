"""Collect recorded runs into one experiment's tidy table."""

from algoreg.spec import grids
from algoreg.store import records, tables
from algoreg.store.provenance import begin_job

facts, job = begin_job(snakemake), snakemake.params.job
descents = [
    (source["problem"], source["algorithm"], source["ensemble"], source["runs"], records.read_arrays(path))
    for source, path in zip(job["sources"], snakemake.input.arrays, strict=True)
]
rows = tables.tabulate(job["block"], descents)
records.write_table(snakemake.output.table, grids.columns(job["block"]), rows, facts)
