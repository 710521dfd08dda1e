"""Build the page on which descent runs live."""

from pathlib import Path

from algoreg.judge.references import read
from algoreg.judge.snapshots import frame_of
from algoreg.store import records
from algoreg.store.provenance import begin_job
from algoreg.tell.explorer import render

facts = begin_job(snakemake)
table = frame_of(read(snakemake.input.reference)["tables"][snakemake.params.job["table"]])
folder = Path(snakemake.input.parts[0]).parent
text = render(folder, snakemake.input.style, table)
records.write_text(snakemake.output.page, text)
records.seal(snakemake.output.page, facts)
