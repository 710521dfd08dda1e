"""What the claims about landscapes measure beside shares and exponents: gains, and the width from which all starts are global."""

import numpy as np

from algoreg.analysis.cells import cells, chosen
from algoreg.analysis.intervals import UNDEFINED, crossed_interval, interval_of
from algoreg.judge.estimands import estimand


@estimand("mean over runs of {value} at {along} = {first:g} less at {second:g}")
def mean_gain(tables, published, rng, *, table, value, along, first, second, where=None):
    """Return the mean over runs of ``value`` where a column has one number, less that where it has another, run by run."""
    frame = chosen(tables[table], where)
    sides = [cells(chosen(frame, {along: end}), [along], value)[1] for end in (first, second)]
    if not all(np.isfinite(side).all() for side in sides):
        return UNDEFINED
    return interval_of(np.mean, sides[0] - sides[1], rng)


def needed_widths(optimal):
    """Return the place of the first width from which on all starts of an ensemble are optimal, shape (E,).

    Parameters
    ----------
    optimal : numpy.ndarray, shape (widths, starts, E)
        1 or 0, widths rising. The number of widths stands where even the largest is not.
    """
    all_starts = optimal.min(axis=1)[::-1]
    return len(optimal) - np.minimum.accumulate(all_starts, axis=0).sum(axis=0).astype(int)


@estimand("smallest width from which on every start is optimal, over the scale `{scale}`, mean over ensembles")
def needed_width(tables, published, rng, *, table, scale, where=None):
    """Return the mean over ensembles of the needed width over √(2m) (``root``) or over the optimum's rank (``rank``).

    Undefined where the largest width is not enough in some ensemble.
    """
    frame = chosen(tables[table], where)
    names, optimal = cells(frame, ["positive"], "optimal")
    _, ranks = cells(frame, ["positive"], "optimum_rank")
    widths = np.array([width for (width,) in names])
    unit = ranks[0] if scale == "rank" else np.full(ranks[0].shape, np.sqrt(2 * frame["m"].iloc[0]))
    if (needed_widths(optimal) == len(widths)).any():
        return UNDEFINED

    def statistic(targets, ensembles):
        needed = widths[needed_widths(optimal[:, targets][:, :, ensembles])]
        return np.mean(needed / unit[0, ensembles])

    return crossed_interval(statistic, *optimal.shape[1:], rng)


@estimand("share of the ends at the least loss, {units} unit(s): `root` is √(2m) and wider")
def optimal_from_the_root(tables, published, rng, *, table, units, where=None):
    """Return the share of runs at the least loss, of the widths of at least √(2m) (``root``) or of one unit (``one``)."""
    frame = chosen(tables[table], where)
    least = np.sqrt(2 * frame["m"].iloc[0])
    kept = frame[frame["positive"] >= least] if units == "root" else frame[frame["positive"] == 1]
    _, optimal = cells(kept, ["positive"], "optimal")
    return interval_of(np.mean, optimal, rng)
