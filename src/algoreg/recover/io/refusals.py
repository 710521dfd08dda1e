"""Checks of measurements that files and estimators share; messages begin with the name of what is wrong."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

# Rounding error by which a computed expectation may differ from 1.
ROUNDING = 1e-9
# A state of n qubits is a matrix of size 2^n, and n letters have 4^n strings.
MOST_QUBITS = 9


def refuse_beyond_memory(needed: float, what: str) -> None:
    """Raise a ValueError, which begins with ``what``, if ``needed`` bytes are more than this machine's memory."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise ValueError(f"{what} {needed / 1e9:.3g} GB of memory; this machine has {available / 1e9:.3g} GB")


def refuse_strange_strings(strings: Iterable[str], name: str = "") -> None:
    """Raise a ValueError if a Pauli string has a letter other than I, X, Y, Z, or another length than the first."""
    first = None
    for text in strings:
        if not text or set(text) - set("IXYZ"):
            raise ValueError(f"{str(text)!r}: a Pauli string has the letters I, X, Y, Z")
        first = first or text
        if len(text) != len(first):
            raise ValueError(f"{name}{first} and {text} are of different lengths")


def refuse_many_qubits(string: str, name: str) -> None:
    """Raise a ValueError, which begins with ``name``, if a string has more letters than a state may have qubits."""
    if len(string) > MOST_QUBITS:
        raise ValueError(f"{name} of {len(string)} letters; at most {MOST_QUBITS} qubits")


def refuse_repeated(X: np.ndarray, name: str = "", called: Sequence[np.ndarray | None] = (None, None)) -> None:
    """Raise a ValueError if an entry (m, 2) or a string (m,) appears twice.

    If one of the two were held out, its value would be known from the other. ``called`` are the names of rows and
    columns, if they have names.
    """
    _, first, counts = np.unique(X, axis=0, return_index=True, return_counts=True)
    if len(first) < len(X):
        start, times = min(zip(first[counts > 1], counts[counts > 1], strict=True))
        if X.ndim == 2:
            entry = (int(at) if names is None else str(names[at]) for at, names in zip(X[start], called, strict=True))
            raise ValueError(f"{name}entry {tuple(entry)} appears {times} times; give it once, as the mean")
        raise ValueError(f"{name}{X[start]} appears {times} times; give it once, as the mean over all of its shots")


def refuse_impossible_expectations(strings: Iterable[str], expectations: np.ndarray, name: str = "") -> None:
    """Raise a ValueError if an expectation is beyond ±1, or the identity's is not 1, by more than rounding."""
    # As an integer of eight bits, -128 has the absolute value -128.
    expectations = np.asarray(expectations, float)
    if np.abs(expectations).max() > 1 + ROUNDING:
        raise ValueError(
            f"{name}an expectation is from -1 to 1, not {expectations[np.abs(expectations).argmax()]:.10g}"
        )
    for text, expectation in zip(strings, expectations, strict=True):
        if set(text) == {"I"} and expectation < 1 - ROUNDING:
            raise ValueError(f"{name}{text} has expectation 1, not {expectation:.10g}")


def refuse_impossible_shots(shots: np.ndarray) -> None:
    """Raise a ValueError if a number of shots is not above 0, or not finite."""
    bad = shots[~(np.isfinite(shots) & (shots > 0))]
    if len(bad):
        raise ValueError(f"shots: allowed are finite numbers above 0, not {bad[0]:.6g}")
