"""What estimands are made of: cells and their intervals, over runs crossed as targets × ensembles.

Every table's rows for one point form a T × E array of cells. Targets and ensembles are the independent units, so
intervals resample whole targets and whole ensembles, never single cells. Where every ensemble has a target of its own,
the two are one unit, and T is 1.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL = 0.95
REPLICATES = 2000
# Up to this standard deviation of natural logs at a point, the plain mean of positive values has an interval that covers.
PLAIN_LOG_SPREAD = 0.5
# A method's threshold is the number of measurements at which its relative test error falls through this.
THRESHOLD_ERROR = 0.3
# The columns that may name a published point.
AXES = ("d", "m_over_d", "method", "alpha", "iteration")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all None where diverged runs leave it undefined."""

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Estimate(None, None, None)


def estimand(label):
    """Mark a function of the tables as an estimand; ``label`` is what the criterion calls it."""

    def register(function):
        function.label = label
        return function

    return register


def paired(table):
    """Return whether every ensemble of a table has a target of its own that no other has."""
    pairs = table[["target", "ensemble"]].drop_duplicates()
    return len(pairs) > 1 and pairs["target"].is_unique and pairs["ensemble"].is_unique


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
        NaN where a run has no value (it diverged). T is 1 for a table without targets, and for one in which every
        ensemble has a target of its own.

    Raises
    ------
    ValueError
        If a point has two values for one target and ensemble, or targets and ensembles are not crossed.
    """
    if "target" not in table or paired(table):
        table = table.assign(target=0)
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


def _t_quantile(freedom):
    # Loaded here: pictures of tables need cells, not quantiles.
    from scipy.special import stdtrit

    return stdtrit(freedom, 0.5 + LEVEL / 2)


def crossed_interval(statistic, targets, ensembles, rng):
    """Estimate a statistic of crossed runs with a 95 % interval.

    Two bootstraps, over whole targets and over whole ensembles, give a variance each; each is scaled by
    n/(n−1), because resampling n units understates their variance by that factor, and the sum is given a
    t-quantile with Satterthwaite's degrees of freedom. A percentile interval cannot reach 95 % from three
    ensembles at all; this one is tested for coverage, each tail alone: it covers means of values with Gaussian and with
    heavy-tailed effects, and means of logs of lognormal ones.

    It does not cover the plain mean of positive values that spread over decades: for lognormal targets and ensembles with a
    standard deviation of 1 in the log it holds the expectation in about 72 % of draws, and lies below it in all others, which is
    the dangerous side for "below a margin". Up to ``PLAIN_LOG_SPREAD`` it covers. Beyond it, take means of logs
    (:func:`algoreg.chapters.theorem.estimands.iterations.largest_geometric_mean`) unless the statement is of the plain mean itself.

    Parameters
    ----------
    statistic : callable
        Maps index arrays (targets, ensembles) to a float, whatever their order.
    targets, ensembles : int
        The shape of the cells. 1 target: there is none beside the ensembles to resample (see :func:`cells`; tier files in
        which all ensembles share one target are refused where claims are judged).
    rng : numpy.random.Generator

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        With fewer than two ensembles: a spread cannot be estimated.
    """
    if ensembles < 2:
        raise ValueError(f"{ensembles} ensembles: an interval needs at least two")
    every_target, every_ensemble = np.arange(targets), np.arange(ensembles)
    value = statistic(every_target, every_ensemble)
    over_targets = _replicates(lambda units: statistic(units, every_ensemble), targets, rng)
    over_ensembles = _replicates(lambda units: statistic(every_target, units), ensembles, rng)
    variances = np.array([np.var(over_targets), np.var(over_ensembles)])
    # One target alone has no variance to scale: 1 stands for the zero that it would divide by.
    degrees = np.maximum([targets - 1, ensembles - 1], 1)
    variances *= np.array([targets, ensembles]) / degrees
    total = variances.sum()
    if total == 0:
        return Estimate(float(value), float(value), float(value))
    freedom = total**2 / np.sum(variances**2 / degrees)
    half = _t_quantile(freedom) * np.sqrt(total)
    return Estimate(float(value), float(value - half), float(value + half))


def log_spread(values):
    """Return the largest standard deviation, over points, of the natural logs of cells (points, T, E); NaN counts as no run.

    0 where a point has a value that is not positive: what changes sign does not spread over decades.
    """
    spreads = []
    for point in values.reshape(len(values), -1):
        seen = point[np.isfinite(point)]
        spreads.append(np.std(np.log(seen), ddof=1) if len(seen) > 1 and (seen > 0).all() else 0.0)
    return float(max(spreads))


def _replicates(statistic, units, rng):
    """Return a statistic of ``REPLICATES`` resamples of some units; few units have few resamples that differ."""
    drawn = [tuple(sorted(rng.integers(units, size=units).tolist())) for _ in range(REPLICATES)]
    values = {resample: statistic(np.array(resample)) for resample in dict.fromkeys(drawn)}
    return [values[resample] for resample in drawn]


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

    Each tail is tested for logs with Gaussian effects. With heavy-tailed ones (Student's t with two degrees of freedom) it holds
    the new value in about 90 % of draws: a single draw may be further out than any five before it tell.

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
    if count_targets == 1:
        # Targets and ensembles vary together: the mean over new ensembles is taken to vary like a single run, as if all of
        # the variance were the target's.
        half = _t_quantile(count_ensembles - 1) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / count_ensembles)
        return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))
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
    half = _t_quantile(total**2 / np.sum(parts**2 / degrees)) * np.sqrt(total)
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def match(table, published, shift=0, along="alpha"):
    """Pair our cells with published values at the same point.

    Parameters
    ----------
    table : pandas.DataFrame
        One of ours, with ``target``, ``ensemble`` and both errors.
    published : pandas.DataFrame
        From :func:`algoreg.judge.published.load_published`.
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


