"""What the claims about noise and outliers measure beside the shared estimands: thresholds compared."""

import numpy as np

from algoreg.claims.cells import chosen
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import as_factor, distance_from, interval_of
from algoreg.claims.thresholds import find_thresholds, log_ratios


@estimand(
    "factor between m* at {by} = {pair}, geometric mean over runs, m* where the test error falls through {tolerance:g}"
)
def thresholds_apart(tables, published, rng, *, table, by, pair, tolerance):
    """Return the factor, at least 1, between the m* of two values of a column, on the same targets and ensembles.

    See :func:`algoreg.claims.thresholds.log_ratios`.
    """
    own, other = (find_thresholds(chosen(tables[table], {by: name}), "rank", tolerance) for name in pair)
    return as_factor(distance_from(interval_of(np.mean, log_ratios(own, other), rng), 0.0))
