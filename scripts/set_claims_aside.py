"""Write for each claim that this tier does not judge that it does not."""

from algoreg.store.handover import hand_over

hand_over("pydantic.root_model")

from algoreg.judge import claims
from algoreg.store import records
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
for entry, path in zip(snakemake.params.entries, snakemake.output.claims, strict=True):
    records.write_json(path, claims.judge(entry, None, {}, snakemake.config["seed"]), facts)
