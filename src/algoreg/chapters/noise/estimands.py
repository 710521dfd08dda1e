"""What the claims about noise measure beside exponents and means: means and slopes against what is expected, ranks told right."""

import numpy as np

from algoreg.analysis.cells import cells, chosen
from algoreg.analysis.intervals import UNDEFINED, distance_from, interval_of, share_interval
from algoreg.judge.estimands import estimand


@estimand("distance from {expected:g} of the mean over runs of {value}, the largest over {by}")
def distance_of_mean(tables, published, rng, *, table, value, by, expected, where=None):
    """Return the largest distance of the mean over runs of ``value`` from a number, among the points named by ``by``."""
    _, values = cells(chosen(tables[table], where), by, value)
    if not np.isfinite(values).all():
        return UNDEFINED
    if len(values) == 1:
        return distance_from(interval_of(np.mean, values, rng), expected)
    return interval_of(lambda part: np.abs(part.mean(axis=(1, 2)) - expected).max(), values, rng)


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
