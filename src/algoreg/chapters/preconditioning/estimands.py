"""What the claims about preconditioning measure beside growth with κ: how a run slows down,
and ratios of thresholds.
"""

import numpy as np

from algoreg.claims.cells import cells_along, chosen, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import exp_of, interval_of
from algoreg.claims.thresholds import exponent_of, find_thresholds, log_ratios


@estimand(
    "iterations of {method} from an error of {middle:g} to {last:g} over those from {first:g} to {middle:g}, geometric mean"
)
def slowing(tables, published, rng, *, table, method, first, middle, last):
    """Return how many times longer the second span of errors takes than the first, a geometric mean over runs.

    1 for linear convergence over equal spans; where the error falls like 1/t, the second of two decades takes ten times
    as long. Undefined where a run did not reach the last error.
    """
    own = dict(zip(*cells_along(chosen(tables[table], {"method": method}), "tolerance", "passes"), strict=True))
    spans = np.stack([own[last] - own[middle], own[middle] - own[first]])
    return exp_of(interval_of(lambda part: part[0].mean() - part[1].mean(), np.log(positive(spans)), rng))


def thresholds_of(frame, method, tolerance):
    """Return the thresholds in m of a method's runs; see :func:`algoreg.claims.thresholds.find_thresholds`."""
    own = chosen(frame, {"method": method})
    return find_thresholds(own[own["tolerance"] == own["tolerance"].min()], "rank", tolerance)


@estimand(
    "m* of {method} over m* of {beside}, geometric mean over runs, m* where the test error falls through {tolerance:g}"
)
def ratio_of_thresholds(tables, published, rng, *, table, method, beside, tolerance):
    """Return the geometric mean over runs of one method's m* over another's, on the same targets and ensembles.

    See :func:`algoreg.claims.thresholds.log_ratios`.
    """
    own, other = (thresholds_of(tables[table], name, tolerance) for name in (method, beside))
    return exp_of(interval_of(np.mean, log_ratios(own, other), rng))


@estimand("exponent of m* in {along} of {method}, m* where the test error falls through {tolerance:g}")
def exponent_of_thresholds(tables, published, rng, *, table, along, method, tolerance):
    """Return the exponent of a method's m* in a column; see :func:`algoreg.claims.thresholds.exponent_of`."""
    return exponent_of(find_thresholds(chosen(tables[table], {"method": method}), along, tolerance), rng)
