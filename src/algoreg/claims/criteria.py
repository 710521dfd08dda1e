"""The criteria of claims in words, in which columns have readable names."""

from collections.abc import Mapping
from typing import Any

from algoreg.claims.intervals import Estimand
from algoreg.claims.judging import exact
from algoreg.settings.columns import readable


def criterion(
    entry: Mapping[str, Any],
    functions: Mapping[str, Estimand],
    experiments: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Return the criterion in words: the estimand's label, direction and margin.

    Parameters
    ----------
    entry : mapping
        The registry entry of a claim.
    functions : mapping of str to callable
        The estimands by name; see :func:`algoreg.claims.judging.judge`.
    experiments : mapping of str to mapping, optional
        See :func:`algoreg.settings.columns.readable`.
    """
    label = functions[entry["estimand"]["name"]].label.format(**readable(entry["estimand"], experiments))
    return f"{label}: {entry['direction']} {exact(entry['margin'])} with the whole 95 % interval"
