"""What claims about scaling laws and bounds measure: exponents, and the largest or smallest mean over points."""

import numpy as np

from algoreg.analysis.cells import cells, chosen, known_cells, positive
from algoreg.analysis.exponents import log_law
from algoreg.analysis.intervals import UNDEFINED, exp_of, interval_of, share_interval


def estimand(label):
    """Mark a function of the tables as an estimand; ``label`` is what the criterion calls it."""

    def register(function):
        function.label = label
        return function

    return register


@estimand("exponent of {value} in {along}")
def exponent(tables, published, rng, *, table, value, along, where=None):
    """Return the least-squares slope of the mean log of ``value`` over runs against log of ``along``.

    ``where`` picks rows (column: value or list). Undefined where a run has no positive value. A censored quantity
    needs an estimand that knows its censoring.
    """
    weights, logs = log_law(chosen(tables[table], where), along, value, table)
    return interval_of(lambda part: weights @ part.mean(axis=(1, 2)), logs, rng)


def _extreme(pick, tables, rng, table, value, by, where):
    _, values = known_cells(chosen(tables[table], where), by, value)
    if values is not None and np.isin(values, (0, 1)).all():
        return share_interval(pick, values, rng)
    return interval_of(lambda part: pick(part.mean(axis=(1, 2))), values, rng)


@estimand("mean over runs of {value}, the largest over {by}")
def largest_mean(tables, published, rng, *, table, value, by, where=None):
    """Return the largest mean over runs of ``value`` among the points named by the columns ``by``.

    Not for what spreads over decades: see :func:`algoreg.analysis.intervals.crossed_interval`.
    """
    return _extreme(np.max, tables, rng, table, value, by, where)


@estimand("mean over runs of {value}, the smallest over {by}")
def smallest_mean(tables, published, rng, *, table, value, by, where=None):
    """Return the smallest mean over runs of ``value`` among the points named by the columns ``by``.

    Not for what spreads over decades: see :func:`algoreg.analysis.intervals.crossed_interval`.
    """
    return _extreme(np.min, tables, rng, table, value, by, where)


@estimand("share of the runs with {value} below {limit}, the smallest over {by}")
def smallest_share_below(tables, published, rng, *, table, value, limit, by, where=None):
    """Return the smallest share of runs whose ``value`` is below a limit among the points named by the columns ``by``.

    For what is near 0 or far from it: one run that is far hardly moves a mean of logs. A run without a number is not below.
    """
    _, values = cells(chosen(tables[table], where), by, value)
    return share_interval(np.min, (values < limit).astype(float), rng)


@estimand("geometric mean over runs of {value}, the largest over {by}")
def largest_geometric_mean(tables, published, rng, *, table, value, by, where=None):
    """Return the largest geometric mean over runs of ``value`` among the points named by the columns ``by``.

    For what spans decades: a mean would be its largest run. Undefined where a run has no positive value.
    """
    _, values = cells(chosen(tables[table], where), by, value)
    if not positive(values):
        return UNDEFINED
    return exp_of(interval_of(lambda part: np.max(part.mean(axis=(1, 2))), np.log(values), rng))
