"""What the claims on the condition number measure: thresholds of mean curves over m, and how they grow."""

import numpy as np

from algoreg.claims.cells import NoValue, cells, chosen
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few, slope_weights
from algoreg.claims.intervals import interval_of

# Errors are clipped to the range from this fraction of the tolerance, where runs stop, to 1, about the error of X = 0.
FLOOR = 0.1


class Conditions:
    """The mean logs of an error over m, a curve for every value of a column.

    m* of a curve is where the least-squares line of the mean log error against log m reaches the tolerance. A line that
    hardly falls reaches it far away, so m* is limited to the grid's width, in log m, beyond the grid.

    Parameters
    ----------
    frame : pandas.DataFrame
    along, value : str
        The column whose values separate the curves, such as ``kappa`` or ``rank``, and the column of the errors.
    tolerance : float

    Attributes
    ----------
    points : list of float
    values : numpy.ndarray, shape (points × m, 1, runs)
        The logs of the errors.
    """

    def __init__(self, frame, along, value, tolerance):
        names, errors = cells(frame, [along, "m"], value)
        self.points, self.level = sorted({name[0] for name in names}), np.log(tolerance)
        self.places = [[i for i, name in enumerate(names) if name[0] == point] for point in self.points]
        self.logs = [np.log([names[i][1] for i in place]) for place in self.places]
        self.values = np.log(np.clip(np.where(np.isfinite(errors), errors, 1.0), FLOOR * tolerance, 1.0))

    def thresholds(self, values):
        """Return log m* of every point, computed from these logs of errors."""
        found = []
        for x, place in zip(self.logs, self.places, strict=True):
            heights, width = values[place].mean(axis=(1, 2)), x[-1] - x[0]
            # Equal errors, as in a resample of runs that all found X*, are all below the tolerance or all above it.
            slope = min(slope_weights(np.exp(x)) @ heights, -np.finfo(float).eps)
            crossing = x.mean() + (self.level - heights.mean()) / slope
            found.append(np.clip(crossing, x[0] - width, x[-1] + width))
        return np.array(found)


@estimand("exponent in {along} of the m at which the mean log of {value} is that of {tolerance}")
def condition_exponent(tables, published, rng, *, table, along, value, tolerance, where=None):
    """Return the exponent of the threshold m* in ``along``; undefined where a threshold lies off its grid."""
    curves = Conditions(chosen(tables[table], where), along, value, tolerance)
    refuse_few(curves.points, along, table)
    whole = curves.thresholds(curves.values)
    if not all(x[0] <= place <= x[-1] for x, place in zip(curves.logs, whole, strict=True)):
        raise NoValue
    weights = slope_weights(curves.points)
    return interval_of(lambda part: weights @ curves.thresholds(part), curves.values, rng)
