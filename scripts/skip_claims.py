"""Write the verdict "not judged" of every claim whose runs this tier lacks."""

from algoreg.claims import judging
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
for entry, path in zip(snakemake.params.job["entries"], snakemake.output.claims, strict=True):
    records.write_json(path, judging.judge(entry, None, {}, snakemake.config["seed"], {}), facts)
