"""What the entry of a claim says about its judging: the parameters of its estimands, its curves and its rule."""

from collections.abc import Mapping
from typing import Any


def estimands(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of a claim's estimand and of its controls' estimands, by part.

    A control has the claim's parameters, except those that it replaces.
    """
    own = entry["estimand"]
    controls = (part for part in ("control", "positive_control") if part in entry)
    return {"estimand": own, **{part: {**own, **entry[part]["estimand"]} for part in controls}}


def published_for(entry: Mapping[str, Any]) -> list[str]:
    """Return the published curves that a claim and its controls are judged against; most need none."""
    return sorted({given["figure"] for given in estimands(entry).values() if "figure" in given})


def rule_name(claim_id: str) -> str:
    """Return the workflow rule of a claim."""
    return "claim_" + claim_id.replace("-", "_")
