"""What the claims about quadratic networks measure: exponents in the scale, in size and rank, in time and in the error of τ."""

import numpy as np

from algoreg.estimators import UNDEFINED, cells, chosen, estimand, interval_of, slope_weights
from algoreg.theory import symmetric_dimension


def slope(x, logs):
    """Return the least-squares slope of the mean over runs of ``logs`` (points, T, E) against log x."""
    return slope_weights(x) @ logs.mean(axis=(1, 2))


@estimand("{pick} exponent of {value} in α over the variants of Algorithm 1")
def alpha_exponent(tables, published, rng, *, table, value, variants, pick):
    """Return the smallest or the largest, over variants, of the exponents of ``value`` in α.

    A diverged run counts as one that predicts 0 (column ``error_of_zero``).

    Parameters
    ----------
    pick : str
        ``smallest`` or ``largest``.
    """
    frame = chosen(tables[table], {"variant": variants})
    frame = frame.assign(**{value: frame[value].fillna(frame["error_of_zero"])})
    names, values = cells(frame, ["variant", "alpha"], value)
    alphas = sorted({alpha for _, alpha in names})
    logs = np.log(values).reshape(len(variants), len(alphas), *values.shape[1:])
    best = {"smallest": min, "largest": max}[pick]

    def statistic(part):
        return best(slope(alphas, one) for one in part.reshape(len(variants), len(alphas), *part.shape[1:]))

    return interval_of(statistic, logs.reshape(values.shape), rng)


def crossings(counts, errors, tolerance, beyond):
    """Return the m at which errors fall through a tolerance, for every run, interpolated in log m and log error.

    The crossing lies after the last m with an error above the tolerance; a diverged run's (NaN) is above it. Where all errors
    are below, it is put at the smallest m; where the last is above, at ``beyond``, or the largest m if that is more.

    Parameters
    ----------
    counts : list of float
        Rising m.
    errors : numpy.ndarray, shape (m, T, E)
    tolerance : float
    beyond : float

    Returns
    -------
    found : numpy.ndarray, shape (T, E)
    censored : numpy.ndarray of bool, shape (T, E)
        Where the crossing was not seen.
    """
    found, censored = np.empty(errors.shape[1:]), np.zeros(errors.shape[1:], dtype=bool)
    logs = np.log(np.maximum(np.nan_to_num(errors, nan=np.inf), 1e-300))
    for place in np.ndindex(found.shape):
        column = logs[(slice(None), *place)]
        above = np.flatnonzero(column > np.log(tolerance))
        last = above[-1] if len(above) else None
        censored[place] = last is None or last + 1 == len(column)
        if last is None:
            found[place] = counts[0]
        elif last + 1 == len(column):
            found[place] = max(counts[-1], beyond)
        elif not np.isfinite(column[last]):
            # The run before diverged: there is nothing to interpolate with.
            found[place] = np.sqrt(counts[last] * counts[last + 1])
        else:
            pair = slice(last, last + 2)
            found[place] = np.exp(np.interp(-np.log(tolerance), -column[pair], np.log(counts[pair])))
    return found, censored


def example_thresholds(frame, along, tolerance):
    """Return the thresholds in m of one variant's rows for each value of ``along``, and which of them are censored.

    A threshold above the largest m is put where theory has one at the latest: at D = d(d+1)/2, where the labels alone
    determine X*, along d; at the theorem's dr⁵ [LMZ18, Theorem 1.2, constant 1] along the rank.

    Parameters
    ----------
    frame : pandas.DataFrame
    along : str
        ``d`` or ``rank``.
    tolerance : float

    Returns
    -------
    points : list of int
    found, censored : numpy.ndarray, shape (points, T, E)
    """
    points, found, censored = [], [], []
    for point, part in frame.groupby(along):
        names, errors = cells(part, ["m"], "test_error")
        d, rank = int(part["d"].iloc[0]), int(part["rank"].iloc[0])
        beyond = symmetric_dimension(d) if along == "d" else d * rank**5
        one, lost = crossings([m for (m,) in names], errors, tolerance, beyond)
        points.append(point)
        found.append(one)
        censored.append(lost)
    return points, np.stack(found), np.stack(censored)


