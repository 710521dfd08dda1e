"""What the claims about phase retrieval measure beside shares and exponents of means:
exponents of medians, and ratios of columns.
"""

import numpy as np

from algoreg.claims.cells import cells, cells_along, chosen, finite, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few, slope_weights
from algoreg.claims.intervals import exp_of, interval_of, share_interval
from algoreg.numerics.seeds import stream


def medians(values):
    """Return the median over runs of cells (points, T, E), shape (points,);
    a run without a value is above all others.
    """
    counted = np.where(np.isfinite(values), values, np.inf).reshape(len(values), -1)
    # Of the two in the middle the larger: a mean with infinity is no number.
    return np.quantile(counted, 0.5, axis=1, method="higher")


def medians_by(frame, x, value):
    """Return the :func:`medians` of a table's runs by a column."""
    points, values = cells_along(frame, x, value)
    return dict(zip(points, medians(values), strict=True))


def shares_by_ratio(frame, value):
    """Return the share of runs for which ``value`` is 1 with its 95 % interval, an estimate by m/d.

    As claims on shares have it; see :func:`algoreg.claims.intervals.share_interval`.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of one d and one kind of start, over m/d, target and ensemble.
    value : str
        A column of 0 and 1.
    """
    ratios, values = cells_along(frame, "m_ratio", value)
    rng = stream("shares", of=value)
    return {ratio: share_interval(np.min, part[None], rng) for ratio, part in zip(ratios, values, strict=True)}


@estimand("exponent in {along} of the median over runs of {value}")
def median_exponent(tables, published, rng, *, table, value, along, where=None):
    """Return the slope of the log median of ``value`` over runs against log ``along``; at least three points.

    For times that some runs have not come to: these are longer than all that are known. Undefined where a median is.
    """
    points, values = cells_along(chosen(tables[table], where), along, value)
    refuse_few(points, along, table)
    weights = slope_weights(points)
    # Half of the runs of some resample may not get there, though half of all do.
    most = np.nanmax(values, initial=1.0)
    finite(medians(values))

    def slope(part):
        logs = np.log(np.minimum(medians(part), most))
        # The weights add up to 0 but for rounding, which equal medians would show.
        return weights @ (logs - logs[0])

    return interval_of(slope, values, rng)


@estimand("geometric mean over runs of {value} over {against}, the largest over {by}")
def largest_geometric_ratio(tables, published, rng, *, table, value, against, by, where=None):
    """Return the largest geometric mean over runs of one column over another among the points named
    by the columns ``by``.

    Undefined where a run has no positive value of either.
    """
    frame = chosen(tables[table], where)
    own, other = (positive(cells(frame, by, column)[1]) for column in (value, against))
    return exp_of(interval_of(lambda part: np.max(part.mean(axis=(1, 2))), np.log(own / other), rng))
