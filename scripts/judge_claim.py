"""Judge one claim of the registry, with its controls."""

from algoreg.store.handover import hand_over

hand_over("pandas", "pydantic.root_model", "scipy.special", "yaml")

from pathlib import Path

from algoreg import plugins
from algoreg.judge import claims, published
from algoreg.spec import plan
from algoreg.store import records
from algoreg.store.provenance import begin_job

facts = begin_job(snakemake)
tables = {Path(path).stem: records.read_table(path) for path in snakemake.input.tables}
curves = {name: published.load_published(name) for name in plan.published_for(snakemake.params.entry)}
functions = {name: plugins.load(reference) for name, reference in snakemake.params.estimands.items()}
verdict = claims.judge(snakemake.params.entry, tables, curves, snakemake.config["seed"], functions)
records.write_json(snakemake.output.claim, verdict, facts)