@estimand("exponent in {along} of the examples needed for a relative error of {tolerance}, {variant}")
def examples_exponent(tables, published, rng, *, table, along, tolerance, variant):
    """Return the exponent in d or in the rank of the number of examples at which the test error falls through a tolerance.

    Thresholds outside the grid are not dropped: see :func:`example_thresholds`.
    """
    frame = chosen(tables[table], {"variant": variant})
    points, found, _ = example_thresholds(frame, along, tolerance)
    if len(points) < 3:
        raise ValueError(f"table {table}: {len(points)} values of {along}: an exponent needs at least three")
    return interval_of(lambda part: slope(points, part), np.log(found), rng)


def late_slopes(iterations, errors, high, low):
    """Return the log-log slope of each run's error between its fall through ``high`` and its fall through ``low``.

    The last falls count, interpolated in both logarithms. A run that does not come below ``low`` is taken to its end; one
    that is not below ``high`` there has slope 0.

    Parameters
    ----------
    iterations : list of int
    errors : numpy.ndarray, shape (iterations, T, E)
    high, low : float

    Returns
    -------
    numpy.ndarray, shape (T, E)
    """
    times, logs = np.log(iterations), np.log(errors)
    found = np.zeros(errors.shape[1:])

    def fall(column, level):
        above = np.flatnonzero(column > level)
        last = above[-1] if len(above) else 0
        if last + 1 == len(column):
            return None
        pair = slice(last, last + 2)
        return np.interp(-level, -column[pair], times[pair])

    for place in np.ndindex(found.shape):
        column = logs[(slice(None), *place)]
        start, stop = fall(column, np.log(high)), fall(column, np.log(low))
        if start is not None and stop is not None:
            found[place] = np.log(low / high) / (stop - start)
        elif start is not None:
            found[place] = (column[-1] - np.log(high)) / (times[-1] - start)
    return found


@estimand("{pick} median log-log slope of {value} in time, from {high} to {low}, over the variants")
def late_slope(tables, published, rng, *, table, value, variants, high, low, pick):
    """Return the slowest or the fastest, over variants, of the median late log-log slope of runs; see :func:`late_slopes`.

    A power of the time has its exponent, linear convergence a slope that grows with the time. The median, because a run may
    pass both levels before its power law sets in, or end on its floor between them. Undefined where a run diverged.
    """
    frame = chosen(tables[table], {"variant": variants})
    names, values = cells(frame, ["variant", "iteration"], value)
    if not np.isfinite(values).all():
        return UNDEFINED
    iterations = sorted({iteration for _, iteration in names})
    stacked = values.reshape(len(variants), len(iterations), *values.shape[1:])
    slopes = np.stack([late_slopes(iterations, one, high, low) for one in stacked])
    best = {"slowest": np.max, "fastest": np.min}[pick]
    return interval_of(lambda part: best(np.median(part, axis=(1, 2))), slopes, rng)


@estimand("smallest exponent of {value} in the relative error of τ over the signs {signs} of that error")
def tau_exponent(tables, published, rng, *, table, value, sizes, signs, variant, exact=False):
    """Return the smaller, over the signs of τ's error, of the exponents of ``value`` in its size, at the end of the runs.

    A diverged run has relative error 1: it recovered nothing.

    Parameters
    ----------
    sizes : list of float
        Of the relative error of τ, above 0.
    signs : list of int
        1 for a τ too large, -1 for one too small.
    exact : bool
        Judge runs with the exact τ as if they had been run with these errors.
    """
    frame = chosen(tables[table], {"variant": variant})
    frame = frame[frame["iteration"] == frame["iteration"].max()]
    names, values = cells(frame, ["tau_error"], value)
    place = {round(error, 12): i for i, (error,) in enumerate(names)}
    picked = [place[0.0 if exact else round(sign * size, 12)] for sign in signs for size in sizes]
    logs = np.log(np.nan_to_num(values[picked], nan=1.0))

    def statistic(part):
        return min(slope(sizes, one) for one in part.reshape(len(signs), len(sizes), *part.shape[1:]))

    return interval_of(statistic, logs, rng)
