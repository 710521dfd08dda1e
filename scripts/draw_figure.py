"""Draw one figure from its tables, as SVG, PDF and PNG."""

from algoreg.store.handover import hand_over

hand_over(
    "matplotlib.pyplot",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "pandas",
    "PIL.PngImagePlugin",
    "pydantic.root_model",
    "scipy.optimize",
    "yaml",
)

from pathlib import Path

from algoreg.store import records
from algoreg.store.provenance import begin_job
from algoreg.tell import figures

facts = begin_job(snakemake)
tables = {Path(path).stem: records.read_table(path) for path in snakemake.input.tables}
figure = figures.draw(snakemake.params.drawing, tables, snakemake.params.claims)
for path in (snakemake.output.svg, snakemake.output.pdf, snakemake.output.png):
    with records.atomic(path) as temporary:
        figures.save(figure, temporary, Path(path).suffix[1:])
    records.seal(path, facts)
