"""Compare one of our tables with the published curve, point by point or over the grid of α."""

from algoreg.store.handover import hand_over

hand_over("pandas", "pydantic.root_model", "yaml")

from algoreg.judge import published
from algoreg.store import records
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
block = snakemake.params.block
table = records.read_table(snakemake.input.table)
curve = published.load_published(block["published"])
rows = published.scan_alpha(table, curve) if "scan" in block else published.compare(table, curve)
records.write_table(snakemake.output.table, list(rows[0]), rows, facts)
