"""What the claims about quadratic networks measure: exponents in the scale,
in size and rank, in time and in the error of τ.
"""

import numpy as np

from algoreg.claims.cells import NoValue, cells, chosen, finite
from algoreg.claims.censoring import ABOVE, BELOW, INSIDE
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import mean_slope, refuse_few
from algoreg.claims.intervals import distance_from, interval_of
from algoreg.claims.thresholds import falls, last_fall
from algoreg.numerics.theory import symmetric_dimension


@estimand("{pick} exponent of {value} in α over the variants of Algorithm 1")
def alpha_exponent(tables, published, rng, *, table, value, variants, pick):
    """Return the ``smallest`` or the ``largest``, over variants, of the exponents of ``value`` in α.

    A diverged run counts as one that predicts 0 (column ``error_of_zero``).
    """
    frame = chosen(tables[table], {"variant": variants})
    frame = frame.assign(**{value: frame[value].fillna(frame["error_of_zero"])})
    names, values = cells(frame, ["variant", "alpha"], value)
    alphas = sorted({alpha for _, alpha in names})
    logs = np.log(values).reshape(len(variants), len(alphas), *values.shape[1:])
    best = {"smallest": min, "largest": max}[pick]

    def statistic(part):
        return best(mean_slope(alphas, one) for one in part.reshape(len(variants), len(alphas), *part.shape[1:]))

    return interval_of(statistic, logs.reshape(values.shape), rng)


def crossings(counts, errors, tolerance, beyond):
    """Return the m at which errors fall through a tolerance, for every run, interpolated in log m and log error.

    The crossing lies after the last m with an error above the tolerance; a diverged run's (NaN) is above it. Where all
    errors are below, it is put at the smallest m; where the last is above, at ``beyond``, or the largest m if that is
    more.

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
    heights = np.log(np.maximum(np.nan_to_num(errors, nan=np.inf), 1e-300))
    logs, sides = falls(np.log(counts), heights, np.log(tolerance))
    found = np.where(sides == BELOW, counts[0], np.exp(logs))
    return np.where(sides == ABOVE, max(counts[-1], beyond), found), sides != INSIDE


def example_thresholds(frame, along, tolerance):
    """Return the values of ``along``, ``d`` or ``rank``, and one variant's thresholds in m there,
    (points, T, E), and which are censored.

    A threshold above the largest m is put where theory has one at the latest: at D = d(d+1)/2, where the labels alone
    determine X*, along d; at the theorem's dr⁵ [LMZ18, Theorem 1.2, constant 1] along the rank.
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
    """Return the exponent in d or in the rank of the number of examples at
    which the test error falls through a tolerance.

    Thresholds outside the grid are not dropped: see :func:`example_thresholds`.
    """
    frame = chosen(tables[table], {"variant": variant})
    points, found, _ = example_thresholds(frame, along, tolerance)
    refuse_few(points, along, table)
    return interval_of(lambda part: mean_slope(points, part), np.log(found), rng)


@estimand("exponent in d of the examples needed for a relative error of {tolerance}, {variant} less {against}")
def examples_exponents_apart(tables, published, rng, *, table, tolerance, variant, against):
    """Return by how much one variant's exponent in d of the examples needed is above another's, on the same draws.

    Over the sizes that both have; see :func:`example_thresholds`.
    """
    parts = [chosen(tables[table], {"variant": name}) for name in (variant, against)]
    sizes = sorted(set.intersection(*(set(part["d"]) for part in parts)))
    refuse_few(sizes, "d in both", table)
    first, second = (example_thresholds(chosen(part, {"d": sizes}), "d", tolerance)[1] for part in parts)
    return interval_of(lambda part: mean_slope(sizes, part), np.log(first / second), rng)


def late_slopes(iterations, errors, high, low):
    """Return the log-log slope of each run's error, (T, E),
    between its fall through ``high`` and its fall through ``low``.

    Errors have shape (iterations, T, E). The last falls count, interpolated in both logarithms. A run that does not
    come below ``low`` is taken to its end; one that is not below ``high`` there has slope 0.
    """
    times, logs = np.log(iterations), np.log(errors)
    found = np.zeros(errors.shape[1:])

    def fall(column, level):
        time, side = last_fall(times, column, level)
        return None if side == ABOVE else time

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
    """Return the slowest or the fastest, over variants,
    of the median late log-log slope of runs; see :func:`late_slopes`.

    A power of the time has its exponent, linear convergence a slope that grows with the time. The median, because a run
    may pass both levels before its power law sets in, or end on its floor between them. Undefined where a run diverged.
    """
    frame = chosen(tables[table], {"variant": variants})
    names, values = cells(frame, ["variant", "iteration"], value)
    iterations = sorted({iteration for _, iteration in names})
    stacked = finite(values).reshape(len(variants), len(iterations), *values.shape[1:])
    slopes = np.stack([late_slopes(iterations, one, high, low) for one in stacked])
    best = {"slowest": np.max, "fastest": np.min}[pick]
    return interval_of(lambda part: best(np.median(part, axis=(1, 2))), slopes, rng)


