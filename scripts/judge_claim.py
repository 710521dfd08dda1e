"""Judge one claim and its controls."""

from algoreg import plugins
from algoreg.claims import judging, matching
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts, job = begin_job(snakemake), snakemake.params.job
tables = records.read_tables(snakemake.input.tables)
curves = matching.read_curves(snakemake.input.get("published", []), job["published"])
functions = {name: plugins.load(reference) for name, reference in job["estimands"].items()}
verdict = judging.judge(job["entry"], tables, curves, snakemake.config["seed"], functions)
records.write_json(snakemake.output.claim, verdict, facts)
