"""Intervals for statistics of crossed runs.

The independent units are the targets and the ensembles, so intervals resample whole targets and whole ensembles, never
single cells.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from algoreg.claims.cells import resampled

LEVEL = 0.95

REPLICATES = 2000

# Up to this standard deviation of natural logs at a point, the interval of the plain mean of positive values has its
# nominal coverage.
PLAIN_LOG_SPREAD = 0.5


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all three are None if diverged runs leave it undefined."""

    value: float | None
    low: float | None
    high: float | None

    def numbers(self) -> tuple[float, float, float]:
        """Return the value and both ends; raise a ValueError if they are undefined."""
        if self.value is None or self.low is None or self.high is None:
            raise ValueError("an estimate without a value has no numbers")
        return self.value, self.low, self.high


class Estimand(Protocol):
    """A function of tables that estimates the quantity of a claim, with the label that the criterion uses for it."""

    label: str

    def __call__(
        self,
        tables: Mapping[str, pd.DataFrame],
        published: Mapping[str, pd.DataFrame],
        rng: np.random.Generator,
        **parameters: Any,
    ) -> Estimate:
        """Return the estimate."""


UNDEFINED = Estimate(None, None, None)


def t_quantile(freedom: float) -> float:
    """Return the number of standard errors on each side of a 95 % interval."""
    # scipy is imported here because figures need the cells of tables, not quantiles.
    from scipy.special import stdtrit

    return stdtrit(freedom, 0.5 + LEVEL / 2)


def crossed_interval(
    statistic: Callable[[np.ndarray, np.ndarray], float], targets: int, ensembles: int, rng: np.random.Generator
) -> Estimate:
    """Estimate a statistic of crossed runs with a 95 % interval.

    Two bootstraps, over whole targets and over whole ensembles, give one variance each. Each variance is scaled by
    n/(n−1), because resampling n units understates it by that factor, and the half-width is the root of their sum times
    a t-quantile with Satterthwaite's degrees of freedom. With three ensembles, a percentile interval cannot reach a
    coverage of 95 % at all. The coverage of this interval is tested for each tail separately: it is reached for means
    of values with Gaussian and with heavy-tailed effects, and for means of logs of lognormal values.

    With few targets the coverage is lower if the mean over targets varies somewhat more than the mean over ensembles,
    because the degrees of freedom are estimated, too. The lowest coverage in simulations with Gaussian effects is 87 to
    91 % of draws with two targets, 92 to 94 % with three, and 93 to 95 % with four.

    The coverage is too low for the plain mean of positive values that spread over decades. For lognormal targets and
    ensembles with a standard deviation of 1 in the log, the interval contains the expectation in about 72 % of draws
    and lies below it in all others, which is the dangerous side for "below a margin". Up to ``PLAIN_LOG_SPREAD`` the
    coverage is reached. For a larger spread use means of logs, unless the statement is about the plain mean itself.

    Parameters
    ----------
    statistic : callable
        Maps index arrays (targets, ensembles) to a float that does not depend on their order.
    targets, ensembles : int
        The shape of the cells. With 1 target, only the ensembles are resampled (see :func:`cells`; where claims are
        judged, tier files in which all ensembles share one target are refused).
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If there are fewer than two ensembles, from which no spread can be estimated.
    """
    if ensembles < 2:
        raise ValueError(f"{ensembles} ensembles: an interval needs at least two")
    every_target, every_ensemble = np.arange(targets), np.arange(ensembles)
    value = statistic(every_target, every_ensemble)
    over_targets = _replicates(lambda units: statistic(units, every_ensemble), targets, rng)
    over_ensembles = _replicates(lambda units: statistic(every_target, units), ensembles, rng)
    variances = np.array([np.var(over_targets), np.var(over_ensembles)])
    # A single target has no variance to scale; 1 avoids a division by 0.
    degrees = np.maximum([targets - 1, ensembles - 1], 1)
    variances *= np.array([targets, ensembles]) / degrees
    total = variances.sum()
    if total == 0:
        return Estimate(float(value), float(value), float(value))
    freedom = total**2 / np.sum(variances**2 / degrees)
    half = t_quantile(freedom) * np.sqrt(total)
    return Estimate(float(value), float(value - half), float(value + half))