def log_cells(table, keys, error):
    """Return the points of a table and log10 of its cells, or None for those where some run has no positive value."""
    names, values = cells(table, keys, error)
    if not (np.isfinite(values).all() and (values > 0).all()):
        return names, None
    return names, np.log10(values)


def paired_logs(parts, keys, error):
    """Return log10(error of the first part / error of the second), cell by cell, or None where a run has no value.

    Raises
    ------
    ValueError
        If a part is empty or the two do not have the same points.
    """
    (names, first), (others, second) = (log_cells(part, keys, error) for part in parts)
    if not names or names != others:
        raise ValueError(f"the two sides to compare do not have the same {', '.join(keys)}: {names} and {others}")
    return None if first is None or second is None else first - second


def as_factor(estimate):
    """Return the estimate of a factor from that of the size of its logarithm, which is not negative."""
    return Estimate(*(float(np.exp(max(x, 0.0))) for x in (estimate.value, estimate.low, estimate.high)))


def distance_from(estimate, expected):
    """Return the distance of an estimate from a value.

    The interval is the image of the estimate's own: from 0 where that holds the value, to its farther end.
    """
    ends = sorted(abs(end - expected) for end in (estimate.low, estimate.high))
    low = 0.0 if estimate.low <= expected <= estimate.high else ends[0]
    return Estimate(abs(estimate.value - expected), low, ends[1])


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


def slope_weights(points):
    """Return the weights with which values at these points, all positive, make the least-squares slope against log point."""
    x = np.log(points) - np.mean(np.log(points))
    return x / np.sum(x**2)


def chosen(table, where):
    """Return the rows of a table at which columns have these values.

    Parameters
    ----------
    table : pandas.DataFrame
    where : mapping of str to a value or a list of values, or None
        Numbers are compared to nine digits, as tables are written.

    Raises
    ------
    ValueError
        If no row is left.
    """
    kept = table
    for column, wanted in (where or {}).items():
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if pd.api.types.is_numeric_dtype(kept[column]):
            near = np.isclose(kept[column].to_numpy(float)[:, None], np.array(wanted, float)[None], rtol=1e-8, atol=0)
            kept = kept[near.any(axis=1)]
        else:
            kept = kept[kept[column].isin(wanted)]
    if kept.empty:
        raise ValueError(f"no row with {where}")
    return kept


def interval_of(statistic, values, rng):
    """Return :func:`crossed_interval` of a statistic of cells (points, T, E) → number.

    Parameters
    ----------
    statistic : callable
        Maps cells of shape (points, T', E') to a float.
    values : numpy.ndarray, shape (points, T, E)
        From :func:`cells`.
    rng : numpy.random.Generator
    """
    return crossed_interval(lambda t, e: statistic(values[:, t][:, :, e]), *values.shape[1:], rng)
