"""Narrow factors that grow: a direction is added as long as the data need one, and each rank is fitted by L-BFGS.

Whether they need one is decided as for descents of full width: by the noise if it is known, and otherwise by held-out
observations. The rank is never prior knowledge.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from scipy.stats import chi2

from algoreg.recover.plan import Plan
from algoreg.recover.stopping import chosen_stop, split

NAME = "grown"
# A direction is kept if it lowers the held-out error by this share.
IMPROVES_BY = 2e-3
# Iterations for which a fit waits for the held-out error to fall again.
WAITS = 30
# A fit reaches the noise if its χ² is at most so many standard deviations above the mean; the true rank fails in 2 %.
DEVIATIONS = 2.0
# By how much χ² must fall for each further degree of freedom: Akaike's criterion.
AKAIKE = 2.0
SIGNIFICANCE = 0.05


class Model(ABC):
    """A model of measurements by a matrix of growing rank, with its parameters in one vector.

    Attributes
    ----------
    m : int
        Number of measurements.
    size : float
        Root of the weighted mean square of the observations.
    largest_rank : int
    variants : int
        Number of nested models that are fitted at each rank.
    """

    m: int
    size: float
    largest_rank: int
    variants: int = 1

    @abstractmethod
    def start(self) -> np.ndarray:
        """Return the parameters of rank 0."""

    @abstractmethod
    def widened(self, x: np.ndarray, rank: int, variant: int) -> np.ndarray:
        """Return parameters of rank + 1: the new direction is the steepest one, and still small."""

    @abstractmethod
    def loss(self, x: np.ndarray, rank: int) -> tuple[float, np.ndarray]:
        """Return (1/2m) Σ w_i (prediction_i − y_i)², and its gradient."""

    @abstractmethod
    def degrees_of_freedom(self, rank: int, variant: int) -> int:
        """Return the number of free parameters."""

    @abstractmethod
    def values(self, x: np.ndarray, rank: int) -> np.ndarray:
        """Return the eigenvalues or singular values, the largest first."""

    def mean_square(self, x: np.ndarray, rank: int) -> float:
        """Return the weighted mean of the squared residuals."""
        return 2 * self.loss(x, rank)[0]


M = TypeVar("M", bound=Model)


@dataclass
class Stage:
    """A fitted rank: parameters, iterations, mean squares, and the number of free parameters."""

    x: np.ndarray
    rank: int
    variant: int
    iterations: int
    train: float
    held: float
    degrees_of_freedom: int


@dataclass
class Grown(Generic[M]):
    """A grown matrix: its stages, of which the last was kept, how it stopped, and its warnings."""

    model: M
    stages: list[Stage]
    stop: str
    held: np.ndarray
    reached: bool
    iterations: int
    warnings: list[str] = field(default_factory=list)

    @property
    def last(self) -> Stage:
        """The stage that was kept."""
        return self.stages[-1]

    @property
    def iterations_kept(self) -> int:
        """The iterations that led to the stage that was kept."""
        return max(1, sum(stage.iterations for stage in self.stages))

    def path(self) -> dict[str, np.ndarray]:
        """Return iteration, relative errors, values and effective rank by stage, as descents keep them by snapshot."""
        values = [self.model.values(stage.x, stage.rank) for stage in self.stages]
        table = np.zeros((len(values), max(1, *map(len, values))))
        for row, found in zip(table, values, strict=True):
            row[: len(found)] = found
        share = np.abs(table) / np.maximum(np.abs(table).sum(axis=1, keepdims=True), np.finfo(float).tiny)
        entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
        size = self.model.size or 1.0
        path = {
            "iteration": np.cumsum([stage.iterations for stage in self.stages]),
            "train_error": np.sqrt([stage.train for stage in self.stages]) / size,
            "eigenvalues": table,
            "effective_rank": np.exp(entropy),
            "rank": np.array([stage.rank for stage in self.stages]),
        }
        if self.stop in ("hold-out", "folds"):
            path["holdout_error"] = np.sqrt([stage.held for stage in self.stages]) / size
        return path

    def rank_test(self, noise: float | None) -> dict | None:
        """Return χ² of the fit at each rank, refitted, with its p-value; None unless the noise decided the rank."""
        if noise is None or self.stop != "noise":
            return None
        tested = [stage for stage in self.stages if stage.degrees_of_freedom < self.model.m]
        statistic = np.array([in_units(self.model.m * stage.train, noise) for stage in tested])
        free = np.array([self.model.m - stage.degrees_of_freedom for stage in tested])
        p_value = chi2.sf(statistic, free)
        accepted = [stage.rank for stage, p in zip(tested, p_value, strict=True) if p > SIGNIFICANCE]
        return {
            "rank": np.array([stage.rank for stage in tested]),
            "chi2": statistic,
            "degrees_of_freedom": free,
            "p_value": p_value,
            "accepted": accepted[0] if accepted else None,
        }


def grow(build: Callable[[np.ndarray | None], M], m: int, plan: Plan) -> Grown[M]:
    """Fit matrices of rank 0, 1, 2, … until the data need no further direction.

    Parameters
    ----------
    build : callable
        Takes indices of measurements, None for all, and returns their model.
    m : int
    plan : Plan
        Its noise is that of an observation of weight 1.

    Raises
    ------
    ValueError
        If the stopping rule does not fit the measurements.
    """
    stop, warnings = chosen_stop(plan, m)
    parts = split(stop, m, plan)
    if parts[0][1] is None:
        found = _by_the_noise(build(None), plan, plan.noise if stop == "noise" else None)
    else:
        found = _by_what_is_held_out(build, parts, plan)
    found.stop, found.warnings = stop, warnings + found.warnings
    if found.iterations >= plan.max_iter:
        found.warnings.append(
            f"not converged: the fit did not end within {plan.max_iter} iterations; use a larger max_iter"
        )
    return found


def in_units(squares: float, noise: float) -> float:
    """Return a sum of squares divided by the noise's square, infinite if that overflows."""
    with np.errstate(over="ignore"):
        return float(squares / np.float64(max(noise, np.finfo(float).tiny)) / max(noise, np.finfo(float).tiny))


