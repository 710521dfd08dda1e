"""Estimands and their intervals, over runs crossed as targets × ensembles.

Every table's rows for one point form a T × E array of cells. Targets and ensembles are the independent units, so
intervals resample whole targets and whole ensembles, never single cells.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

LEVEL = 0.95
REPLICATES = 2000
# A method's threshold is the number of measurements at which its relative test error falls through this.
THRESHOLD_ERROR = 0.3
# The columns that may name a published point.
AXES = ("d", "m_over_d", "method", "alpha", "iteration")
ESTIMANDS = {}


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all None where diverged runs leave it undefined."""

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Estimate(None, None, None)


def estimand(label):
    """Register a function of the tables as an estimand; ``label`` is what the criterion calls it."""

    def register(function):
        function.label = label
        ESTIMANDS[function.__name__] = function
        return function

    return register


def cells(table, keys, value):
    """Return the points of a table and its cells.

    Parameters
    ----------
    table : pandas.DataFrame
    keys : list of str
        The columns that name a point.
    value : str
        The column to collect.

    Returns
    -------
    names : list of tuple
        The points, sorted.
    values : numpy.ndarray, shape (points, T, E)
        NaN where a run has no value (it diverged).

    Raises
    ------
    ValueError
        If a point has two values for one target and ensemble, or targets and ensembles are not crossed.
    """
    columns = [*keys, "target", "ensemble"]
    if table.duplicated(columns).any():
        raise ValueError(f"more than one row for some {columns}: name another key")
    wide = table.set_index(columns)[value].unstack(["target", "ensemble"]).sort_index()
    wide = wide.sort_index(axis=1)
    targets, ensembles = (wide.columns.unique(level) for level in ("target", "ensemble"))
    if wide.shape[1] != len(targets) * len(ensembles) or len(table) != wide.size:
        raise ValueError("targets and ensembles are not fully crossed in this table")
    names = [name if isinstance(name, tuple) else (name,) for name in wide.index]
    return names, wide.to_numpy().reshape(len(names), len(targets), len(ensembles))


def crossed_interval(statistic, targets, ensembles, rng):
    """Estimate a statistic of crossed runs with a 95 % interval.

    Two bootstraps, over whole targets and over whole ensembles, give a variance each; each is scaled by
    n/(n−1), because resampling n units understates their variance by that factor, and the sum is given a
    t-quantile with Satterthwaite's degrees of freedom. A percentile interval cannot reach 95 % from three
    ensembles at all; this one is tested for coverage.

    Parameters
    ----------
    statistic : callable
        Maps index arrays (targets, ensembles) to a float.
    targets, ensembles : int
        At least 2 each.
    rng : numpy.random.Generator

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        With fewer than two targets or ensembles: a spread cannot be estimated.
    """
    if min(targets, ensembles) < 2:
        raise ValueError(f"{targets} targets × {ensembles} ensembles: an interval needs at least two of each")
    every_target, every_ensemble = np.arange(targets), np.arange(ensembles)
    value = statistic(every_target, every_ensemble)
    over_targets = [statistic(rng.integers(targets, size=targets), every_ensemble) for _ in range(REPLICATES)]
    over_ensembles = [statistic(every_target, rng.integers(ensembles, size=ensembles)) for _ in range(REPLICATES)]
    variances = np.array([np.var(over_targets), np.var(over_ensembles)])
    variances *= np.array([targets / (targets - 1), ensembles / (ensembles - 1)])
    total = variances.sum()
    if total == 0:
        return Estimate(float(value), float(value), float(value))
    freedom = total**2 / np.sum(variances**2 / np.array([targets - 1, ensembles - 1]))
    half = stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(total)
    return Estimate(float(value), float(value - half), float(value + half))


def variance_components(values):
    """Return the variances (target, ensemble, rest) of a crossed T × E array by the analysis of variance, each ≥ 0.

    Parameters
    ----------
    values : numpy.ndarray, shape (T, E)
    """
    targets, ensembles = values.shape
    mean = values.mean()
    by_target, by_ensemble = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_target[:, None] - by_ensemble[None, :] + mean
    residual = np.sum(rest**2) / ((targets - 1) * (ensembles - 1))
    target = max(np.var(by_target, ddof=1) - residual / ensembles, 0.0)
    ensemble = max(np.var(by_ensemble, ddof=1) - residual / targets, 0.0)
    return target, ensemble, residual


