"""Compare a tier's results with the committed reference; fail if they differ."""

import json
from pathlib import Path

from algoreg.judge import reference
from algoreg.store import chain, joblog, records

joblog.write_to(snakemake.log[0])

chain.require(chain.from_params(snakemake.params.chain))
results = Path(snakemake.output.report).parent
old = json.loads(Path(snakemake.input.reference).read_text(encoding="utf-8"))
new = reference.snapshot(results, snakemake.config, partial=old.get("partial", False))
lines, passed = reference.compare(new, old)
text = "\n".join([*lines, "verify: passed" if passed else "verify: FAILED"]) + "\n"
print(text, end="")
if not passed:
    raise SystemExit(1)
records.write_text(snakemake.output.report, text)