def converged(model: Model, x: np.ndarray, rank: int, most: int) -> tuple[np.ndarray, int]:
    """Return the parameters at which a rank's loss is least, and the number of iterations."""
    options = {"maxiter": max(1, most), "maxfun": 10 * max(1, most), "ftol": 1e-13, "gtol": 1e-10}
    found = minimize(model.loss, x, args=(rank,), jac=True, method="L-BFGS-B", options=options)
    return found.x, int(found.nit)


def _by_the_noise(model: M, plan: Plan, noise: float | None) -> Grown[M]:
    """Grow until the residual is as small as the noise or, if that is None, as the tolerance."""
    stages, left, reached = [_stage(model, model.start(), 0, 0, 0)], plan.max_iter, False
    while not (reached := _is_reached(model, stages[-1], plan, noise)) and left > 0:
        last = stages[-1]
        if last.rank == model.largest_rank:
            break
        # With as many free parameters as measurements, χ² cannot reject anything.
        if last.rank and model.degrees_of_freedom(last.rank + 1, 0) >= model.m and noise is not None:
            break
        tried = []
        for variant in range(model.variants):
            x, taken = converged(model, model.widened(last.x, last.rank, variant), last.rank + 1, left)
            left -= taken
            tried.append(_stage(model, x, last.rank + 1, variant, taken))
        best = tried[0]
        for other in tried[1:]:
            best = other if _is_better(model, best, other, noise) else best
        if not _is_better(model, last, best, noise):
            break
        stages.append(best)
        plan.log(f"rank {best.rank}: training error {np.sqrt(best.train) / (model.size or 1):.3g}")
    return Grown(model, stages, "", np.array([], np.int64), reached, plan.max_iter - left)


def _stage(model: Model, x: np.ndarray, rank: int, variant: int, iterations: int, held: float = np.nan) -> Stage:
    return Stage(
        x, rank, variant, iterations, model.mean_square(x, rank), held, model.degrees_of_freedom(rank, variant)
    )