def prediction_interval(values, ensembles):
    """Return a 95 % interval for the mean error of one new target over new ensembles, on the log scale.

    Parameters
    ----------
    values : numpy.ndarray, shape (T, E)
        Errors; NaN gives an undefined interval (NaN, NaN).
    ensembles : int
        How many new ensembles the new value averages over.

    Returns
    -------
    tuple of float
    """
    if not (np.isfinite(values).all() and (values > 0).all()):
        return np.nan, np.nan
    logs = np.log(values)
    count_targets, count_ensembles = logs.shape
    target, ensemble, rest = variance_components(logs)
    parts = np.array(
        [
            target * (1 + 1 / count_targets),
            ensemble * (1 / ensembles + 1 / count_ensembles),
            rest * (1 / ensembles + 1 / (count_targets * count_ensembles)),
        ]
    )
    degrees = np.array([count_targets - 1, count_ensembles - 1, (count_targets - 1) * (count_ensembles - 1)])
    total = parts.sum()
    if total == 0:
        return float(np.exp(logs.mean())), float(np.exp(logs.mean()))
    half = stdtrit(total**2 / np.sum(parts**2 / degrees), 0.5 + LEVEL / 2) * np.sqrt(total)
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def match(table, published, shift=0, along="alpha"):
    """Pair our cells with published values at the same point.

    Parameters
    ----------
    table : pandas.DataFrame
        One of ours, with ``target``, ``ensemble`` and both errors.
    published : pandas.DataFrame
        From :func:`algoreg.published.load_published`.
    shift : int
        Compare our value at one point with the published value ``shift`` places further along an axis: a reading
        that must not fit.
    along : str
        The axis of the shift: ``alpha`` (falling) or another of ``AXES`` (rising).

    Returns
    -------
    points : pandas.DataFrame
        The published points that ours has too.
    values : numpy.ndarray, shape (points, T, E)
    """
    keys = [axis for axis in AXES if axis in table and axis in published]
    if shift:
        grid = sorted(published[along].unique(), reverse=along == "alpha")
        moved = dict(zip(grid[shift:], grid[:-shift], strict=True))
        published = published[published[along].isin(list(moved))]
        published = published.assign(**{along: published[along].map(moved)})
    kept, stacks = [], []
    for error, part in published.groupby("error", sort=True):
        names, values = cells(table, keys, error)
        place = {name: i for i, name in enumerate(names)}
        wanted = list(part[keys].itertuples(index=False, name=None))
        here = [i for i, name in enumerate(wanted) if name in place]
        kept.append(part.iloc[here])
        stacks.append(values[[place[wanted[i]] for i in here]])
    if not sum(map(len, kept)):
        raise ValueError(f"no published point has its {', '.join(keys)} in this table: there is nothing to compare")
    return pd.concat(kept, ignore_index=True), np.concatenate(stacks)


def _log_cells(table, keys, error):
    names, values = cells(table, keys, error)
    if not (np.isfinite(values).all() and (values > 0).all()):
        return names, None
    return names, np.log10(values)


def _paired_logs(parts, keys, error):
    """Return log10(error of the first part / error of the second), cell by cell, or None where a run has no value.

    Raises
    ------
    ValueError
        If a part is empty or the two do not have the same points.
    """
    (names, first), (others, second) = (_log_cells(part, keys, error) for part in parts)
    if not names or names != others:
        raise ValueError(f"the two sides to compare do not have the same {', '.join(keys)}: {names} and {others}")
    return None if first is None or second is None else first - second


def _as_factor(estimate):
    """Return the estimate of a factor from that of the size of its logarithm, which is not negative."""
    return Estimate(*(float(np.exp(max(x, 0.0))) for x in (estimate.value, estimate.low, estimate.high)))


@estimand("smallest gain, in decades of test error, from one α to the next smaller one")
def smallest_gain(tables, published, rng, *, table, error, shuffle=False):
    """Return the smallest mean of log10(error(α_k)/error(α_{k+1})) over neighbours of the descending α grid, over all d.

    ``shuffle`` hands the results of each α to another one, by one random permutation that moves something.
    """
    gains = []
    for _, frame in tables[table].groupby("d"):
        names, logs = _log_cells(frame, ["alpha"], error)
        if logs is None:
            return UNDEFINED
        order = np.argsort([-alpha for (alpha,) in names])
        moved = order
        while shuffle and (moved == order).all():
            moved = rng.permutation(order)
        gains.append(logs[moved[:-1]] - logs[moved[1:]])
    gains = np.concatenate(gains)
    return crossed_interval(lambda t, e: gains[:, t][:, :, e].mean(axis=(1, 2)).min(), *gains.shape[1:], rng)


@estimand("fall of log test error per fall of log training error over the run's later part")
def test_per_train(tables, published, rng, *, table, alpha, start, end):
    """Return Δ log(test error) / Δ log(training error) between two iterations of the runs from one α."""
    falls = []
    for error in ("test_error", "train_error"):
        frame = tables[table]
        names, logs = _log_cells(frame[frame["alpha"] == alpha], ["iteration"], error)
        if logs is None:
            return UNDEFINED
        place = {iteration: i for i, (iteration,) in enumerate(names)}
        if not {start, end} <= set(place):
            raise ValueError(f"table {table} does not have iterations {start} and {end} of the runs from α = {alpha:g}")
        falls.append(logs[place[start]] - logs[place[end]])
    test, train = falls
    return crossed_interval(lambda t, e: test[t][:, e].mean() / train[t][:, e].mean(), *test.shape, rng)


