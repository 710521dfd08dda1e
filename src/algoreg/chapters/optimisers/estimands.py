"""What the claims about optimisers measure beside means and exponents."""

import numpy as np

from algoreg.claims.cells import cells, cells_along, chosen, finite, log_cells, resampled
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import crossed_interval, exp_of, interval_of
from algoreg.claims.thresholds import FLOOR, last_fall


def _logs(table, method, tolerance):
    """Return the ratios m/(dr) and log10 errors (P, T, E) of a method, told apart down to a tenth of the tolerance."""
    places, logs = log_cells(chosen(table, {"method": method}), "m_over_dr", "end_error")
    return np.array(places), np.clip(logs, np.log10(FLOOR * tolerance), 0.0)


def threshold(table, method, tolerance):
    """Return m*/(dr) of a method: where the geometric mean error falls through the tolerance for good."""
    places, logs = _logs(table, method, tolerance)
    return last_fall(places, logs.mean(axis=(1, 2)), np.log10(tolerance))[0]


@estimand("m* of {method} over that of {against}, m* where the mean log error falls through {tolerance:g}")
def optimiser_threshold_ratio(tables, published, rng, *, table, method, against, tolerance):
    """Return the ratio of two methods' m*; one that lies off the grid counts as the grid's end."""
    (places, first), (_, second) = (_logs(tables[table], name, tolerance) for name in (method, against))
    level = np.log10(tolerance)

    def statistic(*units):
        ends = [last_fall(places, resampled(logs, *units).mean(axis=(1, 2)), level)[0] for logs in (first, second)]
        return np.log(ends[0] / ends[1])

    return exp_of(crossed_interval(statistic, *first.shape[1:], rng))


@estimand("mean over runs of {value} at {along} = {first:g} less that at {second:g}")
def fall_between(tables, published, rng, *, table, value, along, first, second, where=None):
    """Return how much the mean of a value is larger at the first of two values of a column."""
    _, values = cells(chosen(tables[table], {**(where or {}), along: [first, second]}), [along], value)
    low, high = (0, 1) if first < second else (1, 0)
    return interval_of(lambda part: float(np.mean(part[low] - part[high])), finite(values), rng)


@estimand(
    "share of the fall of the mean of {value} from {along} = 0 to {last:g} that lies between {low:g} and {high:g}"
)
def share_of_fall(tables, published, rng, *, table, value, along, low, high, last, where=None):
    """Return how much of a fall lies between two values of a column; undefined where the mean does not fall."""
    points = [0.0, low, high, last]
    names, values = cells_along(chosen(tables[table], {**(where or {}), along: points}), along, value)
    places = [int(np.argmin(np.abs(np.array(names) - point))) for point in points]
    values = finite(values)

    def statistic(part):
        start, before, after, end = part.mean(axis=(1, 2))[places]
        return float((before - after) / (start - end))

    return interval_of(statistic, values, rng)


@estimand("fall of the mean of {value} from {along} = {first:g} to {second:g}, at the first over the second of {pair}")
def fall_ratio(tables, published, rng, *, table, value, along, first, second, by, pair, where=None):
    """Return the ratio of two falls, each between the same two values of a column."""
    frame = chosen(tables[table], {**(where or {}), along: [first, second]})
    parts = np.concatenate([finite(cells(chosen(frame, {by: name}), [along], value)[1]) for name in pair])

    def statistic(part):
        start, end, other_start, other_end = part.mean(axis=(1, 2))
        return float((start - end) / (other_start - other_end))

    return interval_of(statistic, parts, rng)
