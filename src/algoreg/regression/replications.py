"""The same tier on fresh draws: whether its verdicts and estimates agree with the committed ones.

A run repeated with the committed seed shows that the code is the same. One with another seed shows whether the result
is. Its numbers differ; what is compared is their law: the verdict of each claim, and whether the two estimates lie as
close together as their 95 % intervals predict.
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
# From so many estimates of a claim on, the committed one among them, it is asked whether they scatter as their
# intervals predict.
LEAST_ESTIMATES = 3


def path_of(tier: str) -> Path:
    """Return the file of a tier's replications, whether or not it exists."""
    return FOLDER / f"{tier}.json"


def read(tier: str) -> dict[str, dict]:
    """Return the replications of a tier by seed, as text: what each claim came out as; empty where there are none."""
    path = path_of(tier)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def run_summary(claims: list[dict]) -> dict[str, dict]:
    """Return what is kept of the verdicts of a run, by claim; claims that were not judged are left out."""
    return {
        claim["id"]: {key: claim[key] for key in SUMMARY_KEYS} for claim in claims if claim["verdict"] != NOT_JUDGED
    }


def agrees(new: dict, old: dict) -> bool | None:
    """Return whether two estimates differ by no more than their intervals allow together.

    Two independent estimates with 95 % intervals differ by at most the root of the summed squares of the half widths
    that face each other, in 95 % of cases where the laws are the same. In more of them where units are few, as half
    widths have t-quantiles then: with three on each side in 98.7 %. None where a side has no interval.
    """
    if any(side[key] is None for side in (new, old) for key in SUMMARY_KEYS[1:]):
        return None
    low, high = sorted((new, old), key=lambda side: side["estimate"])
    allowed = math.hypot(low["ci_high"] - low["estimate"], high["estimate"] - high["ci_low"])
    # What does not vary has no width, and its last digit is rounding.
    same = math.isclose(low["estimate"], high["estimate"], rel_tol=1e-9)
    return same or high["estimate"] - low["estimate"] <= allowed


def scatter(runs: list[dict]) -> float | None:
    """Return how often estimates scatter by chance as much as these do, if their intervals are right.

    The p-value of Cochran's Q [Biometrics 10(1), 1954], with half a width for 1.96 standard errors. Intervals of few
    units have larger quantiles. Q is too small then, and the p-value too large. None where fewer than three estimates
    have an interval that has a width.
    """
    known = [
        run for run in runs if None not in (run[key] for key in SUMMARY_KEYS[1:]) and run["ci_high"] > run["ci_low"]
    ]
    if len(known) < LEAST_ESTIMATES:
        return None
    # Loaded here: who reads verdicts needs no quantiles.
    from scipy.special import chdtrc, ndtri

    estimates = np.array([run["estimate"] for run in known])
    errors = np.array([run["ci_high"] - run["ci_low"] for run in known]) / (2 * ndtri(0.5 + LEVEL / 2))
    middle = np.average(estimates, weights=errors**-2.0)
    return float(chdtrc(len(known) - 1, np.sum(((estimates - middle) / errors) ** 2)))


def too_narrow(outcomes_by_claim: Mapping[str, dict]) -> tuple[list[str], int]:
    """Return the claims of a tier whose intervals are narrower than their estimates scatter,
    and of how many that is known.

    Where all intervals are right, one is named in 5 % of cases at most (Bonferroni).
    ``outcomes_by_claim`` is of :func:`outcomes`.
    """
    known = {name: one["scatter"] for name, one in outcomes_by_claim.items() if one["scatter"] is not None}
    return [name for name, chance in known.items() if chance < (1 - LEVEL) / len(known)], len(known)


def outcomes(replications: dict[str, dict], committed: list[dict]) -> dict[str, dict]:
    """Return how the claims of a committed run came out on fresh seeds.

    Parameters
    ----------
    replications : mapping of str to mapping
        See :func:`read`.
    committed : list of mapping
        The claims of the committed reference.

    Returns
    -------
    dict
        By claim: the ``committed`` claim, ``seeds`` that judged it, how many of them have the ``same`` verdict, the
        ``others`` (how many seeds have each verdict that differs), how many estimates are ``near`` of those
        ``compared`` (see :func:`agrees`), ``each`` estimate, the ``estimates``, the smallest and the largest, None
        where there are none, and the :func:`scatter` of all, the committed one among them.
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
    """Return :func:`outcomes` by tier, from the committed references by tier;
    tiers without replications are left out.
    """
    found = {tier: outcomes(read(tier), reference["claims"]) for tier, reference in references.items()}
    return {tier: one for tier, one in found.items() if one}


def tiers() -> list[str]:
    """Return the tiers that have replications, and a committed reference to compare them with."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if references.paths(path.stem))


def files() -> list[Path]:
    """Return the files that :func:`of_tiers` needs: replications,
    and the committed references that they are compared with.
    """
    return [path for tier in tiers() for path in (path_of(tier), *references.paths(tier).values())]


def enough(seeds: int) -> int:
    """Return how many of so many seeds are nine tenths of them, rounded up: that many make a verdict steady."""
    return -(-9 * seeds // 10)
