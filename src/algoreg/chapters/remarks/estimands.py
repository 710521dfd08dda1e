"""What the claims about the paper's remarks measure beside exponents and means: agreement with a law above a floor."""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import UNDEFINED, interval_of


def shortfall(value, predicted, tolerance, floor):
    """Return by what factor values miss being within ``tolerance`` of a prediction and at least ``floor``:
    below 1 is neither.

    The larger of |value − predicted| / (tolerance · max(predicted, floor)) and floor/value, of numbers that are not
    negative. Where the prediction itself lies below the floor, the second term is above 1 for every value that fits it.
    """
    away = np.abs(value - predicted) / (tolerance * np.maximum(predicted, floor))
    # A value of 0 falls short by a large factor, not by infinity: intervals need numbers.
    return np.maximum(away, floor / np.maximum(value, 1e-12))


@estimand(
    "largest factor over {by} by which the mean over runs of {value} misses {predicted} ± {tolerance:.0%} or {floor:g}"
)
def largest_shortfall(tables, published, rng, *, table, value, predicted, by, tolerance, floor, where=None):
    """Return the largest :func:`shortfall` of the mean over runs of ``value`` among the points named by ``by``.

    Below 1: at every point the mean lies within ``tolerance`` of the mean of the column ``predicted`` and above
    ``floor``. Undefined where a run has no value.
    """
    frame = chosen(tables[table], where)
    values, laws = (finite(cells(frame, by, column)[1]) for column in (value, predicted))
    law = laws.mean(axis=(1, 2))
    return interval_of(lambda part: np.max(shortfall(part.mean(axis=(1, 2)), law, tolerance, floor)), values, rng)


@estimand("mean distance between the ends of descent and of the convex programme, runs that fit the labels")
def fitted_mean(tables, published, rng, *, table, value, where=None):
    """Return the mean of ``value`` over the runs that fit their labels, those with the status ``converged``.

    Intervals resample whole targets and ensembles, with those of their runs that fit. Undefined where fewer than half
    of the runs do, or one of these has no value.
    """
    frame = chosen(tables[table], where)
    fits = frame["status"] == "converged"
    if 2 * fits.sum() < len(frame):
        return UNDEFINED
    finite(frame.loc[fits, value])
    _, values = cells(frame.assign(fitted=frame[value].where(fits), point=0), ["point"], "fitted")
    whole = np.nanmean(values)

    def statistic(part):
        # A resample without a run that fits carries no information.
        return np.nanmean(part) if np.isfinite(part).any() else whole

    return interval_of(statistic, values, rng)


def nearest_then_away(frame):
    """Return the distances along falling α of the run that comes near the least nuclear norm
    and leaves it farthest again.

    That is the largest ratio of the distance at the smallest α to the smallest distance on the way.

    Parameters
    ----------
    frame : pandas.DataFrame
        Descents at one m.

    Returns
    -------
    pandas.Series
        Over α, falling.
    """
    wide = frame.pivot_table(index="alpha", columns=["target", "ensemble"], values="distance_to_min_trace")
    wide = wide.dropna(axis=1).sort_index(ascending=False)
    return wide[(wide.iloc[-1] / wide.min()).idxmax()]
