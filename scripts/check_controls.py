"""Fail if a control came out other than it must, or without an estimate: then the judge, not the paper, is at fault."""

from algoreg.claims import judging
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
collected = records.read_json(snakemake.input.claims)
invalid = [claim["id"] for claim in collected if claim["verdict"] == judging.INVALID]
if invalid:
    raise SystemExit(f"invalid claims (a control came out wrong or undefined, see claims.json): {', '.join(invalid)}")
judged = [claim["id"] for claim in collected if claim["verdict"] != judging.NOT_JUDGED]
records.write_json(snakemake.output.report, {"controls": "as they must be", "judged": judged}, facts)
