"""What the claims on universality measure: how far laws of measurements lie from Gaussian ones."""

import numpy as np

from algoreg.claims.cells import NoValue, cells, chosen, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import as_factor, exp_of, interval_of
from algoreg.claims.thresholds import find_thresholds, log_ratios

GAUSSIAN = "gaussian"


def threshold_ratios(frame, law, tolerance):
    """Return log(m* with a law / m* with Gaussian measurements) of every run, shape (sizes d, T, E), and the sizes.

    m* is where the error of a run falls through the tolerance for good, see
    :func:`algoreg.claims.thresholds.find_thresholds`. Raises :class:`NoValue` where fewer than half of those of a law
    and a d lie on the grid.
    """
    found = [find_thresholds(chosen(frame, {"law": name}), "d", tolerance) for name in (law, GAUSSIAN)]
    if not all(one.each_on_grid for one in found):
        raise NoValue
    return log_ratios(*found), found[0].sizes


def value_ratios(frame, law, value):
    """Return log(value with a law / value with Gaussian measurements) of every run, shape (sizes d, T, E)."""
    (_, own), (_, other) = (cells(chosen(frame, {"law": name}), ["d"], value) for name in (law, GAUSSIAN))
    return np.log(positive(own)) - np.log(positive(other))


def _largest_factor(ratios, rng):
    """Return the largest factor, at least 1, between geometric means over runs, of log ratios of several laws."""
    logs = np.concatenate(ratios)
    return as_factor(interval_of(lambda part: np.abs(part.mean(axis=(1, 2))).max(), logs, rng))


@estimand("factor between m* with the laws {laws} and with Gaussian measurements, geometric mean, the largest over d")
def largest_threshold_factor(tables, published, rng, *, table, laws, tolerance):
    """Return the largest factor, over laws and d, between the geometric means over runs of m*;
    see :func:`threshold_ratios`.
    """
    return _largest_factor([threshold_ratios(tables[table], law, tolerance)[0] for law in laws], rng)


@estimand("m* with {law} over m* with Gaussian measurements, geometric mean over runs, the smallest over d")
def smallest_threshold_ratio(tables, published, rng, *, table, law, tolerance):
    """Return the smallest ratio, over d, of the geometric means over runs of m*; see :func:`threshold_ratios`."""
    logs, _ = threshold_ratios(tables[table], law, tolerance)
    return exp_of(interval_of(lambda part: part.mean(axis=(1, 2)).min(), logs, rng))


@estimand(
    "factor between {value} with the laws {laws} and with Gaussian measurements, geometric mean, the largest over d"
)
def largest_factor_of_laws(tables, published, rng, *, table, value, laws, where=None):
    """Return the largest factor, over laws and d, between the geometric means over runs of a value."""
    frame = chosen(tables[table], where)
    return _largest_factor([value_ratios(frame, law, value) for law in laws], rng)
