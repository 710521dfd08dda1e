"""Estimands of several chapters: exponents, means over points, factors between points, and distances from a number."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from algoreg.claims.cells import NoValue, cells, cells_along, chosen, finite, positive, resampled
from algoreg.claims.exponents import log_law
from algoreg.claims.intervals import (
    UNDEFINED,
    Estimand,
    Estimate,
    as_factor,
    crossed_interval,
    distance_from,
    exp_of,
    interval_of,
    share_interval,
)


def estimand(label: str) -> Callable[[Callable[..., Estimate]], Estimand]:
    """Mark a function of the tables as an estimand, which is undefined if the function raises :class:`NoValue`.

    Parameters
    ----------
    label : str
        Its name in the criterion, with the estimand's parameters in braces.

    Raises
    ------
    TypeError
        If there is no label.
    """
    if not isinstance(label, str):
        raise TypeError('allowed is @estimand("what it is"), whose words the criterion is made of')

    def register(function: Callable[..., Estimate]) -> Estimand:
        @functools.wraps(function)
        def measured(*arguments: Any, **options: Any) -> Estimate:
            try:
                return function(*arguments, **options)
            except NoValue:
                return UNDEFINED

        labelled = cast(Estimand, measured)
        labelled.label = label
        return labelled

    return register


@estimand("exponent of {value} in {along}")
def exponent(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    along: str,
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the least-squares slope of the mean over runs of log ``value`` against log ``along``.

    ``where`` picks rows (column: value or list). The slope is undefined if a run has no positive value. Values that are
    censored need another estimand, which takes the censoring into account.
    """
    weights, logs = log_law(chosen(tables[table], where), along, value, table)
    return interval_of(lambda part: weights @ part.mean(axis=(1, 2)), logs, rng)


@estimand("distance from {expected:g} of the exponent of {value} in {along}")
def exponent_off(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    along: str,
    expected: float,
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the distance of an exponent from an expected one; see :func:`exponent`."""
    found = exponent(tables, published, rng, table=table, value=value, along=along, where=where)
    return distance_from(found, expected)


@estimand("smallest exponent of {value} in {along}, over {by}")
def smallest_exponent(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    along: str,
    by: str,
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the smallest slope of mean log ``value`` against log ``along`` over the values of column ``by``.

    Each value of ``by`` has a slope over the points that its rows have. The result is undefined if a run has no
    positive value.

    Raises
    ------
    ValueError
        If some value of ``by`` has fewer than three points.
    """
    frame = chosen(tables[table], where)
    laws = [log_law(part, along, value, f"{table}, {by} = {name}") for name, part in frame.groupby(by)]

    def statistic(targets: np.ndarray, ensembles: np.ndarray) -> float:
        return min(weights @ resampled(logs, targets, ensembles).mean(axis=(1, 2)) for weights, logs in laws)

    _, count_targets, count_ensembles = laws[0][1].shape
    return crossed_interval(statistic, count_targets, count_ensembles, rng)


def _extreme(
    pick: Callable[[np.ndarray], float],
    tables: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    table: str,
    value: str,
    by: list[str],
    where: Mapping[str, Any] | None,
) -> Estimate:
    _, values = cells(chosen(tables[table], where), by, value)
    if np.isin(finite(values), (0, 1)).all():
        return share_interval(pick, values, rng)
    return interval_of(lambda part: pick(part.mean(axis=(1, 2))), values, rng)


@estimand("mean over runs of {value}, the largest over {by}")
def largest_mean(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: list[str],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the largest mean over runs of ``value`` among the points that the columns ``by`` identify.

    Do not use it for values that spread over decades: see :func:`algoreg.claims.intervals.crossed_interval`.
    """
    return _extreme(np.max, tables, rng, table, value, by, where)


@estimand("mean over runs of {value}, the smallest over {by}")
def smallest_mean(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: list[str],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the smallest mean over runs of ``value`` among the points that the columns ``by`` identify.

    Do not use it for values that spread over decades: see :func:`algoreg.claims.intervals.crossed_interval`.
    """
    return _extreme(np.min, tables, rng, table, value, by, where)


@estimand("share of the runs with {value} below {limit}, the smallest over {by}")
def smallest_share_below(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    limit: float,
    by: list[str],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the smallest share of runs with ``value`` below a limit among the points that the columns ``by`` identify.

    Use it for values that are either near 0 or far from it, because a single run that is far hardly changes a mean of
    logs. A run without a number does not count as below.
    """
    _, values = cells(chosen(tables[table], where), by, value)
    return share_interval(np.min, (values < limit).astype(float), rng)


@estimand("geometric mean over runs of {value}, the largest over {by}")
def largest_geometric_mean(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: list[str],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the largest geometric mean over runs of ``value`` among the points that the columns ``by`` identify.

    Use it for values that span decades, whose plain mean would be determined by the largest run. It is undefined if a
    run has no positive value.
    """
    _, values = cells(chosen(tables[table], where), by, value)
    return exp_of(interval_of(lambda part: np.max(part.mean(axis=(1, 2))), np.log(positive(values)), rng))


@estimand("distance from {expected:g} of the mean over runs of {value}, the largest over {by}")
def distance_of_mean(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: list[str],
    expected: float,
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the largest distance of a mean over runs of ``value`` from a number, among the points of ``by``."""
    _, values = cells(chosen(tables[table], where), by, value)
    if len(finite(values)) == 1:
        return distance_from(interval_of(np.mean, values, rng), expected)
    return interval_of(lambda part: np.abs(part.mean(axis=(1, 2)) - expected).max(), values, rng)


def _log_ratios(
    table: pd.DataFrame, value: str, by: str, pair: Sequence[Any], where: Mapping[str, Any] | None
) -> np.ndarray:
    """Return the logs of the value at the first of a pair over the value at the second, for every cell."""
    frame = chosen(table, {**(where or {}), by: list(pair)})
    points, values = cells_along(frame, by, value)
    own = dict(zip(points, positive(values), strict=True))
    return np.log(own[pair[0]] / own[pair[1]])[None]


@estimand("factor between {value} at {by} = {pair}, geometric mean over runs")
def factor_apart(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: str,
    pair: Sequence[Any],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the factor, at least 1, between the geometric means at two values of a column."""
    logs = _log_ratios(tables[table], value, by, pair, where)
    return as_factor(distance_from(interval_of(np.mean, logs, rng), 0.0))


@estimand("{value} at {by} = {pair}, the first over the second, geometric mean over runs")
def ratio_of_pair(
    tables: Mapping[str, pd.DataFrame],
    published: Mapping[str, pd.DataFrame],
    rng: np.random.Generator,
    *,
    table: str,
    value: str,
    by: str,
    pair: Sequence[Any],
    where: Mapping[str, Any] | None = None,
) -> Estimate:
    """Return the geometric mean over runs of the value at the first of a pair over the value at the second."""
    logs = _log_ratios(tables[table], value, by, pair, where)
    return exp_of(interval_of(np.mean, logs, rng))
