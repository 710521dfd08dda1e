"""The same tier on fresh draws: whether its verdicts and estimates come out as on the committed ones.

A run repeated with the committed seed shows that the code is the same. One with another seed shows whether the result is. Its
numbers differ; what is compared is their law: the verdict of each claim, and whether the two estimates lie as close together as
their 95 % intervals say.
"""

import json
import math
from pathlib import Path

from algoreg.judge import references
from algoreg.judge.claims import NOT_JUDGED

FOLDER = references.RUNS.parent / "replications"
KEPT = ("verdict", "estimate", "ci_low", "ci_high")


def path_of(tier: str) -> Path:
    """Return the file of a tier's replications, whether or not it exists."""
    return FOLDER / f"{tier}.json"


def read(tier: str) -> dict[str, dict]:
    """Return the replications of a tier by seed, as text: what each claim came out as; empty where there are none."""
    path = path_of(tier)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def kept(claims: list[dict]) -> dict[str, dict]:
    """Return what is kept of the verdicts of a run, by claim; claims that were not judged are left out."""
    return {claim["id"]: {key: claim[key] for key in KEPT} for claim in claims if claim["verdict"] != NOT_JUDGED}


def agrees(new: dict, old: dict) -> bool | None:
    """Return whether two estimates differ by no more than their intervals allow together.

    Two independent estimates with 95 % intervals differ by at most the root of the summed squares of the half widths that face
    each other, in 95 % of cases where the laws are the same. None where a side has no interval.
    """
    if any(side[key] is None for side in (new, old) for key in KEPT[1:]):
        return None
    low, high = sorted((new, old), key=lambda side: side["estimate"])
    allowed = math.hypot(low["ci_high"] - low["estimate"], high["estimate"] - high["ci_low"])
    return high["estimate"] - low["estimate"] <= allowed


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
        By claim: ``seeds`` that judged it, how many of them have the ``same`` verdict, how many estimates are ``near`` of those
        ``compared`` (see :func:`agrees`), and the ``others``, the verdicts that differ.
    """
    found = {}
    for claim in committed:
        fresh = [run[claim["id"]] for run in replications.values() if claim["id"] in run]
        near = [agrees(one, claim) for one in fresh]
        compared = [one for one in near if one is not None]
        found[claim["id"]] = {
            "seeds": len(fresh),
            "same": sum(one["verdict"] == claim["verdict"] for one in fresh),
            "near": sum(compared),
            "compared": len(compared),
            "others": sorted({one["verdict"] for one in fresh} - {claim["verdict"]}),
        }
    return {name: one for name, one in found.items() if one["seeds"]}


def summary(found: dict[str, dict]) -> str:
    """Return what :func:`outcomes` has in one sentence; empty where nothing was replicated."""
    if not found:
        return ""
    seeds = max(one["seeds"] for one in found.values())
    verdicts, same = (sum(one[key] for one in found.values()) for key in ("seeds", "same"))
    near, compared = (sum(one[key] for one in found.values()) for key in ("near", "compared"))
    return (
        f"{same} of {verdicts} verdicts on {seeds} fresh {'seed' if seeds == 1 else 'seeds'} are the committed ones; "
        f"{near} of {compared} estimates lie within the joint 95 % interval."
    )
