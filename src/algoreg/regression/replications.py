"""Compare runs of a tier on fresh seeds with the committed run: their verdicts and estimates.

A run with the committed seed shows that the code is the same; a run with another seed shows whether the result is the
same. Its numbers differ, so the comparison concerns their distribution: the verdict of each claim, and whether the two
estimates are as close to each other as their 95 % intervals predict.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from algoreg.claims.intervals import LEVEL
from algoreg.claims.judging import NOT_JUDGED
from algoreg.regression import references

FOLDER = references.FOLDER / "replications"
SUMMARY_KEYS = ("verdict", "estimate", "ci_low", "ci_high")
# The fewest estimates of a claim, including the committed one, whose scatter is compared with their intervals.
LEAST_ESTIMATES = 3


def path_of(tier: str) -> Path:
    """Return the file of a tier's replications, whether or not it exists."""
    return FOLDER / f"{tier}.json"


def read(tier: str) -> dict[str, dict]:
    """Return the replications of a tier: by seed (a string), a summary of each claim; empty if there are none."""
    path = path_of(tier)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def run_summary(claims: list[dict]) -> dict[str, dict]:
    """Return the summary of a run's claims that is committed, by id; claims that were not judged are left out."""
    return {
        claim["id"]: {key: claim[key] for key in SUMMARY_KEYS} for claim in claims if claim["verdict"] != NOT_JUDGED
    }


def agrees(new: dict, old: dict) -> bool | None:
    """Return whether two estimates differ by no more than their intervals together allow; None without two intervals.

    The allowed difference is the root of the summed squares of the two half widths that face each other. If the
    distributions are the same, two independent estimates with 95 % intervals agree in this sense in 95 % of cases, and
    more often if there are few units, because half widths then use t-quantiles: in 98.7 % with three units on each
    side.
    """
    if any(side[key] is None for side in (new, old) for key in SUMMARY_KEYS[1:]):
        return None
    low, high = sorted((new, old), key=lambda side: side["estimate"])
    allowed = math.hypot(low["ci_high"] - low["estimate"], high["estimate"] - high["ci_low"])
    # An estimate that does not vary has an interval of no width, and its last digit is subject to rounding.
    same = math.isclose(low["estimate"], high["estimate"], rel_tol=1e-9)
    return same or high["estimate"] - low["estimate"] <= allowed


def scatter(runs: list[dict]) -> float | None:
    """Return the probability that estimates scatter at least as much as these by chance, if their intervals are right.

    This is the p-value of Cochran's Q [Biometrics 10(1), 1954], where half an interval's width counts as 1.96 standard
    errors. Intervals from few units use larger quantiles, so that Q is too small and the p-value too large. It is None
    if fewer than three estimates have an interval with a width.
    """
    known = [
        run for run in runs if None not in (run[key] for key in SUMMARY_KEYS[1:]) and run["ci_high"] > run["ci_low"]
    ]
    if len(known) < LEAST_ESTIMATES:
        return None
    # Imported here, because reading verdicts does not need scipy.
    from scipy.special import chdtrc, ndtri

    estimates = np.array([run["estimate"] for run in known])
    errors = np.array([run["ci_high"] - run["ci_low"] for run in known]) / (2 * ndtri(0.5 + LEVEL / 2))
    middle = np.average(estimates, weights=errors**-2.0)
    return float(chdtrc(len(known) - 1, np.sum(((estimates - middle) / errors) ** 2)))


def too_narrow(outcomes_by_claim: Mapping[str, dict]) -> tuple[list[str], int]:
    """Return the claims of a tier whose estimates scatter more than their intervals allow, and how many were tested.

    If all intervals are right, any claim is returned in at most 5 % of cases (Bonferroni). ``outcomes_by_claim`` is the
    result of :func:`outcomes`.
    """
    known = {name: one["scatter"] for name, one in outcomes_by_claim.items() if one["scatter"] is not None}
    return [name for name, chance in known.items() if chance < (1 - LEVEL) / len(known)], len(known)


def outcomes(replications: dict[str, dict], committed: list[dict]) -> dict[str, dict]:
    """Return the outcomes of a committed run's claims on fresh seeds.

    Parameters
    ----------
    replications : mapping of str to mapping
        See :func:`read`.
    committed : list of mapping
        The claims of the committed reference.

    Returns
    -------
    dict
        By claim: the ``committed`` claim; the number of ``seeds`` that judged it; how many of these have the ``same``
        verdict; the ``others``, i.e. how many seeds have each different verdict; how many estimates are ``near`` the
        committed one among those ``compared`` (see :func:`agrees`); ``each`` estimate; the smallest and the largest of
        the ``estimates``, or None; and the :func:`scatter` of all estimates, including the committed one.
    """
    found = {}
    for claim in (one for one in committed if one["verdict"] != NOT_JUDGED):
        fresh = [run[claim["id"]] for run in replications.values() if claim["id"] in run]
        compared = [one for one in (agrees(one, claim) for one in fresh) if one is not None]
        verdicts = Counter(one["verdict"] for one in fresh)
        estimates = [one["estimate"] for one in fresh if one["estimate"] is not None]
        found[claim["id"]] = {
            "committed": claim,
            "seeds": len(fresh),
            "same": verdicts.pop(claim["verdict"], 0),
            "others": dict(sorted(verdicts.items())),
            "near": sum(compared),
            "compared": len(compared),
            "each": estimates,
            "estimates": (min(estimates), max(estimates)) if estimates else None,
            "scatter": scatter([claim, *fresh]),
        }
    return {name: one for name, one in found.items() if one["seeds"]}


def of_tiers(references: Mapping[str, dict]) -> dict[str, dict]:
    """Return :func:`outcomes` by tier, given the references by tier; tiers without replications are left out."""
    found = {tier: outcomes(read(tier), reference["claims"]) for tier, reference in references.items()}
    return {tier: one for tier, one in found.items() if one}


def tiers() -> list[str]:
    """Return the tiers that have both replications and a committed reference."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if references.paths(path.stem))


def files() -> list[Path]:
    """Return the files that :func:`of_tiers` needs: replications and the committed references."""
    return [path for tier in tiers() for path in (path_of(tier), *references.paths(tier).values())]


def enough(seeds: int) -> int:
    """Return how many of ``seeds`` must agree for a verdict to be steady: nine tenths, rounded up."""
    return -(-9 * seeds // 10)
