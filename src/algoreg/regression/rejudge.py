"""Compute verdicts and estimates from committed tables, without running anything."""

from algoreg import plugins
from algoreg.claims import judging, published
from algoreg.claims.intervals import Estimate
from algoreg.numerics.seeds import stream
from algoreg.regression.references import claim_of
from algoreg.settings import plan
from algoreg.settings.chapters import entry_of


def at_other_values(content, identity, option, values) -> list[Estimate]:
    """Return the estimates of a claim from a reference, at other values of one of its estimand's options.

    Parameters
    ----------
    content : mapping
        A reference (:mod:`algoreg.regression.references`) with the claim and its tables.
    identity : str
        The claim's id.
    option : str
        The option of its estimand.
    values : iterable
        The option's values. At the value in the claim the committed estimate is returned.
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
    """Return ``{id: verdict}`` of the claims whose tables are all in ``frames``, data frames by name."""
    curves = {name: published.load_published(name) for name in published.curves()}
    return {
        entry["id"]: judging.judge(entry, frames, curves, tier["seed"], plugins.functions("estimands"))
        for entry in registry
        if plan.is_judged(entry, tier) and frames.keys() >= set(entry["experiments"])
    }
