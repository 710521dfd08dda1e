"""What the claims about noise and outliers measure: factors between rows of a table, and exponents near an expected one."""

import numpy as np

from algoreg.analysis.cells import cells, chosen, positive
from algoreg.analysis.censoring import INSIDE
from algoreg.analysis.exponents import log_law
from algoreg.analysis.intervals import UNDEFINED, as_factor, distance_from, exp_of, interval_of
from algoreg.analysis.thresholds import LEAST_INSIDE, find_thresholds
from algoreg.judge.estimands import estimand


def _log_ratios(table, value, by, pair, where):
    """Return the logs of the value at the first of a pair over that at the second, cells over all other keys, or None."""
    frame = chosen(table, {**(where or {}), by: list(pair)})
    names, values = cells(frame, [by], value)
    own = dict(zip([name for (name,) in names], values, strict=True))
    return np.log(own[pair[0]] / own[pair[1]])[None] if positive(values) else None


@estimand("factor between {value} at {by} = {pair}, geometric mean over runs")
def factor_apart(tables, published, rng, *, table, value, by, pair, where=None):
    """Return the factor, at least 1, between the geometric means at two values of a column."""
    logs = _log_ratios(tables[table], value, by, pair, where)
    return UNDEFINED if logs is None else as_factor(distance_from(interval_of(np.mean, logs, rng), 0.0))


@estimand("{value} at {by} = {pair}, the first over the second, geometric mean over runs")
def ratio_of_pair(tables, published, rng, *, table, value, by, pair, where=None):
    """Return the geometric mean over runs of the value at the first of a pair over that at the second."""
    logs = _log_ratios(tables[table], value, by, pair, where)
    return UNDEFINED if logs is None else exp_of(interval_of(np.mean, logs, rng))


@estimand("distance from {expected:g} of the exponent of {value} in {along}")
def exponent_off(tables, published, rng, *, table, value, along, expected, where=None):
    """Return how far an exponent is from an expected one; see :func:`algoreg.judge.estimands.exponent`."""
    weights, logs = log_law(chosen(tables[table], where), along, value, table)
    if logs is None:
        return UNDEFINED
    return distance_from(interval_of(lambda part: weights @ part.mean(axis=(1, 2)), logs, rng), expected)


@estimand(
    "factor between m* at {by} = {pair}, geometric mean over runs, m* where the test error falls through {tolerance:g}"
)
def thresholds_apart(tables, published, rng, *, table, by, pair, tolerance):
    """Return the factor, at least 1, between the m* of two values of a column, on the same targets and ensembles.

    A threshold off the grid counts as the end of the grid beyond which it lies. Undefined where fewer than half lie on it.
    """
    own, other = (find_thresholds(chosen(tables[table], {by: name}), "rank", tolerance) for name in pair)
    if any(np.mean(found.sides == INSIDE) < LEAST_INSIDE for found in (own, other)):
        return UNDEFINED
    return as_factor(distance_from(interval_of(np.mean, own.logs - other.logs, rng), 0.0))
