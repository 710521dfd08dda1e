"""Execute a notebook on this tier's results; write the executed copy and a page."""

import os
import tempfile
from pathlib import Path

import matplotlib
import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from algoreg.reporting import executed, opened
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
os.environ["ALGOREG_TIER"] = snakemake.params.job["tier"]
# These are also correct if another workflow has imported this one, and results are not below this repository.
root = Path(snakemake.input.notebook).resolve().parents[1]
results = Path(snakemake.output.notebook).resolve().parents[1]
os.environ["ALGOREG_ROOT"], os.environ["ALGOREG_RESULTS"] = str(root), str(results)
# With another backend of the user's, the notebook would have no figures.
os.environ.pop("MPLBACKEND", None)
# The figures do not use the user's fonts and colours.
os.environ["MATPLOTLIBRC"] = matplotlib.get_data_path()
read = [*snakemake.input.results, *map(records.sidecar_path, snakemake.input.results), *snakemake.input.committed]
notebook = nbformat.read(snakemake.input.notebook, as_version=4)
# The kernel has sockets in its own folder, because kernels that start at the same time can choose the same TCP ports,
# and then one of them dies.
with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
    line = opened.write(Path(folder) / "read.json", [results, root / "reference"], read)
    # After the last cell the kernel has nothing to clean up, so its shutdown is immediate.
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        # Streams are joined, because how output is split into messages depends on the machine's load.
        coalesce_streams=True,
        shutdown_kernel="immediate",
        extra_arguments=[f"--IPKernelApp.exec_lines={line}"],
    )
    client.km = client.create_kernel_manager()
    client.km.connection_file = str(Path(folder) / "kernel.json")
    # On some systems the path of a socket may have at most 103 bytes.
    if len(f"{client.km.connection_file}-ipc-5".encode()) <= 103:
        client.km.transport = "ipc"
    client.execute()
executed.relink(notebook, snakemake.output.notebook, root)
executed.describe(notebook)
name = {"metadata": {"name": Path(snakemake.input.notebook).stem.replace("_", " ")}}
page, _ = HTMLExporter(template_file=snakemake.input.template).from_notebook_node(notebook, name)
for path, text in ((snakemake.output.notebook, nbformat.writes(notebook)), (snakemake.output.html, page)):
    records.write_text(path, text)
    records.seal(path, facts)
