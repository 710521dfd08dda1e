"""Draw all figures of a chapter from their tables, each as SVG, PDF and PNG."""

from algoreg.claims import matching
from algoreg.reporting import figures
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts, job, made = begin_job(snakemake), snakemake.params.job, snakemake.output
tables = records.read_tables(snakemake.input.tables)
curves = matching.read_curves(snakemake.input.get("published", []), job["published"])
curves = {f"published/{name}": curve for name, curve in curves.items()}
for (name, shown), *paths in zip(job["figures"].items(), made.svg, made.pdf, made.png, strict=True):
    figure = figures.draw(
        job["drawings"][name], {**{table: tables[table] for table in shown}, **curves}, job["claims"][name]
    )
    for path, kind in zip(paths, ("svg", "pdf", "png"), strict=True):
        with records.atomic(path) as temporary:
            figures.save(figure, temporary, kind)
        records.seal(path, facts)
