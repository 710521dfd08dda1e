"""Whether one method's lead over another grows with the size of the problem: claims that compare methods, in the quick
tier's small dimensions and in the standard tier's larger ones.
"""

import math

from algoreg.reporting.report import literal, number

# What is compared with what, by claim: the estimate is the first over the second.
LEADS = {
    "race-told-the-rank": "passes: best that knows the rank / best without prior knowledge",
    "race-rank-search": "passes: rank search / best that knows the rank",
    "race-width-passes": "passes: rank search / best over-parameterised descent",
    "race-threshold-search": "m*: rank search / full width from 10⁻¹², error 0.01",
    "race-threshold-known-rank": "m*: width r / full width, error 0.1",
    "race-threshold-small-start": "m*: full width from 10⁻⁶ / least trace, error 0.1",
    "race-threshold-preconditioning": "m*: preconditioned / plain, full width, κ = 1",
    "preconditioning-costs-samples": "m*: preconditioned / plain, full width, κ = 10",
    "race-threshold-momentum": "m*: momentum / plain, full width",
    "depth-samples": "m*: two factors / three, from the same initialisation",
    "optimisers-samples-polar": "m*: polar steps / descent",
    "race-noise-rank": "error under noise: thresholding that knows r / full width",
    "race-noise-width": "error under noise: full width / rank search",
    "race-tail": "error, eigenvalues 1/i: full width / rank search",
    "momentum-implicit-regularisation": "error: momentum / plain, from 10⁻²",
    "momentum-bias-fades": "error: momentum / plain, from 10⁻⁶",
    "ma22-outliers": "error with outliers: absolute / squared loss",
    "graph-helps": "error of missing entries: without the graph / with it",
    "graph-gain-is-explicit": "error of missing entries: factors / the graph's energy alone",
    "spectral-network-small-start": "error: linear descent / spectral network from 0.01",
    "tomography-full-width": "infidelity, pure states: full width / width 1",
    "mixed-states-likelihood": "infidelity, mixed states: UUᴴ + c·I / maximum likelihood",
    "mixed-states-least-squares": "infidelity, mixed states: UUᴴ + c·I / least squares",
    "mixed-states-full-rank": "infidelity, states of full rank: UUᴴ + c·I / maximum likelihood",
}  # fmt: skip


def change(small, large):
    """Return in words what becomes of a ratio between two sizes, each ``(estimate, low, high)``.

    The lead is the distance of the ratio from 1. Where the intervals overlap, or lie on both sides of 1, nothing is
    said of it.
    """
    (first, *inner), (second, *outer) = small, large
    if inner[0] <= outer[1] and outer[0] <= inner[1]:
        return "no clear change"
    if (first - 1) * (second - 1) < 0:
        return "another method leads"
    return "grows" if abs(math.log(second)) > abs(math.log(first)) else "shrinks"


def _sizes(table):
    """Return d and the rank of a table's first row, or the number of qubits, in words."""
    first = table.iloc[0]
    if "qubits" in first:
        return f"{first['qubits']:g} qubits"
    return ", ".join(f"{sign} = {first[name]:g}" for name, sign in {"d": "d", "rank": "r"}.items() if name in first)


def rows(entries, small, large):
    """Return the rows of the table of leads: one for each claim of ``LEADS`` that both references have judged.

    Parameters
    ----------
    entries : mapping of str to dict
        The registry's claims by id.
    small, large : dict
        Committed references of two tiers.

    Returns
    -------
    list of list of str
    """
    sides = [{claim["id"]: claim for claim in one["claims"]} for one in (small, large)]
    found = []
    for name, words in LEADS.items():
        both = [side.get(name, {}) for side in sides]
        if any(claim.get("estimate") is None for claim in both):
            continue
        table = entries[name]["table"]
        ends = [tuple(claim[key] for key in ("estimate", "ci_low", "ci_high")) for claim in both]
        cells = [f"{number(value)} [{number(low)}, {number(high)}]" for value, low, high in ends]
        at = [_sizes(one["tables"][table]) for one in (small, large)]
        outcome = change(*ends) if at[0] != at[1] else "measured at one size"
        found.append([literal(words), f"{cells[0]} ({at[0]})", f"{cells[1]} ({at[1]})", outcome, f"`{name}`"])
    return found
