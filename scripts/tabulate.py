"""Select the rows of a table of runs from recorded descents."""

from algoreg.results import records, tables
from algoreg.results.provenance import begin_job
from algoreg.settings import selection

facts, block = begin_job(snakemake), snakemake.params.job["block"]
rows = tables.select(block, map(records.read_rows, snakemake.input.parts))
records.write_table(snakemake.output.table, selection.columns(block), rows, facts)
