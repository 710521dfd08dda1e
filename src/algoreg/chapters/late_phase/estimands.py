"""What the claims on late phases measure beside exponents and means: slopes over a logarithm."""

from algoreg.claims.cells import cells_along, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few, slope_weights
from algoreg.claims.intervals import distance_from, interval_of


@estimand("distance from {expected:g} of the slope of the mean of {value} over ln {along}")
def log_slope_off(tables, published, rng, *, table, value, along, expected, where=None):
    """Return how far the least-squares slope of a mean over runs against the log of a column is from a number."""
    points, values = cells_along(chosen(tables[table], where), along, value)
    refuse_few(points, along, table)
    weights = slope_weights(points)
    found = interval_of(lambda part: weights @ part.mean(axis=(1, 2)), finite(values), rng)
    return distance_from(found, expected)
