"""Judge claims: from registry entries and tables to verdicts."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from algoreg.claims.intervals import Estimand, Estimate
from algoreg.numerics.seeds import stream
from algoreg.settings.entries import estimands, rule_name

SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"
NOT_JUDGED, INVALID = "not-judged", "invalid"
SIGNS = {"above": ">", "below": "<"}


class NotMeasured(Exception):
    """Raised by an estimand if the machine did not allow the runs that it needs; the text gives the reason."""


class CannotJudge(ValueError):
    """Raised if an estimand cannot be computed with a claim's parameters and tables."""


def exact(value: float) -> str:
    """Format a number of the registry so that the text represents exactly this number."""
    text = f"{value:g}"
    return text if float(text) == value else repr(float(value))


def verdict(estimate: Estimate, direction: str, margin: float) -> str:
    """Judge an estimate: it is supported or refuted by its whole interval, and inconclusive otherwise.

    The claim is that the quantity is above the margin (``above``) or below it (``below``).
    """
    if estimate.value is None:
        return INCONCLUSIVE
    _, low, high = estimate.numbers()
    if direction == "below":
        low, high, margin = -high, -low, -margin
    return SUPPORTED if low > margin else REFUTED if high < margin else INCONCLUSIVE


def _estimate(
    entry: Mapping[str, Any],
    part: str,
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    seed: int,
    functions: Mapping[str, Estimand],
) -> Estimate:
    parameters = dict(estimands(entry)[part])
    rng = stream("bootstrap", claim=entry["id"], part=part, seed=seed)
    name = parameters.pop("name")
    try:
        found = functions[name](tables, published, rng, **parameters)
        if found.value is not None:
            # The verdicts keep only the value of a control, so its interval need not be finite.
            numbers = found.numbers() if part == "estimand" else (found.value,)
            if not all(map(math.isfinite, numbers)):
                raise ArithmeticError(
                    f"{', '.join(map(str, numbers))}: where runs leave an estimate undefined, it is UNDEFINED"
                )
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise CannotJudge(
            f"{entry['id']}.{part}: {name} cannot be measured with {parameters}: {type(error).__name__}: {error}"
        ) from error
    return found


def _unjudged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return every field of ``claims.json`` of a claim that has not been judged."""
    return {
        "id": entry["id"],
        "chapter": entry.get("chapter"),
        "paper": entry["paper"],
        "statement": entry["statement"],
        "source": entry["source"],
        "standing": entry["standing"],
        "regime": entry["regime"],
        "kind": entry["kind"],
        "rule": rule_name(entry["id"]),
        # Readable names of columns come from all experiments, which a job does not import.
        "criterion": entry.get("criterion"),
        "verdict": NOT_JUDGED,
        "estimate": None,
        "ci_low": None,
        "ci_high": None,
        "margin": entry["margin"],
        "control_verdict": None,
        "control_estimate": None,
        "table": None,
        "figure": None,
        "provenance": f"provenance/claims/{entry['id']}.json.json",
        "direction": entry["direction"],
        "reason": entry["reason"],
        "control": entry["control"]["statement"],
        "positive_control": entry.get("positive_control", {}).get("statement"),
        "positive_control_verdict": None,
        "positive_control_estimate": None,
        "remedy": entry.get("remedy"),
        "deterministic": entry.get("deterministic"),
        "not_judged": None,
    }


def judge(
    entry: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame] | None,
    published: Mapping[str, pd.DataFrame],
    seed: int,
    functions: Mapping[str, Estimand],
) -> dict[str, Any]:
    """Judge one registry entry, its control and its positive control by the same code.

    Parameters
    ----------
    entry : mapping
        The registry entry of a claim, to which the workflow adds the ``criterion`` in words; see
        :mod:`algoreg.claims.criteria`.
    tables : mapping of str to pandas.DataFrame, or None
        The experiments' tables; None if the tier cannot judge this claim.
    published : mapping of str to pandas.DataFrame
    seed : int
    functions : mapping of str to callable
        The estimands by name, such as ``plugins.functions("estimands")``.

    Returns
    -------
    dict
        Every field of ``claims.json``. A claim whose runs the machine did not allow is not judged, and ``not_judged``
        gives the reason.

    Raises
    ------
    CannotJudge
        If an estimand cannot be computed with its parameters and tables; the message names the entry and the part.
    """
    result = _unjudged(entry)
    if tables is None:
        return result
    _, *others = parts = list(estimands(entry))
    try:
        own, *found = (_estimate(entry, part, tables, published, seed, functions) for part in parts)
    except NotMeasured as missing:
        return {**result, "not_judged": str(missing)}
    result.update(estimate=own.value, ci_low=own.low, ci_high=own.high)
    result["verdict"] = verdict(own, entry["direction"], entry["margin"])
    result["table"] = f"tables/{entry['table']}.csv"
    result["figure"] = f"figures/{entry['figure']}" if entry["figure"] else None
    for part, other in zip(others, found, strict=True):
        result[f"{part}_estimate"] = other.value
        result[f"{part}_verdict"] = verdict(other, entry["direction"], entry["margin"])
    if _controls_failed(result):
        result["verdict"] = INVALID
    return result


def _controls_failed(result: Mapping[str, Any]) -> bool:
    """Return whether a control has a verdict that it must not have, or no estimate although the claim has one."""
    if result["control_verdict"] == SUPPORTED or result["positive_control_verdict"] in (REFUTED, INCONCLUSIVE):
        return True
    return result["estimate"] is not None and result["control_estimate"] is None
