"""Build the explorer page, on which descent runs live."""

from pathlib import Path

from algoreg.regression.references import read_table
from algoreg.reporting.explorer import render
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
table = read_table(snakemake.input.reference)
folder = Path(snakemake.input.parts[0]).parent
text = render(folder, snakemake.input.style, table)
records.write_text(snakemake.output.page, text)
records.seal(snakemake.output.page, facts)
