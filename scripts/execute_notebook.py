"""Execute a notebook on this tier's results; write the executed copy and a page."""

# ruff: isort: off
import os

# Before nbformat, which would load jsonschema with all that it can check.
import algoreg.schemas  # noqa: F401
import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from algoreg import joblog, records
from algoreg.provenance import provenance

joblog.write_to(snakemake.log[0])

facts = provenance(snakemake.config)
os.environ["ALGOREG_TIER"] = snakemake.params.tier
# A backend chosen for other work would leave the notebook's pictures out.
os.environ.pop("MPLBACKEND", None)
notebook = nbformat.read(snakemake.input.notebook, as_version=4)
NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False).execute()
page, _ = HTMLExporter().from_notebook_node(notebook)
for path, text in ((snakemake.output.notebook, nbformat.writes(notebook)), (snakemake.output.html, page)):
    records.write_text(path, text)
    records.seal(path, facts)
