"""Write for each claim that this tier does not judge that it does not."""

from algoreg.judge import claims
from algoreg.store import joblog, records
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])

facts = of_job(snakemake)
for entry, path in zip(snakemake.params.entries, snakemake.output.claims, strict=True):
    records.write_json(path, claims.judge(entry, None, {}, snakemake.config["seed"]), facts)
