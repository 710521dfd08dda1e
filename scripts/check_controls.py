"""Fail if a control has a wrong verdict or no estimate, because the judging code is then at fault and not the paper."""

from algoreg.claims import judging
from algoreg.results import records
from algoreg.results.provenance import begin_job

facts = begin_job(snakemake)
collected = records.read_json(snakemake.input.claims)
invalid = [claim["id"] for claim in collected if claim["verdict"] == judging.INVALID]
if invalid:
    raise SystemExit(
        f"invalid claims (a control has a wrong verdict or no estimate, see claims.json): {', '.join(invalid)}"
    )
judged = [claim["id"] for claim in collected if claim["verdict"] != judging.NOT_JUDGED]
records.write_json(snakemake.output.report, {"controls": "as they must be", "judged": judged}, facts)
