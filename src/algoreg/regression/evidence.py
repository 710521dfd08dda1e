"""What several seeds together say of each claim: on how many its verdict is the committed one, and the outermost ends.

A run with one seed is a run; the evidence is the committed seed and the fresh ones of
:mod:`algoreg.regression.replications`, each judged by itself. Nothing is averaged over them: a verdict is *firm* if
every seed has it, and a bound in words is the outermost end of the seeds' intervals.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from algoreg.claims.judging import NOT_JUDGED
from algoreg.regression import references

FOLDER = references.FOLDER / "evidence"
INVALID = "invalid"


def outermost(runs: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """Return the lowest and the highest end of the intervals of runs; an estimate without an interval is both ends."""
    lows, highs = (
        [run["estimate"] if run[end] is None else run[end] for run in runs if run["estimate"] is not None]
        for end in ("ci_low", "ci_high")
    )
    return (min(lows), max(highs)) if lows else (None, None)


def of_claims(claims: list[dict], fresh: Mapping[str, Mapping[str, dict]]) -> list[dict]:
    """Return the evidence on each claim that a tier judges.

    Parameters
    ----------
    claims : list of mapping
        The committed claims of the tier.
    fresh : mapping
        Its replications (:func:`algoreg.regression.replications.read`).

    Returns
    -------
    list of dict
        ``id``; the committed ``verdict``; how many ``seeds`` judged it, the committed one among them; how many of them
        ``kept`` the verdict; the ``outer_low`` and ``outer_high`` end of all intervals, or None; and ``control_kept``,
        on how many seeds the controls came out as they must (where one does not, the verdict is ``invalid``).
    """
    found = []
    for claim in (one for one in claims if one["verdict"] != NOT_JUDGED):
        runs = [claim, *(run[claim["id"]] for run in fresh.values() if claim["id"] in run)]
        low, high = outermost(runs)
        found.append(
            {
                "id": claim["id"],
                "verdict": claim["verdict"],
                "seeds": len(runs),
                "kept": sum(run["verdict"] == claim["verdict"] for run in runs),
                "outer_low": low,
                "outer_high": high,
                "control_kept": sum(run["verdict"] != INVALID for run in runs),
            }
        )
    return found


def is_firm(claim: Mapping[str, Any]) -> bool:
    """Return whether a claim was judged on several seeds and has one verdict on all of them."""
    return 1 < claim.get("seeds", 1) == claim["kept"]


def joined(claims: list[dict], fresh: Mapping[str, Mapping[str, dict]]) -> list[dict]:
    """Return the claims of a tier with the evidence on each added to it; those that are not judged are unchanged."""
    known = {one["id"]: one for one in of_claims(claims, fresh)}
    return [{**claim, **known.get(claim["id"], {})} for claim in claims]
