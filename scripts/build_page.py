"""Build the report page of a tier."""

from pathlib import Path

from algoreg.store import chain, joblog, records
from algoreg.store.provenance import of_job
from algoreg.tell import page

joblog.write_to(snakemake.log[0])

facts = of_job(snakemake)
chain.require(chain.from_params(snakemake.params.chain))
claims = records.read_json(snakemake.input.claims)
text = page.render(
    Path(snakemake.input.claims).parent,
    snakemake.params.registry,
    claims,
    snakemake.config,
    {Path(path).stem: records.read_table(path) for path in snakemake.input.tables},
    Path(snakemake.input.templates[0]).parent,
    Path(snakemake.input.ledger).read_text(encoding="utf-8"),
)
records.write_text(snakemake.output.page, text)
records.seal(snakemake.output.page, facts)
