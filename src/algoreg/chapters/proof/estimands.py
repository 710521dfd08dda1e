"""What claims about the proofs' inequalities measure: the δ that they need against its bracket, and isometry exponents."""

import numpy as np

from algoreg.analysis.estimators import (
    UNDEFINED,
    Estimate,
    cells,
    chosen,
    crossed_interval,
    estimand,
    interval_of,
    slope_weights,
)


@estimand("mean over runs of {low}, the largest over {by} (the interval's lower end: of {up})")
def bracketed_need(tables, published, rng, *, table, low, up, by, where=None):
    """Return the largest mean over points of the δ that an inequality needs over the δ that the ensemble has.

    The ensemble's δ lies in a bracket: ``low`` is the column of ratios to its lower end, ``up`` that of ratios to its upper end. The
    value is the first's; the interval reaches from the lower end of the second's 95 % interval to the upper end of
    the first's. So an inequality that must hold (direction below, margin 1) is supported if it holds with δ's lower end, refuted
    if it fails with the upper one, else inconclusive.
    """
    frame = chosen(tables[table], where)
    ends = []
    for column in (low, up):
        _, values = cells(frame, by, column)
        if not np.isfinite(values).all():
            return UNDEFINED
        ends.append(interval_of(lambda part: part.mean(axis=(1, 2)).max(), values, rng))
    # Each ratio to the upper end is at most that to the lower one, so what bounds the former from below bounds the latter.
    return Estimate(ends[0].value, ends[1].low, ends[0].high)


@estimand("largest distance from ±{expected:g} of the exponents of {values} in the sizes")
def exponents_distance(tables, published, rng, *, table, values, along, expected, falling=(), where=None):
    """Return the largest |slope − (±``expected``)| over columns and axes, slopes of mean logs over ensembles.

    Parameters
    ----------
    values : list of str
        Columns.
    along : mapping of str to mapping
        Per axis, the rows (column: value) on which the others stand still.
    expected : float
        The exponent where the quantity grows; less than 0 by as much along the axes of ``falling``.
    falling : list of str
    where : mapping, optional
        Rows of all axes.
    """
    logs, slopes, goals = [], [], []
    for axis, rows in along.items():
        frame = chosen(tables[table], {**(where or {}), **rows})
        for column in values:
            names, found = cells(frame, [axis], column)
            if len(names) < 3:
                raise ValueError(f"table {table}: {len(names)} values of {axis}: an exponent needs at least three")
            if not (np.isfinite(found).all() and (found > 0).all()):
                return UNDEFINED
            slopes.append(slope_weights([point for (point,) in names]))
            logs.append(np.log(found[:, 0]))
            goals.append(-expected if axis in falling else expected)

    def statistic(_, ensembles):
        return max(
            abs(slope @ log[:, ensembles].mean(axis=1) - goal)
            for slope, log, goal in zip(slopes, logs, goals, strict=True)
        )

    return crossed_interval(statistic, 1, logs[0].shape[1], rng)
