"""Judge one claim of the registry, with its controls."""

from pathlib import Path

from algoreg.judge import claims
from algoreg.store import joblog, records
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])

facts = of_job(snakemake)
entry, tables, curves = snakemake.params.entry, None, {}
if snakemake.params.judged:
    from algoreg.judge import published

    tables = {Path(path).stem: records.read_table(path) for path in snakemake.input.tables}
    curves = {name: published.load_published(name) for name in published.curves()}
records.write_json(snakemake.output.claim, claims.judge(entry, tables, curves, snakemake.config["seed"]), facts)
