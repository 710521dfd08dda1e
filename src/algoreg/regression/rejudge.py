"""What follows from tables alone, without running anything: comparisons with published curves, and verdicts."""

import pandas as pd

from algoreg import plugins
from algoreg.claims import judging, published
from algoreg.claims.intervals import Estimate
from algoreg.numerics.seeds import stream
from algoreg.regression.snapshots import CLAIM_FIELDS, claim_of, frame_of, short
from algoreg.settings import plan
from algoreg.settings.chapters import entry_of


def at_other_values(content, identity, option, values) -> list[Estimate]:
    """Return what a claim's estimand comes to in a reference at other values of one of its options.

    Parameters
    ----------
    content : mapping
        From :func:`algoreg.regression.snapshots.snapshot`, with the claim and its tables.
    identity : str
        The claim.
    option : str
        Of its estimand.
    values : iterable
        At the claim's own value the committed estimate is returned.
    """
    entry, own = entry_of(identity), claim_of(content, identity)
    frames = {name: frame_of(content["tables"][name]) for name in entry["experiments"]}
    options, found = dict(entry["estimand"]), []
    function = plugins.function("estimands", options.pop("name"))
    for value in values:
        if value == options[option]:
            found.append(Estimate(own["estimate"], own["ci_low"], own["ci_high"]))
            continue
        rng = stream("bootstrap", claim=identity, **{option: value})
        found.append(function(frames, {}, rng, **{**options, option: value}))
    return found


def judged(frames, tier, registry):
    """Return the verdicts of the claims whose tables, data frames by name, are all there, by the claims' names."""
    curves = {name: published.load_published(name) for name in published.curves()}
    return {
        entry["id"]: judging.judge(entry, frames, curves, tier["seed"], plugins.functions("estimands"))
        for entry in registry
        if plan.judged(entry, tier) and frames.keys() >= set(entry["experiments"])
    }


def rejudged(content, tier, registry):
    """Return a reference with the comparisons and verdicts that its own tables give.

    A criterion or a published curve that came later is judged this way from runs that are dear. Tables have six digits,
    so that estimates agree with those of the run itself to about as many.

    Parameters
    ----------
    content : mapping
        From :func:`algoreg.regression.snapshots.snapshot`.
    tier : mapping
        Its settings.
    registry : list of mapping

    Returns
    -------
    dict
        Comparisons and claims for which the reference has every table; the rest of it as it was.
    """
    frames = {name: frame_of(table) for name, table in content["tables"].items()}
    comparisons = {}
    for name, block in plan.compared(tier).items():
        if block["compare"] in content["tables"]:
            compare = published.scan_alpha if "scan" in block else published.compare
            rows = compare(frames[block["compare"]], published.load_published(block["published"]))
            comparisons[name] = [{key: short(value) for key, value in row.items()} for row in rows]
    frames.update({name: pd.DataFrame(rows) for name, rows in comparisons.items()})
    found = judged(frames, tier, registry).values()
    return {
        **content,
        "comparisons": comparisons,
        "claims": [{field: verdict[field] for field in CLAIM_FIELDS} for verdict in found],
    }
