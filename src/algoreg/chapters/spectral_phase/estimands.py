"""What the claims about the first phase measure: how far exponents are from each other and from those predicted,
and whether they follow these.
"""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import log_law, slopes_of_runs
from algoreg.claims.intervals import Estimate, distance_from, interval_of


@estimand("distance of the exponents of {value} in {along}, {by} = {pair}")
def exponents_apart(tables, published, rng, *, table, value, along, by, pair):
    """Return how far apart the exponents are at two values of a column; see
    :func:`algoreg.claims.exponents.log_law`.
    """
    laws = [log_law(chosen(tables[table], {by: [one]}), along, value, table) for one in pair]
    (weights, first), (_, second) = laws
    return distance_from(interval_of(lambda part: weights @ part.mean(axis=(1, 2)), first - second, rng), 0.0)


@estimand("distance from 1 of the exponent of {value} in {along} over the one predicted, mean over runs")
def exponent_over_predicted(tables, published, rng, *, table, value, along, predicted, where=None):
    """Return how far from 1 the mean over runs of an exponent over its run's prediction is.

    ``predicted`` is the column of predictions, the same at all points of ``along``, or one number for all runs.
    """
    frame = chosen(tables[table], where)
    expected = finite(cells(frame, [along], predicted)[1][:1]) if isinstance(predicted, str) else predicted
    ratios = slopes_of_runs(frame, along, value, table)[None] / expected
    return distance_from(interval_of(np.mean, ratios, rng), 1.0)


@estimand("correlation over runs of the exponent of {value} in {along} with the one predicted")
def correlation_with_predicted(tables, published, rng, *, table, value, along, predicted, where=None, others=False):
    """Return how the exponents of single runs correlate with their predictions.

    With ``others`` they are beside the predictions of runs that share neither target nor ensemble: the mean over all
    such pairings.
    """
    frame = chosen(tables[table], where)
    expected = finite(cells(frame, [along], predicted)[1][0])
    targets, ensembles = expected.shape
    shifts = [(t, e) for t in range(1, targets) for e in range(1, ensembles)] if others else [(0, 0)]
    beside = [np.roll(expected, shift, (0, 1)) for shift in shifts]
    both = np.stack([slopes_of_runs(frame, along, value, table), *beside])
    found = interval_of(lambda part: np.corrcoef(part.reshape(len(part), -1))[0, 1:].mean(), both, rng)
    return Estimate(found.value, max(found.low, -1.0), min(found.high, 1.0))