def interval_of(statistic: Callable[[np.ndarray], float], values: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Estimate a statistic of cells with :func:`crossed_interval`.

    Parameters
    ----------
    statistic : callable
        Maps cells of shape (points, T', E') to a float.
    values : numpy.ndarray, shape (points, T, E)
        From :func:`cells`.
    rng : numpy.random.Generator
    """
    _, targets, ensembles = values.shape
    return crossed_interval(lambda *units: statistic(resampled(values, *units)), targets, ensembles, rng)


def share_interval(pick: Callable[[np.ndarray], float], values: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Estimate the smallest or the largest share over points, from values that are 0 or 1.

    If each ensemble has one run, for example because it has a target that no other has, runs are independent, and the
    interval is the exact one of Clopper and Pearson. If targets and ensembles are crossed, the interval is from
    :func:`interval_of`, unless the share is 0 or 1. Resampling then shows no spread, although units with another
    outcome may merely be rare. In this case the interval is the exact one for as many units as there are targets or
    ensembles, whichever are fewer, because runs that share a target or an ensemble may have their outcome in common.

    Parameters
    ----------
    pick : callable
        ``numpy.min`` or ``numpy.max``, applied to an array of shape (points,).
    values : numpy.ndarray, shape (points, T, E)
    rng : numpy.random.Generator
    """
    _, targets, ensembles = values.shape
    shares = values.mean(axis=(1, 2))
    if targets == 1 or pick(shares) in (0, 1):
        low, high = exact_shares(shares, ensembles if targets == 1 else min(targets, ensembles))
        return Estimate(float(pick(shares)), float(pick(low)), float(pick(high)))
    value, lower, upper = interval_of(lambda part: pick(part.mean(axis=(1, 2))), values, rng).numbers()
    return Estimate(value, max(lower, 0.0), min(upper, 1.0))


def exact_shares(shares: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the upper ends of Clopper and Pearson's 95 % intervals of shares of independent units."""
    # scipy is imported here because figures need the cells of tables, not quantiles.
    from scipy.special import betaincinv

    counts, tail = np.rint(np.asarray(shares) * units), (1 - LEVEL) / 2
    # Where the end is 0 or 1 itself, a parameter would be 0, which has no quantile; 1 replaces it.
    low = np.where(counts == 0, 0.0, betaincinv(np.maximum(counts, 1), units - counts + 1, tail))
    high = np.where(counts == units, 1.0, betaincinv(counts + 1, np.maximum(units - counts, 1), 1 - tail))
    return low, high


def _replicates(statistic: Callable[[np.ndarray], float], units: int, rng: np.random.Generator) -> list[float]:
    """Return a statistic of ``REPLICATES`` resamples of some units, computed once for equal resamples."""
    drawn = list(map(tuple, np.sort(rng.integers(units, size=(REPLICATES, units)), axis=1).tolist()))
    values = {resample: statistic(np.array(resample)) for resample in dict.fromkeys(drawn)}
    return [values[resample] for resample in drawn]


def _changed(estimate: Estimate, change: Callable[[float], float]) -> Estimate:
    """Return an estimate with its value and both ends changed; an undefined one stays undefined."""
    if estimate == UNDEFINED:
        return UNDEFINED
    return Estimate(*(float(change(x)) for x in estimate.numbers()))


def extreme(pick: Callable[[Iterable[Any]], Any], estimates: Iterable[Estimate]) -> Estimate:
    """Return the smallest (``pick=min``) or largest (``max``) value, lower end and upper end of defined estimates."""
    return Estimate(*map(pick, zip(*map(astuple, estimates), strict=True)))


def exp_of(estimate: Estimate) -> Estimate:
    """Return the estimate of a quantity from the estimate of its logarithm."""
    return _changed(estimate, np.exp)


def as_factor(estimate: Estimate) -> Estimate:
    """Return the estimate of a factor of at least 1 from the estimate of the absolute value of its logarithm."""
    return _changed(estimate, lambda x: np.exp(max(x, 0.0)))


def distance_from(estimate: Estimate, expected: float) -> Estimate:
    """Return the distance of an estimate from a value; an undefined estimate stays undefined.

    The interval contains the distances of all points of the estimate's interval: it begins at 0 if that interval
    contains the value, and ends at the distance of its farther end.
    """
    if estimate == UNDEFINED:
        return UNDEFINED
    value, low, high = estimate.numbers()
    nearest, farthest = sorted(abs(end - expected) for end in (low, high))
    return Estimate(abs(value - expected), 0.0 if low <= expected <= high else nearest, farthest)
