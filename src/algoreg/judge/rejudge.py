"""What follows from the tables of a committed reference: comparisons and verdicts, without running anything."""

import pandas as pd

from algoreg.judge import claims, published
from algoreg.judge.reference import CLAIM_FIELDS, short
from algoreg.spec import plan
from algoreg.store.frames import frame_of


def rejudged(content, tier, registry):
    """Return a reference with the comparisons and verdicts that its own tables give.

    A criterion or a published curve that came later is judged this way from runs that are dear. Tables have six digits,
    so that estimates agree with those of the run itself to about as many.

    Parameters
    ----------
    content : mapping
        From :func:`algoreg.judge.reference.snapshot`.
    tier : mapping
        Its settings.
    registry : list of mapping

    Returns
    -------
    dict
        Comparisons and claims for which the reference has every table; the rest of it as it was.
    """
    frames = {name: frame_of(table) for name, table in content["tables"].items()}
    curves = {name: published.load_published(name) for name in published.curves()}
    comparisons = {}
    for name, block in tier["experiments"].items():
        if block.get("compare") in content["tables"]:
            compare = published.scan_alpha if "scan" in block else published.compare
            rows = compare(frames[block["compare"]], curves[block["published"]])
            comparisons[name] = [{key: short(value) for key, value in row.items()} for row in rows]
    frames.update({name: pd.DataFrame(rows) for name, rows in comparisons.items()})
    found = []
    for entry in registry:
        if plan.judged(entry, tier) and frames.keys() >= set(entry["experiments"]):
            verdict = claims.judge(entry, frames, curves, tier["seed"])
            found.append({field: verdict[field] for field in CLAIM_FIELDS})
    return {**content, "comparisons": comparisons, "claims": sorted(found, key=lambda claim: claim["id"])}
