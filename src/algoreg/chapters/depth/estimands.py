"""Estimands of this chapter's claims."""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import interval_of


@estimand("what the last step of {along} adds to {value}, over what the step before adds")
def ratio_of_increments(tables, published, rng, *, table, value, along, where=None):
    """Return the ratio of the two increments of the mean of ``value`` over three values of ``along`` in equal ratios.

    Raises
    ------
    ValueError
        If the table does not have three values of ``along``, each as many times the one before.
    """
    points, values = cells(chosen(tables[table], where), [along], value)
    levels = np.asarray(points, dtype=float).ravel()
    if len(levels) != 3 or not np.isclose(levels[1] ** 2, levels[0] * levels[2]):
        raise ValueError(f"{table} has {along} = {levels.tolist()}: allowed are three values in equal ratios")

    def statistic(part):
        first, last = np.diff(part.mean(axis=(1, 2)))
        return last / first

    return interval_of(statistic, finite(values), rng)
