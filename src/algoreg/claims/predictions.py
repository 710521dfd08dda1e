"""Prediction intervals for one more draw, from the variance of crossed runs."""

import numpy as np

from algoreg.claims.intervals import t_quantile


def variance_components(values: np.ndarray) -> tuple[float, float, float]:
    """Return the variances (target, ensemble, rest) of a crossed (T, E) array by analysis of variance, each ≥ 0."""
    targets, ensembles = values.shape
    mean = values.mean()
    by_target, by_ensemble = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_target[:, None] - by_ensemble[None, :] + mean
    residual = np.sum(rest**2) / ((targets - 1) * (ensembles - 1))
    target = max(np.var(by_target, ddof=1) - residual / ensembles, 0.0)
    ensemble = max(np.var(by_ensemble, ddof=1) - residual / targets, 0.0)
    return target, ensemble, residual


def prediction_interval(values: np.ndarray, ensembles: int) -> tuple[float, float]:
    """Return a 95 % interval for the mean error of one new target over new ensembles, on the log scale.

    Each tail is tested for logs with Gaussian effects. With heavy-tailed effects (Student's t with two degrees of
    freedom) the interval contains the new value in about 90 % of draws, because a single draw may be further out than
    five earlier ones suggest.

    Parameters
    ----------
    values : numpy.ndarray, shape (T, E)
        Errors. With a value that is not finite and positive, or with a single run, the interval is (NaN, NaN).
    ensembles : int
        How many new ensembles the new value averages over.
    """
    if not (np.isfinite(values) & (values > 0)).all():
        return np.nan, np.nan
    logs = np.log(values)
    count_targets, count_ensembles = logs.shape
    if min(logs.shape) == 1:
        return _interval_of_single(logs.ravel())
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
    half = t_quantile(total**2 / np.sum(parts**2 / degrees)) * np.sqrt(total) if total else 0.0
    return _around(logs.mean(), half)


def _around(middle: float, half: float) -> tuple[float, float]:
    """Return the exponentials of the ends of an interval of logarithms."""
    return float(np.exp(middle - half)), float(np.exp(middle + half))


def _interval_of_single(logs: np.ndarray) -> tuple[float, float]:
    """Return the prediction interval for one target, one ensemble, or pairs, which leave their variances confounded.

    The new value is assumed to vary like a single run, as if all of the variance came from the target.
    """
    if len(logs) == 1:
        return np.nan, np.nan
    half = t_quantile(len(logs) - 1) * np.std(logs, ddof=1) * np.sqrt(1 + 1 / len(logs))
    return _around(logs.mean(), half)
