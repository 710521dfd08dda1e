"""The fit behind every estimator: it scales the observations, finds a step, runs descents, and chooses an estimate."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from algoreg.engine.kernels.passes import lanes_for
from algoreg.engine.loop import Batch, Descent
from algoreg.ensembles.base import Ensemble, Measurements
from algoreg.numerics import devices
from algoreg.numerics.isometry import isometry_excess
from algoreg.numerics.theory import symmetric_dimension
from algoreg.recover.measurements import condensed
from algoreg.recover.plan import Plan, algorithm_for, run_options
from algoreg.recover.stopping import chosen_stop, split
from algoreg.recover.watching import LEAVES_START, Held, Watch, entropy, leading

# Initialisation scales that "auto" compares, and the one used if nothing is held out; large ones overfit.
ALPHAS, SMALL_ALPHA = (1e-1, 1e-2, 1e-3, 1e-6), 1e-6
# The step is this share of 1/(L·λ), beyond which a descent near X* diverges: L is the largest ⟨X, 𝒢X⟩ found over unit
# matrices of rank 2, λ the largest eigenvalue of the label matrix. If errors rise, it is halved and the fit repeated.
STEP_SHARE, HALVINGS, CURVATURE_ROUNDS = 0.5, 12, 12
# The label matrix counts as 0 if it is below so many rounding errors of the one that observations |y_i| would give.
ROUNDINGS = 64
# Least trace is a splitting method, not a descent: its step is the trace's weight, in units of the label matrix.
OWN_STEPS = {"least_trace": 0.3}
# If a residual is noise, its label matrix is about as large in any order of it. It is not noise if the largest
# eigenvalue exceeds those of SHUFFLES random orders by this factor.
ABOVE_SHUFFLED, SHUFFLES = 1.5, 5
# A residual below this share of the observations' size comes from the initialisation, or is not worth a warning.
WORTH_A_WORD = 1e-3
PLATEAU = "a plateau: the {} error stopped falling, but the residual is not noise alone; use a larger max_iter"
NEGATIVE = "the observations show a negative direction, which a psd matrix cannot have; use kind = symmetric"
# Held-out observations count as hardly predicted above this relative error.
HARDLY = 0.9
NOISE_ALONE = (
    "the observations look like noise: held-out ones are predicted with a relative error of {:.2g}, and no "
    "direction in them is stronger than with random signs"
)
TOO_HIGH_A_RANK = "method = preconditioned ends at too high a rank if M is rectangular; use method = factored"
NOTHING_HELD = "the held-out observations are all 0 and cannot decide when to stop; use stop = folds, or budget"


@dataclass
class Fitted:
    """The result of a fit, in the observations' units, and the path of the run with the chosen initialisation scale.

    Grown factors have neither an initialisation scale nor a step.
    """

    matrix: np.ndarray
    alpha: float | None
    step: float | None
    iteration: int
    stop: str
    method: str
    path: dict[str, np.ndarray]
    held: np.ndarray
    warnings: list[str]


def label_matrix_size(ensemble: Any, labels: torch.Tensor) -> float:
    """Return the largest eigenvalue, by size, of N = (1/m) Σ y_i sym(A_i)."""
    nothing = torch.zeros(1, ensemble.d, ensemble.d, dtype=ensemble.dtype, device=ensemble.device)
    return float(np.abs(leading(ensemble.gradient(nothing, labels))).max())


def curvature(ensemble: Any, seed: int) -> float:
    """Return a lower bound on the largest ⟨X, 𝒢X⟩ over unit X of rank 2, 𝒢X = (1/m) Σ ⟨A_i, X⟩ sym(A_i).

    It is 0 if the measurements are 0, or so small that the squares of 𝒢X's entries are.
    """
    start = torch.from_numpy(np.random.default_rng(seed).standard_normal((ensemble.d, ensemble.d)))
    start = (start + start.mT).to(ensemble.device, ensemble.dtype)
    unit = (start / torch.linalg.matrix_norm(start))[None]
    image = ensemble.gradient(unit, ensemble.label(torch.zeros_like(unit)))
    if not torch.linalg.matrix_norm(image).item() > torch.finfo(start.dtype).tiny ** 0.5:
        return 0.0
    return 1 + isometry_excess(ensemble, min(2, ensemble.d), start, CURVATURE_ROUNDS)


class Descending:
    """The descents of one fit, a run per initialisation scale; the label matrix's largest eigenvalue is the unit.

    Parameters
    ----------
    measurements : Measurements
        All measurements.
    labels : numpy.ndarray, shape (m,)
    plan : Plan

    Raises
    ------
    ValueError
        If the plan does not fit the measurements, Σ y_i A_i = 0, or all observations or measurements that a descent
        sees are 0.
    """

    def __init__(self, measurements: Measurements, labels: np.ndarray, plan: Plan):
        self.plan, self.measurements = plan, measurements
        self.name, self.algorithm = algorithm_for(plan, measurements)
        self.stop, self.warnings = chosen_stop(plan, measurements.m)
        if plan.kind == "rectangular" and self.name == "preconditioned":
            self.warnings.append(TOO_HIGH_A_RANK)
        rows = torch.from_numpy(labels).to(measurements.device, measurements.dtype)
        self.scale = label_matrix_size(measurements, rows[None])
        nothing = ROUNDINGS * torch.finfo(rows.dtype).eps * label_matrix_size(measurements, rows.abs()[None])
        if not self.scale > nothing:
            raise ValueError("the observations determine no matrix: Σ y_i A_i = 0")
        self.labels = rows / self.scale
        self.noise = None
        if self.stop == "noise" and plan.noise is not None:
            self.noise = plan.noise / float(rows.square().mean().sqrt())
        auto = ALPHAS if self.stop in ("hold-out", "folds") else (SMALL_ALPHA,)
        self.alphas = auto if plan.alpha == "auto" else (float(plan.alpha),)
        self.parts = split(self.stop, measurements.m, plan)
        if not all(labels.any() if seen is None else labels[seen].any() for seen, _ in self.parts):
            raise ValueError(f"stop = {self.stop}: all observations that are not held out are 0; use stop = budget")
        if self.stop == "hold-out" and not self.labels[self.parts[0][1]].any():
            self.warnings.append(NOTHING_HELD)
        self._first = self._read(self.parts[0][0])
        self.curvature = curvature(self._first[0], plan.seed)
        if not self.curvature > 0:
            raise ValueError(
                f"stop = {self.stop}: all measurements that are not held out are 0 or almost 0; use stop = budget"
            )
        default_step = OWN_STEPS.get(self.name, STEP_SHARE / self.curvature)
        self.step = default_step if plan.step is None else plan.step

    def _some(self, seen: np.ndarray | None) -> tuple[Measurements, torch.Tensor]:
        """Return the measurements ``seen``, or all, and their observations as one row."""
        if seen is None:
            return self.measurements, self.labels[None]
        index = torch.from_numpy(seen).to(self.labels.device)
        return self.measurements.select(index), self.labels[None, index]

    def _read(self, seen: np.ndarray | None) -> tuple[Ensemble, torch.Tensor]:
        """Return the ensemble that the algorithm reads for ``seen``, or all, and its labels as one row."""
        return condensed(*self._some(seen), self.algorithm)

    def freedom(self, estimates: torch.Tensor) -> np.ndarray:
        """Return the degrees of freedom per measurement of estimates (B, d, d), by their effective rank."""
        ranks = np.exp(entropy(leading(self.plan.as_sought(estimates))))
        size = self.measurements.d
        return np.array([self.plan.degrees_of_freedom(rank, size) for rank in ranks]) / self.measurements.m

    def lacks(
        self, fitted: np.ndarray | None, estimate: torch.Tensor, *, negative: bool = False, signs: bool = False
    ) -> bool:
        """Return whether the residual shows a direction that the estimate lacks: none in random orders is as large.

        Parameters
        ----------
        fitted : numpy.ndarray of int, or None
            The measurements that were fitted, None for all.
        estimate : torch.Tensor, shape (d, d)
            In the units of ``self.labels``.
        negative : bool
            Whether to look for a negative direction, which a psd estimate cannot have.
        signs : bool
            Whether to compare with random signs instead of random orders, which would keep the residuals' mean.
        """
        ensemble, row = self._some(fitted)
        residual = row[0] - ensemble.measure(estimate[None])[0]
        if residual.norm() < WORTH_A_WORD * row.norm():
            return False
        nothing, rng = torch.zeros_like(estimate)[None], np.random.default_rng(self.plan.seed)

        def largest(labels: torch.Tensor) -> float:
            values = torch.linalg.eigvalsh(-ensemble.gradient(nothing, labels[None])[0].cpu().double())
            if negative:
                return float(-values[0])
            # A psd estimate cannot grow in a negative direction.
            return float(values.abs().max() if self.algorithm.estimates == "symmetric" else values[-1])

        def shuffled() -> torch.Tensor:
            if signs:
                return residual * torch.from_numpy(rng.choice([-1.0, 1.0], len(residual))).to(residual)
            return residual[torch.from_numpy(rng.permutation(len(residual))).to(residual.device)]

        return largest(residual) > ABOVE_SHUFFLED * max(largest(shuffled()) for _ in range(SHUFFLES))

    def run(
        self,
        part: tuple[np.ndarray | None, np.ndarray | None],
        step: float,
        *,
        alphas: Sequence[float] | None = None,
        iterations: int | None = None,
    ) -> Watch:
        """Run initialisation scales on some of the measurements, and return the observer.

        Parameters
        ----------
        part : pair of numpy.ndarray of int or None
            The indices that are seen (None: all) and held out (None: none).
        step : float
        alphas : sequence of float, optional
            The initialisation scales, by default all of the fit.
        iterations : int, optional
            The number of iterations instead of the budget; runs that no longer improve are then not stopped.
        """
        ensemble, row = self._first if part is self.parts[0] else self._read(part[0])
        outside = None
        if part[1] is not None:
            index = torch.from_numpy(part[1]).to(self.labels.device)
            outside = Held(self.measurements.select(index), self.labels[index])
        alphas = alphas or self.alphas
        runs = [
            run_options(
                self.name,
                self.plan,
                self.scale,
                step=step,
                iterations=iterations or self.plan.max_iter,
                m=ensemble.m,
                alpha=alpha,
            )
            for alpha in alphas
        ]
        # The smallest initialisation needs about so many steps to grow to size 1.
        growth = int(min(np.log(1 / min(1.0, *alphas)) / step, self.plan.max_iter)) + 50
        leaves = iterations is None and self.stop in ("hold-out", "folds")
        lacks = partial(self.lacks, part[0])
        plan = self.plan
        watch = Watch(outside, self.noise, self.freedom, plan.tol, 3 * growth, leaves, lacks, plan.as_sought, plan.log)
        # The target is unknown. I takes its place, as the distance to it is only checked to be finite.
        stand_in = torch.eye(ensemble.d, dtype=row.dtype, device=row.device).expand(len(runs), -1, -1)
        batch = Batch(ensemble, self.algorithm, runs, stand_in, row.repeat(len(runs), 1), [watch], self.plan.seed)
        number = next((number for number, one in enumerate(self.parts) if one is part), "all")
        descent, name = Descent(batch, log=lambda line: None), f"{self.name}/{number}/{step!r}"
        self.plan.checkpoint.follow(descent, name, self.plan.log)
        return watch

    def watched(self) -> tuple[list[Watch], float]:
        """Run all descents at a step at which no error rises; return their observers and the step.

        Raises
        ------
        ValueError
            If errors rise at the step that the user gave, or at every step that was tried.
        """
        step = self.step
        for _ in range(HALVINGS if self.plan.step is None else 1):
            watches = self._tried(step)
            if not watches[-1].memory["unstable"].any():
                return watches, step
            step /= 2
        problem = f"step = {2 * step:.3g}: the training error rises"
        if self.plan.step is None:
            raise ValueError(
                f"{problem}, as at all larger steps that were tried; use a smaller alpha, or another method"
            )
        raise ValueError(f"{problem}; leave step out, or use a smaller one")

    def _tried(self, step: float) -> list[Watch]:
        """Return an observer of every part, and with folds one of all measurements; end at a run whose error rises."""
        watches = []
        for part in self.parts:
            watches.append(self.run(part, step))
            if watches[-1].memory["unstable"].any():
                return watches
        if self.stop == "folds":
            # The step may be too long for all measurements even if it is not for some of them.
            run, iteration, _ = self.best_by_folds(watches)
            watches.append(self.run((None, None), step, alphas=(self.alphas[run],), iterations=iteration))
        return watches

    def best_by_folds(self, folds: list[Watch]) -> tuple[int, int, np.ndarray]:
        """Return the run and the iteration that are best for all observations, each held out once,
        and that run's error by snapshot.
        """
        # If the held-out observations are all 0, their error is not relative to their size.
        sizes = [float(self.labels[held].norm()) or 1.0 for _, held in self.parts]
        squares = sum(np.square(size * filled(one.memory["held"])) for size, one in zip(sizes, folds, strict=True))
        curves = np.sqrt(squares) / float(self.labels.norm())
        place, run = (int(index) for index in np.unravel_index(np.argmin(curves), curves.shape))
        return run, max(1, folds[0].iterations[place]), curves[:, run]


def filled(errors: np.ndarray) -> np.ndarray:
    """Return errors by snapshot and run; runs that have stopped keep their last error."""
    filled_ = errors.copy()
    for row in range(1, len(filled_)):
        gone = np.isnan(filled_[row])
        filled_[row, gone] = filled_[row - 1, gone]
    return filled_


def recover(measurements: Measurements, labels: np.ndarray, plan: Plan) -> Fitted:
    """Fit a matrix to measurements and their finite observations, shape (m,).

    Raises
    ------
    ValueError
        See :class:`Descending`.
    """
    # On a small problem each product would wait for a second thread, for long if other programs keep the cores busy.
    with devices.at_most(lanes_for(measurements.m * symmetric_dimension(measurements.d))):
        return _recovered(measurements, labels, plan)


def _recovered(measurements: Measurements, labels: np.ndarray, plan: Plan) -> Fitted:
    """Fit a matrix; see :func:`recover`."""
    fit = Descending(measurements, labels, plan)
    (*folds, watch), step = fit.watched()
    run = int(np.argmin(watch.memory["best"])) if fit.stop == "hold-out" else 0
    alpha, iteration = fit.alphas[run], int(watch.memory["best_at"][run])
    path = _path(watch, run, fit)
    if fit.stop == "folds":
        best, _, curve = fit.best_by_folds(folds)
        at, alpha = dict(zip(folds[0].iterations, curve, strict=True)), fit.alphas[best]
        path["holdout_error"] = np.array([at.get(i, np.nan) for i in path["iteration"]])
    matrix = watch.memory["estimates"][run].cpu().double().numpy() * fit.scale
    error = float(np.nanmin(curve)) if fit.stop == "folds" else float(watch.memory["best"][run])
    seen, kept = fit.parts[0][0] if fit.stop == "hold-out" else None, watch.memory["estimates"][run]
    left = watch.memory["train"][watch.iterations.index(iteration), run]
    if left > 1 + LEAVES_START and not (fit.stop == "noise" and iteration == 0):
        # The residual of such a fit has directions that are not in the observations.
        poor = (
            f"a poor fit: its residual is {left:.3g} times the size of the observations, and a matrix of zeros leaves 1"
        )
        lines = [*fit.warnings, poor]
    elif plan.kind == "psd" and not plan.hermitian and fit.lacks(seen, kept, negative=True, signs=True):
        # More iterations would not help.
        lines = [*fit.warnings, NEGATIVE]
    else:
        lines = fit.warnings + (_only_noise(fit, error) or _unfinished(fit, watch, run, iteration, error))
    held = fit.parts[0][1] if fit.stop == "hold-out" else None
    held = np.array([], np.int64) if held is None else held
    return Fitted(matrix, alpha, step, iteration, fit.stop, fit.name, path, held, lines)


def _path(watch: Watch, run: int, fit: Descending) -> dict[str, np.ndarray]:
    """Return errors and eigenvalues of a run by snapshot, the eigenvalues in units of the observations."""
    seen = np.isfinite(watch.memory["train"][:, run])
    path = {
        "iteration": np.array(watch.iterations)[seen],
        "train_error": watch.memory["train"][seen, run],
        "eigenvalues": watch.memory["values"][seen, run] * fit.scale,
        "effective_rank": np.exp(watch.memory["entropy"][seen, run]),
    }
    if watch.held is not None:
        path["holdout_error"] = watch.memory["held"][seen, run]
    return path


def _only_noise(fit: Descending, error: float) -> list[str]:
    """Return a warning if held-out observations are hardly predicted and the observations show no direction."""
    if fit.stop not in ("hold-out", "folds") or error < HARDLY:
        return []
    nothing = torch.zeros(fit.measurements.d, fit.measurements.d).to(fit.labels)
    found = fit.lacks(None, nothing, signs=True) or fit.lacks(None, nothing, negative=True, signs=True)
    return [] if found else [NOISE_ALONE.format(error)]


def _unfinished(fit: Descending, watch: Watch, run: int, iteration: int, error: float) -> list[str]:
    """Return a warning if a run was cut off by its budget, or has not left its initialisation."""
    if fit.stop == "noise" and iteration == 0:
        return ["the observations are no larger than the given noise: the initialisation was kept"]
    train = watch.memory["train"][:, run]
    kept = train[watch.iterations.index(iteration)]
    if watch.memory["reached"][run]:
        return []
    if kept > (1 - LEAVES_START) * train[0]:
        return [
            "not converged: the estimate has hardly left its initialisation; use a larger alpha, or a larger max_iter"
        ]
    if max(kept, error) < WORTH_A_WORD:
        return []
    if fit.noise is not None and kept <= fit.noise:
        # The residual is below the noise already.
        return []
    if fit.stop == "noise":
        return [
            "not converged: the training error has not fallen to the given noise; use a larger max_iter, or a larger noise"
        ]
    of_training = fit.stop == "budget"
    name = "training" if of_training else "hold-out"
    falling = _still_falling(train) if of_training else iteration > 0.95 * fit.plan.max_iter
    if falling:
        return [f"not converged: the {name} error was still falling after max_iter iterations; use a larger max_iter"]
    seen = fit.parts[0][0] if fit.stop == "hold-out" else None
    return [PLATEAU.format(name)] if fit.lacks(seen, watch.memory["estimates"][run]) else []


def _still_falling(errors: np.ndarray) -> bool:
    """Return whether errors by snapshot, NaN after the last, were still falling at the end."""
    known = errors[np.isfinite(errors)]
    return known[-1] < 0.98 * known[max(0, len(known) - 15)]
