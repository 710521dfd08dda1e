"""Compare one of our tables with the published curve, point by point or over the grid of α."""

from algoreg.claims import matching
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts, job = begin_job(snakemake), snakemake.params.job
table = records.read_table(snakemake.input.table)
curve = matching.read_curve(snakemake.input.curve, job["published"])
rows = matching.scan_alpha(table, curve) if "scan" in job["block"] else matching.compare(table, curve)
records.write_table(snakemake.output.table, list(rows[0]), rows, facts)
