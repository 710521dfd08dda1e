"""What the claims of the race measure: passes of the best of several methods,
their growth with κ, ratios of thresholds.
"""

import numpy as np

from algoreg.claims.cells import cells, chosen, positive, resampled
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import UNDEFINED, as_factor, crossed_interval, distance_from, exp_of, interval_of
from algoreg.claims.thresholds import compared


def log_passes(frame, methods, tolerance):
    """Return the logs of the passes to a tolerance: a dict of κ to an array (methods, T, E).

    A method of which some run did not get there has NaN in all its cells at that κ: it is not eligible there.
    """
    found = {}
    for kappa, part in chosen(frame, {"method": methods, "tolerance": tolerance}).groupby("kappa"):
        _, values = cells(part, ["method"], "passes")
        lost = ~np.isfinite(values).all(axis=(1, 2), keepdims=True)
        found[kappa] = np.log(np.where(lost, np.nan, values))
    return found


def _eligible(logs):
    return all(np.isfinite(part).any() for part in logs.values())


def _best(part, targets, ensembles):
    """Return the smallest mean over runs among the methods that are eligible."""
    return np.nanmin(resampled(part, targets, ensembles).mean(axis=(1, 2)))


@estimand("passes to {tolerance:g} of the best of {first} over those of the best of {second}, the largest over κ")
def ratio_of_the_best(tables, published, rng, *, table, first, second, tolerance, where=None):
    """Return the largest over κ of the best method's passes among ``first`` over the best one's among ``second``.

    The best at a κ has the smallest geometric mean over runs; a method of which some run did not reach the tolerance is
    not eligible there. Undefined where none is.
    """
    frame = chosen(tables[table], where)
    sides = [log_passes(frame, methods, tolerance) for methods in (first, second)]
    if not all(map(_eligible, sides)):
        return UNDEFINED
    own, other = sides

    def statistic(targets, ensembles):
        return max(_best(own[kappa], targets, ensembles) - _best(other[kappa], targets, ensembles) for kappa in own)

    shape = next(iter(own.values())).shape[1:]
    return exp_of(crossed_interval(statistic, *shape, rng))


def _growth(tables, rng, table, methods, tolerance, where):
    logs = log_passes(chosen(tables[table], where), methods, tolerance)
    if len(logs) < 2:
        raise ValueError(f"table {table}: {len(logs)} values of kappa: growth needs two")
    if not _eligible(logs):
        return UNDEFINED
    weights = slope_weights(list(logs))

    def statistic(targets, ensembles):
        return weights @ [_best(part, targets, ensembles) for part in logs.values()]

    return crossed_interval(statistic, *next(iter(logs.values())).shape[1:], rng)


@estimand("exponent in κ of the passes to {tolerance:g} of the best of {methods}")
def growth_with_kappa(tables, published, rng, *, table, methods, tolerance, where=None):
    """Return the slope of log passes of the best method at each κ against log κ;
    ``where`` picks the κ. See ``ratio_of_the_best``.
    """
    return _growth(tables, rng, table, methods, tolerance, where)


@estimand("distance from {expected:g} of the exponent in κ of the passes to {tolerance:g} of the best of {methods}")
def growth_with_kappa_off(tables, published, rng, *, table, methods, tolerance, expected, where=None):
    """Return how far that exponent is from an expected one; see :func:`growth_with_kappa`."""
    return distance_from(_growth(tables, rng, table, methods, tolerance, where), expected)


@estimand(
    "m* of {table} over m* of {over}, geometric mean over runs, m* where the test error falls through {tolerance:g}"
)
def threshold_ratio(tables, published, rng, *, table, over, tolerance, where=None, over_where=None):
    """Return the geometric mean over runs of the m* of one table over that of another,
    on the same targets and ensembles.

    ``where`` and ``over_where`` pick rows of either table. See :func:`algoreg.claims.thresholds.log_ratios`.
    """
    sides = {"table": table, "over": over, "where": where, "over_where": over_where}
    return exp_of(interval_of(np.mean, compared(tables, tolerance=tolerance, **sides), rng))


@estimand(
    "m* of {table} over m* of {over}, geometric mean over runs, the largest over the rank, m* where the test error "
    "falls through {tolerance:g}"
)
def largest_threshold_ratio(tables, published, rng, *, table, over, tolerance, where=None, over_where=None):
    """Return the largest over ranks of the geometric mean over runs of the m* of one table over that of another;
    see :func:`threshold_ratio`.
    """
    sides = {"table": table, "over": over, "where": where, "over_where": over_where}
    logs = compared(tables, tolerance=tolerance, **sides)
    return exp_of(interval_of(lambda part: part.mean(axis=(1, 2)).max(), logs, rng))


@estimand(
    "m* of {table} over m* of {over} at the largest rank, over the same at the smallest, geometric means over runs, m* "
    "where the test error falls through {tolerance:g}"
)
def growth_of_threshold_ratio(tables, published, rng, *, table, over, tolerance, where=None, over_where=None):
    """Return by which factor the ratio of :func:`threshold_ratio` grows from the smallest to the largest rank."""
    sides = {"table": table, "over": over, "where": where, "over_where": over_where}
    logs = compared(tables, tolerance=tolerance, **sides)
    return exp_of(interval_of(lambda part: (part[-1] - part[0]).mean(), logs, rng))


@estimand("geometric mean over runs of {value}, which is at least 1, the largest over {by}")
def largest_mean_factor(tables, published, rng, *, table, value, by, where=None):
    """Return the largest geometric mean over runs of a value that no run has below 1, and an interval that is not
    below 1 either.
    """
    _, values = cells(chosen(tables[table], where), by, value)
    logs = np.log(positive(values))
    return as_factor(interval_of(lambda part: part.mean(axis=(1, 2)).max(), logs, rng))
