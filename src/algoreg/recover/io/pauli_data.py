"""Pauli strings in other notations, and expectations from the outcomes of measured settings."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np

from algoreg.recover.io import refusals


def plain_strings(labels: Iterable[Any], *, reverse: bool = False, name: str = "") -> tuple[list[str], np.ndarray]:
    """Return strings of I, X, Y, Z without their signs, and the signs, 1 or −1.

    Parameters
    ----------
    labels : iterable of str
        Such as ``XX``, ``+XX``, ``-xx``.
    reverse : bool
        Whether labels name the last qubit first, as qiskit's do.
    name : str
        The beginning of error messages.

    Raises
    ------
    ValueError
        If a letter is unknown or lengths differ.
    """
    texts = [str(label).strip() for label in labels]
    signs = np.array([-1.0 if text.startswith("-") else 1.0 for text in texts])
    strings = [(text[1:] if text[:1] in ("+", "-") else text).upper() for text in texts]
    refusals.refuse_strange_strings(strings, name)
    return [text[::-1] for text in strings] if reverse else strings, signs


def expectations_from_counts(
    counts: Mapping[str, Mapping[str, int]], *, reverse: bool = False
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return Pauli strings, their expectations and shots from the counts of measured settings.

    A setting such as ``XZ`` names the basis in which each qubit is measured. It measures every string that has the
    setting's letter or I at each qubit; a string that several settings measure gets the shots of all. Expectations from
    the same shots are correlated, which fits and error bars ignore.

    Parameters
    ----------
    counts : mapping
        From settings to mappings from outcomes, such as ``"01"``, to their counts; 0 is the eigenvalue +1.
    reverse : bool
        Whether settings and outcomes name the last qubit first, as qiskit's do.

    Returns
    -------
    tuple of list of str, numpy.ndarray and numpy.ndarray
        Strings without the identity, expectations and shots.

    Raises
    ------
    ValueError
        If a setting has other letters than X, Y, Z, or more than nine, an outcome is not of its length, or a count is
        not a whole number of at least 0.
    """
    totals: dict[str, list[float]] = {}
    for label, outcomes in counts.items():
        (setting,), _ = plain_strings([label], reverse=reverse, name="setting ")
        if "I" in setting:
            raise ValueError(f"setting {label}: allowed are the letters X, Y, Z, the basis of every qubit")
        refusals.refuse_many_qubits(setting, f"setting {label}: a setting")
        table = np.zeros((2,) * len(setting))
        for outcome, count in outcomes.items():
            bits = str(outcome).strip()
            if len(bits) != len(setting) or set(bits) - {"0", "1"}:
                raise ValueError(f"setting {label}: outcome {outcome!r}; allowed are {len(setting)} digits, 0 or 1")
            if not (np.isreal(count) and count >= 0 and float(count).is_integer()):
                raise ValueError(f"setting {label}, outcome {bits}: count {count}; allowed are whole numbers from 0")
            table[tuple(int(bit) for bit in (bits[::-1] if reverse else bits))] += float(count)
        for kept in product((False, True), repeat=len(setting)):
            # The outcomes of a kept qubit count as ±1; those of any other are summed.
            parity = table
            for one in kept:
                parity = parity[0] - parity[1] if one else parity[0] + parity[1]
            string = "".join(letter if one else "I" for letter, one in zip(setting, kept, strict=True))
            total = totals.setdefault(string, [0.0, 0.0])
            total[0] += float(parity)
            total[1] += float(table.sum())
    if len({len(string) for string in totals}) > 1:
        raise ValueError("settings are of different lengths")
    strings = [string for string, (_, shots) in totals.items() if set(string) != {"I"} and shots > 0]
    if not strings:
        raise ValueError("counts: there are no shots")
    sums, shots = np.array([totals[string] for string in strings]).T
    return strings, sums / shots, shots


def expectations_from_shots(
    settings: Iterable[str], outcomes: Iterable[str], *, reverse: bool = False
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the same as :func:`expectations_from_counts`, from one setting and one outcome per shot."""
    settings, outcomes = [str(one) for one in settings], [str(one) for one in outcomes]
    if len(settings) != len(outcomes):
        raise ValueError(f"{len(settings)} settings and {len(outcomes)} outcomes; one of each is needed per shot")
    counts: dict[str, dict[str, int]] = {}
    for setting, outcome in zip(settings, outcomes, strict=True):
        of_setting = counts.setdefault(setting, {})
        of_setting[outcome] = of_setting.get(outcome, 0) + 1
    return expectations_from_counts(counts, reverse=reverse)
