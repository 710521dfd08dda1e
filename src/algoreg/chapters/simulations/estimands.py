"""What the claims about the paper's figures measure, over runs crossed as targets × ensembles."""

import numpy as np

from algoreg.claims.cells import cells, cells_along, finite, log_cells, paired_logs, positive, resampled
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import UNDEFINED, Estimate, as_factor, crossed_interval, extreme, interval_of
from algoreg.claims.matching import match
from algoreg.claims.predictions import prediction_interval
from algoreg.claims.thresholds import thresholds


def _smallest(parts, rng):
    """Return the smallest mean over runs of all points, shape (points, T, E) for each d.

    Every d has draws of its own, and not all have as many. So each has an interval, and the ends are the smallest of
    theirs.
    """
    return extreme(min, [interval_of(lambda part: part.mean(axis=(1, 2)).min(), part, rng) for part in parts])


@estimand("smallest gain, in decades of test error, from one α to the next smaller one")
def smallest_gain(tables, published, rng, *, table, error):
    """Return the smallest mean of log10(error(α_k)/error(α_{k+1})) over neighbours of the descending α grid,
    over all d.
    """
    gains = []
    for _, frame in tables[table].groupby("d"):
        # By α, which rises.
        _, logs = log_cells(frame, "alpha", error)
        gains.append(np.diff(logs, axis=0))
    return _smallest(gains, rng)


@estimand("fall of log test error per fall of log training error over the run's later part")
def test_per_train(tables, published, rng, *, table, alpha, start, end):
    """Return Δ log(test error) / Δ log(training error) between two iterations of the runs from one α."""
    falls = []
    for error in ("test_error", "train_error"):
        frame = tables[table]
        iterations, logs = log_cells(frame[frame["alpha"] == alpha], "iteration", error)
        place = {iteration: i for i, iteration in enumerate(iterations)}
        if not {start, end} <= set(place):
            raise ValueError(f"table {table} does not have iterations {start} and {end} of the runs from α = {alpha:g}")
        falls.append(logs[place[start]] - logs[place[end]])
    test, train = falls
    return crossed_interval(lambda t, e: test[t][:, e].mean() / train[t][:, e].mean(), *test.shape, rng)


@estimand("smallest local exponent −Δ log(test error)/Δ log t between recorded iterations")
def smallest_fall(tables, published, rng, *, table, error):
    """Return the smallest exponent of the error's fall between neighbouring iterations,
    averaged over runs, over all d.
    """
    slopes = []
    for _, frame in tables[table].groupby("d"):
        iterations, logs = log_cells(frame, "iteration", error)
        slopes.append(-np.diff(logs, axis=0) / np.diff(np.log10(iterations))[:, None, None])
    return _smallest(slopes, rng)


@estimand("factor between our mean and the published value (geometric mean over the curve)")
def published_factor(tables, published, rng, *, table, figure, errors, shift=0, along="alpha"):
    """Return exp of the mean of |log(our mean / published)| over the curve's points.

    Our mean is over targets × ensembles, as the paper's is over ensembles. ``shift`` misreads an axis on purpose (see
    :func:`match`).
    """
    return _factor(np.mean, *_matched(tables[table], published[figure], errors, shift, along), rng)


def _matched(table, curve, errors, shift, along):
    """Return the published values of these errors and our cells at the same points; see :func:`match`."""
    points, values = match(table, curve[curve["error"].isin(errors)], shift, along)
    return points["value"].to_numpy(), values


def _factor(pick, goal, values, rng):
    """Return exp of what ``pick`` makes of the points' |log(our mean / published)|."""
    return as_factor(interval_of(lambda part: pick(np.abs(np.log(part.mean(axis=(1, 2)) / goal))), finite(values), rng))


@estimand("largest factor between our mean and the published value, over the points of the curve")
def largest_published_factor(tables, published, rng, *, table, figure, errors, shift=0, along="alpha"):
    """Return exp of the largest |log(our mean / published)| of the curve's points: one wrong point is enough to refute.

    Parameters are those of :func:`published_factor`.
    """
    return _factor(np.max, *_matched(tables[table], published[figure], errors, shift, along), rng)


