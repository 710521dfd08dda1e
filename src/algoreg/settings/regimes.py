"""A claim's ``regime``: the settings that it depends on, as options of its experiments and keys derived from these.

A value of a regime is a number, a string or a Boolean, a list of strings, or a range ``[from, to]`` of numbers. In
every tier that judges the claim, its experiments must have a value within the regime, and neither end of a range may
lie beyond the values that these tiers have together.
"""

import math
from itertools import product

from algoreg import plugins
from algoreg.settings.base import as_list, show
from algoreg.settings.chapters import sized
from algoreg.settings.messages import not_allowed, unknown
from algoreg.settings.plan import experiment_options

# The keys beside the options, with their meanings.
DERIVED = {
    "r": "rank of X*",
    "kappa": "condition number of X*: its largest over its smallest non-zero eigenvalue",
    "spectrum": "the non-zero eigenvalues of X*",
    "alpha": "scale of the initialisation",
    "initialisation": "the initialisation of descent, where it is more than a scale",
    "m_over_dr": "measurements over d·r",
    "m_over_d": "measurements over d",
    "m_over_D": "measurements over D = d(d+1)/2, the dimension of all symmetric matrices",
    "below_D": "whether m < d(d+1)/2, so that linear algebra does not find X*",
    "entries_per_freedom": "known entries over the degrees of freedom of X*",
    "measurements": "the kind of measurements",
    "error": "the relative error that the criterion counts at, such as the one below which X* counts as recovered",
    "noise": "standard deviation of the observations' noise, or the share of observations that are wrong",
    "momentum": "the momentum μ",
    "width": "number of columns of the factor, or its relation to r and d",
    "iterations": "length of the run",
    "time": "length of the run as η·t",
}
# The options that are equivalent to a key.
SAME = {"r": "rank", "noise": "label_noise", "error": "tolerance"}
# Relative difference up to which a derived value counts as equal, because m is rounded to an integer.
NEAR = 0.02


def regime_problems(entry, entries):
    """Yield ``(path, message after the key)`` for every entry of a claim's regime that its experiments do not have.

    Parameters
    ----------
    entry : mapping
        A valid claim.
    entries : mapping
        The experiments of all chapters, by name.
    """
    measured = {tier: list(_measured(entry["experiments"], tier, entries)) for tier in entry["tiers"]}
    measured = {tier: blocks for tier, blocks in measured.items() if blocks}
    options = dict.fromkeys(key for blocks in measured.values() for block in blocks for key in block)
    for key, value in entry["regime"].items():
        if key not in options and key not in DERIVED:
            known = [*options, *(one for one in DERIVED if one not in options)]
            yield ("regime", key), unknown(value, known, "option or key")
            continue
        existing = {tier: values_of(key, blocks, entry) for tier, blocks in measured.items()}
        if all(existing.values()) and not _fits(value, list(existing.values())):
            has = "; ".join(f"{tier} {', '.join(map(_short, values))}" for tier, values in existing.items())
            yield ("regime", key), not_allowed(value, f"what its experiments have in every tier that judges it: {has}")


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else show(value).strip('"')


def _measured(tables, tier, entries):
    """Yield, for every measurement that tables of a tier are made from, its options with all their values."""
    for name in tables:
        block = sized(entries[name], tier) if name in entries else None
        if block is None:
            continue
        if block.get("experiment") in list(plugins.modules("experiments")):
            found = {}
            _collect(experiment_options(block) if isinstance(block.get("options", {}), dict) else {}, None, found)
            yield found
        elif "compare" in block or "select" in block:
            # A selection replaces what was recorded.
            selected = {key: as_list(block[key]) for key in ("alpha", "m_over_d") if key in block}
            for found in _measured(as_list(block.get("compare") or block.get("select")), tier, entries):
                yield found | selected


def _collect(value, key, found):
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, name, found)
    elif isinstance(value, list):
        for one in value:
            _collect(one, key, found)
    elif value is not None and value not in found.setdefault(key, []):
        found[key].append(value)


def values_of(key, blocks, entry):
    """Return the values that the experiments have for a key of a regime; empty if none determines it."""
    if key == "error" and "tolerance" in entry["estimand"]:
        return as_list(entry["estimand"]["tolerance"])
    return list(dict.fromkeys(value for block in blocks for value in _values(key, block)))


def _values(key, options):
    if key in options:
        return options[key]
    if other := SAME.get(key):
        return options.get(other, [])
    return _follows(key, options) if key in ("m_over_dr", "m_over_d", "m_over_D", "below_D") else []


def _follows(key, options):
    """Return the values of a key that is derived from d, r and the number of measurements."""
    found = []
    for d, r in product(options.get("d", []), options.get("rank", [1])):
        dimension = d * (d + 1) / 2
        counts = [
            *options.get("m", []),
            *(ratio * d * r for ratio in (*options.get("m_over_dr", []), *options.get("ratios", []))),
            *(ratio * d for ratio in options.get("m_over_d", [])),
            *(ratio * dimension for ratio in options.get("m_over_dimension", [])),
        ]
        units = {"m_over_dr": d * r, "m_over_d": d, "m_over_D": dimension}
        found += [m < dimension if key == "below_D" else m / units[key] for m in counts]
    return list(dict.fromkeys(found))


def _fits(value, tiers):
    """Return whether every tier has a value within the regime's, whose ends lie within the range of all tiers."""
    if isinstance(value, list) and all(_is_number(one) for one in value):
        low, high = min(value), max(value)
        numbers = [[one for one in values if _is_number(one)] for values in tiers]
        inside = all(any(low * (1 - NEAR) <= one <= high * (1 + NEAR) for one in values) for values in numbers)
        known = [one for values in numbers for one in values]
        return inside and min(known) <= low * (1 + NEAR) and high * (1 - NEAR) <= max(known)
    return all(all(any(_same(one, other) for other in values) for one in as_list(value)) for values in tiers)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one, other):
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=NEAR)
    return type(one) is type(other) and one == other
