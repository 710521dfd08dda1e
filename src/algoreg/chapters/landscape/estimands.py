"""What the claims about landscapes measure beside shares and exponents: gains,
needed widths and examples, the lazy limit.
"""

from dataclasses import replace

import numpy as np

from algoreg.claims.cells import cells, chosen, finite, paired_logs, resampled
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import UNDEFINED, as_factor, crossed_interval, exp_of, interval_of, share_interval
from algoreg.claims.thresholds import Thresholds, find_thresholds
from algoreg.numerics.theory import least_examples, symmetric_dimension


@estimand("mean over runs of {value} at {along} = {first:g} less at {second:g}")
def mean_gain(tables, published, rng, *, table, value, along, first, second, where=None):
    """Return the mean over runs of ``value`` where a column has one number,
    less that where it has another, run by run.
    """
    frame = chosen(tables[table], where)
    sides = [finite(cells(chosen(frame, {along: end}), [along], value)[1]) for end in (first, second)]
    return interval_of(np.mean, sides[0] - sides[1], rng)


def needed_widths(optimal):
    """Return the place of the first width from which on all starts of an ensemble are optimal, shape (E,).

    ``optimal`` is 1 or 0, shape (widths, starts, E), widths rising. The number of widths stands where even the largest
    is not.
    """
    all_starts = optimal.min(axis=1)[::-1]
    return len(optimal) - np.minimum.accumulate(all_starts, axis=0).sum(axis=0).astype(int)


@estimand("smallest width from which on every start is optimal, over the scale `{scale}`, mean over ensembles")
def needed_width(tables, published, rng, *, table, scale, where=None):
    """Return the mean over ensembles of the needed width over √(2m) (``root``) or over the optimum's rank (``rank``).

    Undefined where the largest width is not enough in some ensemble.
    """
    frame = chosen(tables[table], where)
    (names, optimal), (_, ranks) = (cells(frame, ["positive"], column) for column in ("optimal", "optimum_rank"))
    widths, optimal = np.array([width for (width,) in names]), finite(optimal)
    unit = finite(ranks[0]) if scale == "rank" else np.full(ranks[0].shape, np.sqrt(2 * frame["m"].iloc[0]))
    if (needed_widths(optimal) == len(widths)).any():
        return UNDEFINED

    def statistic(targets, ensembles):
        needed = widths[needed_widths(resampled(optimal, targets, ensembles))]
        return np.mean(needed / unit[0, ensembles])

    return crossed_interval(statistic, *optimal.shape[1:], rng)


@estimand("share of the ends at the least loss, {units} units: `root` is the worst width of at least √(2m)")
def optimal_from_the_root(tables, published, rng, *, table, units, where=None):
    """Return the share of runs at the least loss, the smallest over the widths of at least √(2m) (``root``),
    or at that width (a number).
    """
    frame = chosen(tables[table], where)
    least = np.sqrt(2 * frame["m"].iloc[0])
    kept = frame[frame["positive"] >= least] if units == "root" else frame[frame["positive"] == units]
    _, optimal = cells(kept, ["positive"], "optimal")
    return share_interval(np.min, finite(optimal), rng)


@estimand("mean over runs of log10 of {value}, at the first over that at the second of {by} = {pair}")
def decades_gained(tables, published, rng, *, table, value, by, pair, where=None):
    """Return the mean over runs of log10(``value`` at the first of a pair / that at the second), run by run."""
    frame = chosen(tables[table], where)
    return interval_of(np.mean, paired_logs([chosen(frame, {by: end}) for end in pair], ["m"], value), rng)


def start_thresholds(frame, tolerance) -> Thresholds:
    """Return m*/n_c of every run, the thresholds of a table over the least number of examples.

    m* is where the error falls through a tolerance for good; see :func:`algoreg.claims.thresholds.find_thresholds`.
    Rows are of one kind of measurements and one d, over rank, m, target and ensemble.
    """
    found = find_thresholds(frame, "rank", tolerance)
    counts = [least_examples(int(frame["d"].iloc[0]), int(rank)) for rank in found.sizes]
    return replace(found, logs=found.logs - np.log(counts)[:, None, None])


@estimand("m from which on a start finds X*, over d(r + 1) − r(r + 1)/2, {kind}, geometric mean, the largest over r")
def start_threshold(tables, published, rng, *, table, kind, tolerance):
    """Return the largest, over ranks, of the geometric mean over runs of m*/n_c; see :func:`start_thresholds`.

    Undefined where fewer than half of the m* of some rank lie on the grid.
    """
    found = start_thresholds(chosen(tables[table], {"kind": kind}), tolerance)
    if not found.each_on_grid:
        return UNDEFINED
    return exp_of(interval_of(lambda part: part.mean(axis=(1, 2)).max(), found.logs, rng))


@estimand("factor between the root mean square over runs of {value} and √(1 − m/D), the largest over m")
def factor_to_kernel(tables, published, rng, *, table, value, where=None):
    """Return the largest factor, over m, between the root mean square of ``value`` over runs and √(1 − m/D),
    D = d(d+1)/2.

    That is the law of least squares: of ‖X*‖_F² the rows' span has the part m/D in the mean over Gaussian measurements.
    """
    frame = chosen(tables[table], where)
    names, values = cells(frame, ["m"], value)
    expected = 1 - np.array([m for (m,) in names]) / symmetric_dimension(int(frame["d"].iloc[0]))

    def statistic(part):
        return np.abs(np.log(np.mean(part**2, axis=(1, 2)) / expected)).max() / 2

    return as_factor(interval_of(statistic, finite(values), rng))