@estimand("largest factor between our geometric mean and the published value, over the points of the curve")
def largest_published_ratio(tables, published, rng, *, table, figure, errors, shift=0, along="alpha"):
    """Return exp of the largest |log(our geometric mean / published)|, for errors that span decades over draws.

    An arithmetic mean would be that of the largest draws. Parameters are those of :func:`published_factor`.
    """
    goal, values = _matched(tables[table], published[figure], errors, shift, along)
    logs = np.log(positive(values)) - np.log(goal)[:, None, None]
    return as_factor(interval_of(lambda part: np.abs(part.mean(axis=(1, 2))).max(), logs, rng))


@estimand("share of the published points inside the 95 % prediction interval that our runs give for one more draw")
def share_inside(tables, published, rng, *, table, figure, errors, shift=0, along="alpha", ensembles=3):
    """Return the share of a curve's points that could be one more draw of the paper's kind,
    without an interval of its own.

    The spread of the draws is in the prediction intervals (see :func:`algoreg.claims.matching.compare`), so the share
    is a count and both ends of its interval are the share itself. A published point is the mean over so many
    ``ensembles``. The other parameters are those of :func:`published_factor`.
    """
    goal, values = _matched(tables[table], published[figure], errors, shift, along)
    low, high = np.transpose([prediction_interval(value, ensembles) for value in finite(values)])
    share = float(np.mean((low <= goal) & (goal <= high)))
    return Estimate(share, share, share)


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
    iterations, train = cells_along(tables[table], "iteration", "train_error")
    test, train = finite(test), positive(train)
    goal = np.log(points["value"].to_numpy())
    times = np.array(iterations, dtype=float)
    falling = curve[(curve["error"] == "train_error") & (curve["iteration"] > 0)]
    levels, when = np.log(falling["value"].to_numpy()), np.log(falling["iteration"].to_numpy())
    decade = np.floor(levels / np.log(10))
    decades = [np.flatnonzero(decade == k) for k in np.unique(decade)]
    later = times > 0

    def statistic(targets, ensembles):
        def mean(values):
            return np.log(resampled(values, targets, ensembles).mean(axis=(1, 2)))

        apart = np.abs(_log_time_to(levels, np.minimum.accumulate(mean(train)[later]), times[later]) - when)
        return max(np.abs(mean(test) - goal).mean(), np.mean([apart[rows].mean() for rows in decades]))

    return as_factor(crossed_interval(statistic, *train.shape[1:], rng))


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
    difference = finite(logs[0]) - finite(logs[1])
    weights = slope_weights(sizes)
    return interval_of(lambda part: weights @ part.mean(axis=(1, 2)), difference, rng)


@estimand("smallest gap, in decades of test error, between two methods")
def smallest_gap(tables, published, rng, *, table, method, against, m_over_d, d, method_table=None):
    """Return the smallest mean of log10(error of ``method`` / error of ``against``) over these m/d at this d.

    ``method`` is read from ``method_table`` where that is given, else from ``table`` like ``against``.
    """
    parts = []
    for source, name in ((method_table or table, method), (table, against)):
        frame = tables[source]
        part = frame[frame["m_over_d"].isin(m_over_d) & (frame["method"] == name) & (frame["d"] == d)]
        if set(part["m_over_d"]) != set(m_over_d):
            raise ValueError(f"table {source} does not have all of m/d = {m_over_d} for {name} descent at d = {d}")
        parts.append(part)
    return interval_of(lambda part: part.mean(axis=(1, 2)).min(), paired_logs(parts, ["m_over_d"], "test_error"), rng)


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
        score = finite(np.where(below.any(axis=0), np.take_along_axis(test, first[None], axis=0)[0], 0.0))
        estimates.append(crossed_interval(lambda t, e, score=score: score[t][:, e].mean(), *score.shape, rng))
    return extreme(min, estimates)


@estimand("largest factor between the errors of a step and of the paper's own at equal η·t, over starts and iterations")
def largest_change(tables, published, rng, *, table, error, step, reference):
    """Return exp of the largest |mean log(error at ``step`` / error at ``reference``)| over α and iterations.

    Paired: both runs have the same target, ensemble and start.
    """
    frame = tables[table]
    parts = [frame[np.isclose(frame["step"], value)] for value in (step, reference)]
    change = paired_logs(parts, ["alpha", "iteration"], error) * np.log(10)
    return as_factor(interval_of(lambda part: np.abs(part.mean(axis=(1, 2))).max(), change, rng))