@estimand("smallest exponent of {value} in the relative error of τ over the signs {signs} of that error")
def tau_exponent(tables, published, rng, *, table, value, sizes, signs, variant):
    """Return the smaller, over the signs of τ's error, of the exponents of ``value`` in its size,
    at the end of the runs.

    A sign with a diverged run has exponent 0: see :func:`_smallest_tau_exponent`.

    Parameters
    ----------
    sizes : list of float
        Of the relative error of τ, above 0.
    signs : list of int
        1 for a τ too large, -1 for one too small.
    """
    frame = chosen(tables[table], {"variant": variant})
    frame = frame[frame["iteration"] == frame["iteration"].max()]
    errors = [sign * size for sign in signs for size in sizes]
    return _smallest_tau_exponent(_at_tau_errors(frame, value, errors), sizes, rng)


def _at_tau_errors(frame, value, errors):
    """Return the cells of ``value`` at these relative errors of τ, shape (errors, T, E)."""
    names, values = cells(frame, ["tau_error"], value)
    place = {round(error, 12): i for i, (error,) in enumerate(names)}
    return values[[place[round(error, 12)] for error in errors]]


def _smallest_tau_exponent(values, sizes, rng):
    """Return the smallest exponent in the size of τ's error over blocks of cells, one row per size.

    A block in which a run diverged, at whatever size, has exponent 0: its values all count as 1. Were that run's value
    alone 1, a divergence at the largest size would make the slope steeper, and count in favour of harmlessness.
    """
    blocks = values.reshape(-1, len(sizes), *values.shape[1:])
    lost = np.isnan(blocks).any(axis=(1, 2, 3), keepdims=True)

    def statistic(part):
        return min(mean_slope(sizes, one) for one in part.reshape(-1, len(sizes), *part.shape[1:]))

    return interval_of(statistic, np.log(np.where(lost, 1.0, blocks)).reshape(values.shape), rng)


# A recorded iteration counts as a multiple of the theorem's T if it is at most this much later.
LATER = 1.05


@estimand("smallest exponent, in the size of τ's error, of the error that it leaves in X, over both signs and times")
def tau_exponent_in_time(tables, published, rng, *, table, value, sizes, signs, variant, multiples):
    """Return :func:`tau_exponent`'s exponent at multiples of the theorem's T: the smallest over signs and times.

    A sign and time with a diverged run have exponent 0: see :func:`_smallest_tau_exponent`.

    Parameters
    ----------
    multiples : list of float
        Of κ log(d/α)/η, each recorded (column ``over_window``).

    Raises
    ------
    ValueError
        If one of these times is not recorded.
    """
    frame = chosen(tables[table], {"variant": variant})
    errors = [sign * size for sign in signs for size in sizes]
    blocks = []
    for multiple in multiples:
        time = frame.loc[frame["over_window"] >= multiple * (1 - 1e-8), "over_window"].min()
        if not time <= LATER * multiple:
            raise ValueError(f"table {table}: no iteration recorded at {multiple:g} times the theorem's T")
        blocks.append(_at_tau_errors(chosen(frame, {"over_window": time}), value, errors))
    return _smallest_tau_exponent(np.concatenate(blocks), sizes, rng)


@estimand(
    "distance from −1 of the exponent, in the size of τ's error, of the time after which runs with τ too small diverge"
)
def tau_time_exponent(tables, published, rng, *, table, value, sizes, variant):
    """Return |b + 1|, b the exponent of a time of runs with τ too small in the relative error's size.

    The interval is the image of b's own. Undefined where a run of these has not diverged by the end, or has no such
    time.

    Parameters
    ----------
    value : str
        ``ended``, the time of divergence, or ``reached``, that of finding half of X*.
    """
    frame = chosen(tables[table], {"variant": variant})
    frame = frame[frame["iteration"] == frame["iteration"].max()]
    errors = [-size for size in sizes]
    if not (chosen(frame, {"tau_error": errors})["status"] == "diverged").all():
        raise NoValue
    values = finite(_at_tau_errors(frame, value, errors))
    return distance_from(interval_of(lambda part: mean_slope(sizes, part), np.log(values), rng), -1.0)
