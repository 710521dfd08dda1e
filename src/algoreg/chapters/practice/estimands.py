"""What the claims of this chapter measure: ratios and differences of two methods on the same draws."""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import exp_of, interval_of


def _side(frame, method, value, by):
    """Return the cells (points, T, E) of a method."""
    return cells(chosen(frame, {"method": method}), by, value)[1]


@estimand("{value} of {method} over {over_value} of {over_method}, geometric mean over runs and {by}")
def ratio_of_methods(tables, published, rng, *, table, method, value, over_method, over_value, by, where=None):
    """Return the geometric mean of a method's ``value`` over another one's ``over_value`` on the same draws.

    ``by`` names the points that are averaged. Undefined where a value is not above 0.
    """
    frame = chosen(tables[table], where)
    own, other = _side(frame, method, value, by), _side(frame, over_method, over_value, by)
    return exp_of(interval_of(np.mean, np.log(positive(own)) - np.log(positive(other)), rng))


@estimand("{value} of {method} less that of {over_method}, mean over runs and {by}")
def lead_of_method(tables, published, rng, *, table, method, value, over_method, by, where=None):
    """Return the mean of a method's ``value`` less another one's on the same draws."""
    frame = chosen(tables[table], where)
    lead = _side(frame, method, value, by) - _side(frame, over_method, value, by)
    return interval_of(np.mean, finite(lead), rng)
