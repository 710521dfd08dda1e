"""Collect recorded runs into one experiment's tidy table."""

from algoreg.store.handover import hand_over

hand_over("numpy")

from algoreg.spec import grids
from algoreg.store import records, tables
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
descents = [
    (source["problem"], source["algorithm"], source["ensemble"], source["runs"], records.read_arrays(path))
    for source, path in zip(snakemake.params.sources, snakemake.input.arrays, strict=True)
]
rows = tables.tabulate(snakemake.params.block, descents)
records.write_table(snakemake.output.table, grids.columns(snakemake.params.block), rows, facts)
