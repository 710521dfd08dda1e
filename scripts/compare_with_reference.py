"""Compare a tier's results with the committed references of its chapters; fail if they differ."""

from pathlib import Path

from algoreg.regression.verify import verify
from algoreg.results import chain, joblog, records

joblog.write_to(snakemake.log[0])

chain.require(chain.from_params(snakemake.params.required))
results = Path(snakemake.output.report).parent
text, passed = verify(results, snakemake.config, snakemake.params.job["chapters"])
print(text, end="")
if not passed:
    raise SystemExit(1)
records.write_text(snakemake.output.report, text)
