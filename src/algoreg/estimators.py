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


def match(table, published, shift=0):
    """Pair our cells with published values at the same point.

    Parameters
    ----------
    table : pandas.DataFrame
        One of ours, with ``target``, ``ensemble`` and both errors.
    published : pandas.DataFrame
        From :func:`algoreg.published.load_published`.
    shift : int
        Compare our value at one α with the published value ``shift`` places further down the α grid: a reading
        that must not fit.

    Returns
    -------
    points : pandas.DataFrame
        The published points that ours has too.
    values : numpy.ndarray, shape (points, T, E)
    """
    keys = [c for c in ("d", "alpha", "iteration") if c in table and c in published]
    if shift:
        grid = sorted(published["alpha"].unique(), reverse=True)
        moved = dict(zip(grid[shift:], grid[:-shift], strict=True))
        published = published[published["alpha"].isin(list(moved))].assign(alpha=published["alpha"].map(moved))
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
def published_factor(tables, published, rng, *, table, figure, errors, shift=0):
    """Return exp of the mean of |log(our mean / published)| over the curve's points.

    Our mean is over targets × ensembles, as the paper's is over ensembles. ``shift`` misreads the α grid on purpose (see :func:`match`).
    """
    curve = published[figure]
    curve = curve[curve["error"].isin(errors)]
    points, values = match(tables[table], curve, shift)
    if not np.isfinite(values).all():
        return UNDEFINED
    goal = np.log(points["value"].to_numpy())

    def statistic(targets, ensembles):
        return np.abs(np.log(values[:, targets][:, :, ensembles].mean(axis=(1, 2))) - goal).mean()

    result = crossed_interval(statistic, *values.shape[1:], rng)
    return Estimate(*(float(np.exp(max(x, 0.0))) for x in (result.value, result.low, result.high)))