@estimand("smallest local exponent −Δ log(test error)/Δ log t between recorded iterations")
def smallest_fall(tables, published, rng, *, table, error):
    """Return the smallest exponent of the error's fall between neighbouring iterations, averaged over runs, over all d."""
    slopes = []
    for _, frame in tables[table].groupby("d"):
        names, logs = _log_cells(frame, ["iteration"], error)
        if logs is None:
            return UNDEFINED
        time = np.log10([iteration for (iteration,) in names])
        slopes.append(-np.diff(logs, axis=0) / np.diff(time)[:, None, None])
    slopes = np.concatenate(slopes)
    return crossed_interval(lambda t, e: slopes[:, t][:, :, e].mean(axis=(1, 2)).min(), *slopes.shape[1:], rng)


@estimand("factor between our mean and the published value (geometric mean over the curve)")
def published_factor(tables, published, rng, *, table, figure, errors, shift=0, along="alpha"):
    """Return exp of the mean of |log(our mean / published)| over the curve's points.

    Our mean is over targets × ensembles, as the paper's is over ensembles. ``shift`` misreads an axis on purpose (see :func:`match`).
    """
    curve = published[figure]
    curve = curve[curve["error"].isin(errors)]
    points, values = match(tables[table], curve, shift, along)
    if not np.isfinite(values).all():
        return UNDEFINED
    goal = np.log(points["value"].to_numpy())

    def statistic(targets, ensembles):
        return np.abs(np.log(values[:, targets][:, :, ensembles].mean(axis=(1, 2))) - goal).mean()

    return _as_factor(crossed_interval(statistic, *values.shape[1:], rng))


def _log_time_to(levels, course, times):
    """Return the log of the time at which a falling curve of logs reaches each level.

    Interpolated in log time; beyond the curve's end by the rate of its last two points. A curve that has stopped
    falling takes 10⁶ times as long as it ran.
    """
    reached = np.interp(-levels, -course, np.log(times))
    rate = (course[-2] - course[-1]) / (times[-1] - times[-2])
    beyond = levels < course[-1]
    if rate <= 0:
        reached[beyond] = np.log(1e6 * times[-1])
    else:
        reached[beyond] = np.log(times[-1] + (course[-1] - levels[beyond]) / rate)
    return reached


@estimand(
    "larger of two factors between ours and the published curve: in the test error at equal iterations, "
    "in the iterations to equal training error (geometric means)"
)
def published_course(tables, published, rng, *, table, figure):
    """Return the larger of two factors between our mean curves and a published run.

    The test error is compared at equal iterations (see :func:`published_factor`). The training error falls
    exponentially at a rate that differs by draw, over many decades, so it is compared by time: the iteration at which
    ours reaches a published value over the published iteration, averaged within each decade of the error and then
    over decades, so that densely digitised stretches do not count more.
    """
    curve = published[figure]
    points, test = match(tables[table], curve[curve["error"] == "test_error"])
    names, train = cells(tables[table], ["iteration"], "train_error")
    if not (np.isfinite(test).all() and np.isfinite(train).all() and (train > 0).all()):
        return UNDEFINED
    goal = np.log(points["value"].to_numpy())
    times = np.array([iteration for (iteration,) in names], dtype=float)
    falling = curve[(curve["error"] == "train_error") & (curve["iteration"] > 0)]
    levels, when = np.log(falling["value"].to_numpy()), np.log(falling["iteration"].to_numpy())
    decade = np.floor(levels / np.log(10))
    decades = [np.flatnonzero(decade == k) for k in np.unique(decade)]
    later = times > 0

    def statistic(targets, ensembles):
        def mean(values):
            return np.log(values[:, targets][:, :, ensembles].mean(axis=(1, 2)))

        apart = np.abs(_log_time_to(levels, np.minimum.accumulate(mean(train)[later]), times[later]) - when)
        return max(np.abs(mean(test) - goal).mean(), np.mean([apart[rows].mean() for rows in decades]))

    return _as_factor(crossed_interval(statistic, *train.shape[1:], rng))


