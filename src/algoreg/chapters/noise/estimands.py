"""What the claims about noise measure beside exponents and means: slopes against what is expected, ranks told right."""

import numpy as np

from algoreg.analysis.cells import cells, chosen
from algoreg.analysis.intervals import UNDEFINED, distance_from, interval_of, share_interval
from algoreg.judge.estimands import estimand


@estimand("share of the draws in which {value} holds for every lower rank and not for the rank r")
def share_of_right_rank(tables, published, rng, *, table, value, where=None):
    """Return how often ranks tested one after the other, from 1 on, first pass at the true one.

    Parameters
    ----------
    value : str
        A column that is 1 where a rank is rejected, else 0.
    """
    frame = chosen(tables[table], where)
    _, rejected = cells(frame[frame["fitted_rank"] <= frame["rank"]], ["fitted_rank"], value)
    right = rejected[:-1].all(axis=0, keepdims=True) & (rejected[-1:] == 0)
    return share_interval(np.min, right, rng)


@estimand("distance from 1 of the slope of {value} in {against} as α falls, mean over runs")
def slope_off(tables, published, rng, *, table, value, against, where=None):
    """Return the distance from 1 of the mean over runs of the least-squares slope of ``value`` in ``against``, over every run's α."""
    frame = chosen(tables[table], where)
    (_, y), (_, x) = (cells(frame, ["alpha"], column) for column in (value, against))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return UNDEFINED
    centred = x - x.mean(axis=0)
    slopes = (centred * y).sum(axis=0, keepdims=True) / (centred**2).sum(axis=0, keepdims=True)
    return distance_from(interval_of(np.mean, slopes, rng), 1.0)
