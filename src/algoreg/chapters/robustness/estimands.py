"""What the claims about noise and outliers measure: factors between rows of a table, and exponents near an expected one."""

import numpy as np

from algoreg.analysis.cells import cells, chosen, positive
from algoreg.analysis.intervals import as_factor, distance_from, exp_of, interval_of
from algoreg.analysis.thresholds import find_thresholds, log_ratios
from algoreg.judge.estimands import estimand, exponent


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
    return as_factor(distance_from(interval_of(np.mean, logs, rng), 0.0))


@estimand("{value} at {by} = {pair}, the first over the second, geometric mean over runs")
def ratio_of_pair(tables, published, rng, *, table, value, by, pair, where=None):
    """Return the geometric mean over runs of the value at the first of a pair over that at the second."""
    logs = _log_ratios(tables[table], value, by, pair, where)
    return exp_of(interval_of(np.mean, logs, rng))


@estimand("distance from {expected:g} of the exponent of {value} in {along}")
def exponent_off(tables, published, rng, *, table, value, along, expected, where=None):
    """Return how far an exponent is from an expected one; see :func:`algoreg.judge.estimands.exponent`."""
    found = exponent(tables, published, rng, table=table, value=value, along=along, where=where)
    return distance_from(found, expected)


@estimand(
    "factor between m* at {by} = {pair}, geometric mean over runs, m* where the test error falls through {tolerance:g}"
)
def thresholds_apart(tables, published, rng, *, table, by, pair, tolerance):
    """Return the factor, at least 1, between the m* of two values of a column, on the same targets and ensembles.

    See :func:`algoreg.analysis.thresholds.log_ratios`.
    """
    own, other = (find_thresholds(chosen(tables[table], {by: name}), "rank", tolerance) for name in pair)
    return as_factor(distance_from(interval_of(np.mean, log_ratios(own, other), rng), 0.0))