def thresholds(frame):
    """Return the number of measurements per dimension at which the test error falls through ``THRESHOLD_ERROR``.

    Interpolated in log m and log error after the last m whose error is above it.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows of one d and one method, over ``m_over_d``.

    Returns
    -------
    numpy.ndarray, shape (T, E)
        NaN where a run has no value, or where the error is below everywhere or above at the largest m.
    """
    names, errors = cells(frame, ["m_over_d"], "test_error")
    ratios = np.log([ratio for (ratio,) in names])
    found = np.full(errors.shape[1:], np.nan)
    for place in np.ndindex(found.shape):
        column = errors[(slice(None), *place)]
        above = np.flatnonzero(column > THRESHOLD_ERROR)
        if np.isfinite(column).all() and len(above) and above[-1] + 1 < len(column):
            pair = slice(above[-1], above[-1] + 2)
            # np.interp wants rising abscissae: the error falls from the first to the second point.
            found[place] = np.interp(-np.log(THRESHOLD_ERROR), -np.log(np.maximum(column[pair], 1e-300)), ratios[pair])
    return np.exp(found)


@estimand("exponent in d by which one method's threshold m/d grows faster than the other's")
def threshold_growth(tables, published, rng, *, table, method, against, method_table=None):
    """Return the least-squares slope in log d of the mean log threshold of ``method``, less that of ``against``.

    0 if both methods need the same multiple of d at every d; 1 if one needs m ∝ d² where the other needs m ∝ d.
    ``method`` is read from ``method_table`` where that is given, else from ``table`` like ``against``.
    """
    sizes = sorted(tables[table]["d"].unique())
    logs = []
    for name, frame in ((method, tables[method_table or table]), (against, tables[table])):
        parts = [frame[(frame["d"] == d) & (frame["method"] == name)] for d in sizes]
        found = [thresholds(part) for part in parts]
        if len({values.shape for values in found}) > 1:
            raise ValueError(f"table {table}: every d needs the same number of targets and ensembles")
        logs.append(np.log(found))
    if not np.isfinite(logs).all():
        return UNDEFINED
    difference = logs[0] - logs[1]
    centred = np.log(sizes) - np.mean(np.log(sizes))

    def statistic(targets, ensembles):
        return centred @ difference[:, targets][:, :, ensembles].mean(axis=(1, 2)) / (centred @ centred)

    return crossed_interval(statistic, *difference.shape[1:], rng)


@estimand("smallest gap, in decades of test error, between two methods")
def smallest_gap(tables, published, rng, *, table, method, against, m_over_d):
    """Return the smallest mean of log10(error of ``method`` / error of ``against``) over these m/d and every d."""
    frame = tables[table]
    frame = frame[frame["m_over_d"].isin(m_over_d)]
    gaps = _paired_logs([frame[frame["method"] == name] for name in (method, against)], ["d", "m_over_d"], "test_error")
    if gaps is None:
        return UNDEFINED
    if set(frame["m_over_d"]) != set(m_over_d):
        raise ValueError(f"table {table} does not have all of m/d = {m_over_d}")
    return crossed_interval(lambda t, e: gaps[:, t][:, :, e].mean(axis=(1, 2)).min(), *gaps.shape[1:], rng)


@estimand(
    "test error once the training error is below {fitted:g} (0 for a run that never is), smallest mean over the tables"
)
def test_error_once_fitted(tables, published, rng, *, over, fitted):
    """Return the mean test error at the first recorded iteration with a training error below ``fitted``.

    A run that never gets there counts as 0: it did not fit without recovering. Undefined where no run of a table gets
    there: nothing has been seen then. Of the tables named by ``over`` (one per method) the smallest value and the
    smallest ends of the intervals are returned, as the claim is about each of them.
    """
    estimates = []
    for name in over:
        _, train = cells(tables[name], ["iteration"], "train_error")
        _, test = cells(tables[name], ["iteration"], "test_error")
        below = train < fitted
        if not below.any():
            return UNDEFINED
        first = below.argmax(axis=0)
        score = np.where(below.any(axis=0), np.take_along_axis(test, first[None], axis=0)[0], 0.0)
        estimates.append(crossed_interval(lambda t, e, score=score: score[t][:, e].mean(), *score.shape, rng))
    return Estimate(*(min(getattr(one, part) for one in estimates) for part in ("value", "low", "high")))


@estimand("largest factor between the errors of a step and of the paper's own at equal η·t, over starts and iterations")
def largest_change(tables, published, rng, *, table, error, step, reference):
    """Return exp of the largest |mean log(error at ``step`` / error at ``reference``)| over α and iterations.

    Paired: both runs have the same target, ensemble and start.
    """
    frame = tables[table]
    parts = [frame[np.isclose(frame["step"], value)] for value in (step, reference)]
    change = _paired_logs(parts, ["alpha", "iteration"], error)
    if change is None:
        return UNDEFINED
    change = change * np.log(10)
    return _as_factor(
        crossed_interval(lambda t, e: np.abs(change[:, t][:, :, e].mean(axis=(1, 2))).max(), *change.shape[1:], rng)
    )
