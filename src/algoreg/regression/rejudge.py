"""Verdicts and estimates from tables that are committed, without running anything."""

from algoreg import plugins
from algoreg.claims import judging, published
from algoreg.claims.intervals import Estimate
from algoreg.numerics.seeds import stream
from algoreg.regression.references import claim_of
from algoreg.settings import plan
from algoreg.settings.chapters import entry_of


def at_other_values(content, identity, option, values) -> list[Estimate]:
    """Return what a claim's estimand comes to in a reference at other values of one of its options.

    Parameters
    ----------
    content : mapping
        A reference (:mod:`algoreg.regression.references`) with the claim and its tables.
    identity : str
        The claim.
    option : str
        Of its estimand.
    values : iterable
        At the claim's own value the committed estimate is returned.
    """
    entry, own = entry_of(identity), claim_of(content, identity)
    frames = {name: content["tables"][name] for name in entry["experiments"]}
    options, found = dict(entry["estimand"]), []
    function = plugins.function("estimands", options.pop("name"))
    for value in values:
        if value == options[option]:
            found.append(Estimate(own["estimate"], own["ci_low"], own["ci_high"]))
            continue
        rng = stream("bootstrap", claim=identity, **{option: value})
        found.append(function(frames, {}, rng, **{**options, option: value}))
    return found


def rejudge(frames, tier, registry):
    """Return the verdicts of the claims whose tables, data frames by name, are all there, by the claims' names."""
    curves = {name: published.load_published(name) for name in published.curves()}
    return {
        entry["id"]: judging.judge(entry, frames, curves, tier["seed"], plugins.functions("estimands"))
        for entry in registry
        if plan.is_judged(entry, tier) and frames.keys() >= set(entry["experiments"])
    }
