"""What claims about the proofs' inequalities measure: the δ that they need against its bracket,
and isometry exponents.
"""

from algoreg.claims.cells import cells, chosen, finite
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import log_law
from algoreg.claims.intervals import Estimate, crossed_interval, interval_of


@estimand("mean over runs of {low}, the largest over {by} (the interval's lower end: of {up})")
def bracketed_need(tables, published, rng, *, table, low, up, by, where=None):
    """Return the largest mean over points of the δ that an inequality needs over the δ that the ensemble has.

    The ensemble's δ lies in a bracket: ``low`` is the column of ratios to its lower end, ``up`` that of ratios to its
    upper end. The value is the first's; the interval reaches from the lower end of the second's 95 % interval to the
    upper end of the first's. So an inequality that must hold (direction below, margin 1) is supported if it holds with
    δ's lower end, refuted if it fails with the upper one, else inconclusive.
    """
    frame = chosen(tables[table], where)
    ends = []
    for column in (low, up):
        _, values = cells(frame, by, column)
        ends.append(interval_of(lambda part: part.mean(axis=(1, 2)).max(), finite(values), rng))
    # Each ratio to the upper end is at most that to the lower one, so what bounds the former from below bounds the
    # latter.
    return Estimate(ends[0].value, ends[1].low, ends[0].high)


@estimand("largest distance from ±{expected:g} of the exponents of {values} in the sizes")
def exponents_distance(tables, published, rng, *, table, values, along, expected, falling=(), where=None):
    """Return the largest |slope − (±``expected``)| over columns and axes, slopes of mean logs over ensembles.

    Parameters
    ----------
    values : list of str
        Columns.
    along : mapping of str to mapping
        Per axis, the rows (column: value) at which the other axes are held.
    expected : float
        The exponent where the quantity grows; less than 0 by as much along the axes of ``falling``.
    falling : list of str
    where : mapping, optional
        Rows of all axes.
    """
    laws = []
    for axis, rows in along.items():
        frame = chosen(tables[table], {**(where or {}), **rows})
        for column in values:
            weights, logs = log_law(frame, axis, column, table)
            laws.append((weights, logs[:, 0], -expected if axis in falling else expected))

    def statistic(_, ensembles):
        return max(abs(weights @ logs[:, ensembles].mean(axis=1) - goal) for weights, logs, goal in laws)

    return crossed_interval(statistic, 1, laws[0][1].shape[1], rng)
