"""What the claims about noise measure beside exponents and means: slopes against what is expected, ranks told right."""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import distance_from, interval_of, share_interval


def right_ranks(frame, value):
    """Return for every draw whether its ranks are rejected up to the one below the true one, and that one is not."""
    rejected = finite(cells(frame[frame["fitted_rank"] <= frame["rank"]], ["fitted_rank"], value)[1])
    return rejected[:-1].all(axis=0) & (rejected[-1] == 0)


def slopes_of(frame, value, against):
    """Return every run's least-squares slope of ``value`` in ``against`` over its α;
    not finite where a value is missing.
    """
    (_, y), (_, x) = (cells(frame, ["alpha"], column) for column in (value, against))
    centred = x - x.mean(axis=0)
    return (centred * y).sum(axis=0) / (centred**2).sum(axis=0)


@estimand("share of the draws in which {value} holds for every lower rank and not for the rank r")
def share_of_right_rank(tables, published, rng, *, table, value, where=None):
    """Return how often ranks tested one after the other, from 1 on, first pass at the true one.

    ``value`` is a column that is 1 where a rank is rejected, else 0.
    """
    return share_interval(np.min, right_ranks(chosen(tables[table], where), value)[None], rng)


@estimand("distance from 1 of the slope of {value} in {against} as α falls, mean over runs")
def slope_off(tables, published, rng, *, table, value, against, where=None):
    """Return the distance from 1 of the mean over runs of the least-squares slope of ``value`` in ``against``,
    over every run's α.
    """
    slopes = finite(slopes_of(chosen(tables[table], where), value, against))
    return distance_from(interval_of(np.mean, slopes[None], rng), 1.0)
