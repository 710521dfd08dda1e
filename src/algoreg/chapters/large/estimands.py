"""What the claims on large dimensions measure: thresholds of mean curves at fixed m/(dr), and how they grow."""

import numpy as np

from algoreg.chapters.large.leak import predicted
from algoreg.claims.cells import NoValue, cells, chosen
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few, slope_weights
from algoreg.claims.intervals import exp_of, interval_of

# Errors are told apart down to this fraction of the tolerance, where runs stop, and up to 1, the error of X = 0.
FLOOR = 0.1


class Curves:
    """The mean log errors of a table over m/(dr), a curve for every size.

    The threshold c* of a size is where the least-squares line of the mean log error against log m/(dr) has the
    tolerance. Every run of the grid counts; two points next to the threshold alone would be less exact.

    Parameters
    ----------
    frame : pandas.DataFrame
        With one α and one κ.
    tolerance : float

    Attributes
    ----------
    sizes : list of (int, int)
        d and rank, in order.
    values : numpy.ndarray, shape (points, 1, runs)
        The logs of the errors, between the tolerance's tenth and 1. A run that diverged counts as 1.
    """

    def __init__(self, frame, tolerance):
        names, errors = cells(frame, ["d", "rank", "m_over_dr"], "test_error")
        self.tolerance, self.alpha = tolerance, float(frame["alpha"].iloc[0])
        self.sizes = sorted({name[:2] for name in names})
        self.places = [[i for i, name in enumerate(names) if name[:2] == size] for size in self.sizes]
        self.logs = [np.log([names[i][2] for i in place]) for place in self.places]
        self.values = np.log(np.clip(np.where(np.isfinite(errors), errors, 1.0), FLOOR * tolerance, 1.0))

    def thresholds(self, values):
        """Return log c* of every size, of these logs of errors."""
        heights = values.mean(axis=(1, 2))
        return np.array([self._crossing(x, heights[place]) for x, place in zip(self.logs, self.places, strict=True)])

    def _crossing(self, x, heights):
        slope = slope_weights(np.exp(x)) @ heights
        return x.mean() + (np.log(self.tolerance) - heights.mean()) / slope

    def on_grid(self):
        """Return the thresholds of all runs; raises :class:`NoValue` where one lies off its grid."""
        found = self.thresholds(self.values)
        if not all(x[0] <= place <= x[-1] for x, place in zip(self.logs, found, strict=True)):
            raise NoValue
        return found

    def growth(self, places):
        """Return log c* less that of the smallest size, as the leak predicts it from there, of every size."""
        ratios = [d / rank for d, rank in self.sizes]
        return np.log(predicted(np.exp(places[0]), ratios[0], ratios, self.alpha)) - places[0]


@estimand("exponent in {along} of the m at which the mean log error is that of {tolerance}")
def curve_exponent(tables, published, rng, *, table, along, tolerance, where=None):
    """Return the exponent of the threshold m* = c*·dr of mean curves in ``along``, ``d`` or ``rank``.

    Runs are resampled whole. Undefined where a threshold lies off its grid.
    """
    curves = Curves(chosen(tables[table], where), tolerance)
    curves.on_grid()
    d, rank = np.array(curves.sizes, float).T
    along = {"d": d, "rank": rank}[along]
    refuse_few(along, "sizes", table)
    weights, dr = slope_weights(along), np.log(d * rank)
    return interval_of(lambda part: weights @ (curves.thresholds(part) + dr), curves.values, rng)


@estimand("largest factor between the growth of m*/(dr) and that of the prediction ({predict}), over sizes")
def growth_off(tables, published, rng, *, table, tolerance, alphas: list, predict, where=None):
    """Return the largest factor, over sizes and α, between a threshold and the one predicted from the smallest size.

    ``predict`` is ``leak``, or ``constant``, by which m*/(dr) is alike at all sizes.
    """
    parts = [Curves(chosen(tables[table], {**(where or {}), "alpha": alpha}), tolerance) for alpha in alphas]
    for part in parts:
        part.on_grid()
    edges = np.cumsum([0, *(len(part.values) for part in parts)])

    def statistic(values):
        largest = 0.0
        for part, start, stop in zip(parts, edges, edges[1:], strict=False):
            places = part.thresholds(values[start:stop])
            growth = part.growth(places) if predict == "leak" else 0.0
            largest = max(largest, np.abs(places - places[0] - growth).max())
        return largest

    return exp_of(interval_of(statistic, np.concatenate([part.values for part in parts]), rng))


@estimand("largest difference of mean log₁₀ errors from those of {against}, over times")
def law_apart(tables, published, rng, *, table, against, value, where=None):
    """Return the largest difference between the mean log10 errors of two tables, over times.

    Their runs are independent; runs of one number are resampled together, which changes nothing in law.
    """
    first, second = (np.log10(cells(chosen(tables[name], where), ["time"], value)[1]) for name in (table, against))
    if not np.isfinite([first, second]).all():
        raise NoValue
    return interval_of(
        lambda part: np.abs(part[: len(first)].mean(axis=(1, 2)) - part[len(first) :].mean(axis=(1, 2))).max(),
        np.concatenate([first, second]),
        rng,
    )
