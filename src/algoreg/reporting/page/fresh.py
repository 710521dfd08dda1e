"""The part of the report's overview on fresh seeds."""

from algoreg.regression.replications import too_narrow
from algoreg.reporting import fresh_seeds


def overview(fresh, names):
    """Return the overview's sentences on fresh seeds.

    Parameters
    ----------
    fresh : mapping
        See :func:`algoreg.regression.replications.of_tiers`.
    names : set of str
        The claims of the page: others are left out.

    Returns
    -------
    dict
        ``meaning`` of a verdict that turns, and ``tiers``: mappings with ``tier``, ``sentence``, ``narrow``, the claims
        whose intervals are narrower than their estimates scatter, and ``turned``, those whose verdict was another on
        some seed.
    """
    own = {tier: {name: one for name, one in found.items() if name in names} for tier, found in fresh.items()}
    tiers = [
        {
            "tier": tier,
            "sentence": fresh_seeds.sentence(tier, found),
            "narrow": too_narrow(found)[0],
            "turned": _turned(found),
        }
        for tier, found in own.items()
        if found
    ]
    return {"meaning": fresh_seeds.MEANING, "tiers": tiers}


def _turned(found):
    return [
        {
            "name": name,
            "verdict": one["committed"]["verdict"],
            "counted": f"{one['same']} of {one['seeds']}",
            "others": fresh_seeds.other_verdicts(one),
            "estimates": fresh_seeds.estimates(one),
        }
        for name, one in fresh_seeds.changed_verdicts(found).items()
    ]
