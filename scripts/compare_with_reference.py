"""Compare a tier's results with the committed reference; fail if they differ."""

import json
from pathlib import Path

from algoreg import records, reference

results = Path(snakemake.input.verdicts).parent
old = json.loads(Path(snakemake.input.reference).read_text(encoding="utf-8"))
lines, passed = reference.compare(reference.snapshot(results, snakemake.config), old)
text = "\n".join([*lines, "verify: passed" if passed else "verify: FAILED"]) + "\n"
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
if not passed:
    raise SystemExit("\n" + text)
records.write_text(snakemake.output.report, text)