def _is_reached(model: Model, stage: Stage, plan: Plan, noise: float | None) -> bool:
    if noise is None:
        return np.sqrt(stage.train) <= plan.tol * model.size
    free = model.m - stage.degrees_of_freedom
    return free > 0 and in_units(model.m * stage.train, noise) <= free + DEVIATIONS * np.sqrt(2 * free)


def _is_better(model: Model, last: Stage, tried: Stage, noise: float | None) -> bool:
    """Return whether further free parameters lower the residual by enough."""
    if noise is None:
        return tried.train < last.train * (1 - IMPROVES_BY)
    more = tried.degrees_of_freedom - last.degrees_of_freedom
    return in_units(model.m * (last.train - tried.train), noise) > AKAIKE * more


def _by_what_is_held_out(
    build: Callable[[np.ndarray | None], M],
    parts: Sequence[tuple[np.ndarray | None, np.ndarray | None]],
    plan: Plan,
) -> Grown[M]:
    """Grow while the held-out error falls, then fit all measurements with as many iterations."""
    models, held = [build(seen) for seen, _ in parts], [build(out) for _, out in parts]
    counts = np.array([one.m for one in held])
    xs, rank, left = [one.start() for one in models], 0, plan.max_iter

    def mean(squares: np.ndarray) -> Any:
        return counts @ squares / counts.sum()

    best = mean(np.array([one.mean_square(x, 0) for one, x in zip(held, xs, strict=True)]))
    first, kept, said = best, [], []
    while rank < models[0].largest_rank and left > 0:
        # With as many free parameters as measurements, the model would fit anything.
        if rank and models[0].degrees_of_freedom(rank + 1, 0) >= models[0].m:
            break
        taken = None
        for variant in range(models[0].variants):
            starts = [one.widened(x, rank, variant) for one, x in zip(models, xs, strict=True)]
            runs = [_watched(*three, rank + 1, left) for three in zip(models, held, starts, strict=True)]
            curve = mean(_filled([errors for errors, _ in runs]))
            left -= max(len(errors) for errors, _ in runs)
            if len(curve) and curve.min() < best * (1 - IMPROVES_BY) ** 2:
                best, taken = float(curve.min()), (variant, int(curve.argmin()) + 1)
                ends = [x for _, x in runs]
                if len(runs) > 1:
                    ends = [converged(one, x, rank + 1, taken[1])[0] for one, x in zip(models, starts, strict=True)]
        if taken is None:
            break
        xs, rank = ends, rank + 1
        kept.append((*taken, best))
        plan.log(f"rank {rank}: hold-out error {np.sqrt(best) / (models[0].size or 1):.3g}")
        if np.sqrt(best) <= plan.tol * models[0].size:
            break
    full = build(None)
    stages = [_stage(full, full.start(), 0, 0, 0, first)]
    for variant, count, error in kept:
        last = stages[-1]
        x, iterations = converged(full, full.widened(last.x, last.rank, variant), last.rank + 1, count)
        stages.append(_stage(full, x, last.rank + 1, variant, iterations, error))
    out = parts[0][1] if len(parts) == 1 else None
    out = np.array([], np.int64) if out is None else out
    return Grown(full, stages, "", out, True, plan.max_iter - left, said)


def _watched(model: Model, held: Model, x: np.ndarray, rank: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out mean square after every iteration, and the parameters at which it was least."""
    errors, best = [], x

    def observe(intermediate_result: OptimizeResult) -> None:
        nonlocal best
        error = held.mean_square(intermediate_result.x, rank)
        if not errors or error < min(errors):
            best = intermediate_result.x.copy()
        errors.append(error)
        if len(errors) - int(np.argmin(errors)) > WAITS:
            raise StopIteration

    options = {"maxiter": max(1, most), "maxfun": 10 * max(1, most), "ftol": 1e-13, "gtol": 1e-10}
    minimize(model.loss, x, args=(rank,), jac=True, method="L-BFGS-B", callback=observe, options=options)
    return np.array(errors), best


def _filled(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Return curves of different lengths as rows, each continued by its last number."""
    most = max(map(len, curves))
    if not all(map(len, curves)):
        return np.empty((len(curves), 0))
    return np.stack([np.pad(curve, (0, most - len(curve)), mode="edge") for curve in curves])
