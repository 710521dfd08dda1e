"""The observer of a fit: it keeps errors and eigenvalues along the path and the best estimate, and stops runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from algoreg.engine.batch import Batch, Observer, Snapshot, begins
from algoreg.ensembles import gram
from algoreg.ensembles.base import Measurements

# Number of eigenvalues kept at every snapshot, the largest in absolute value.
KEPT_VALUES = 20
# Iterations between snapshots grow by this factor.
GROWTH = 1.05
# If an error exceeds its least value by this factor, the step is too long: the squared loss does not rise otherwise.
RISES_BY = 1.2
# Below this error the observations are fitted to rounding, and any rise is rounding.
ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-10}
# The same with a Gram matrix, which cannot distinguish smaller errors from 0.
GRAM_ROUNDING = 1e-7
# An error must fall by this share to count as an improvement; a run waits this many times as long as it
# has taken so far.
IMPROVES_BY, WAITS = 1e-4, 3.0
# A run has passed the noise level if its error relative to it has risen by this factor. A smaller factor would stop too
# soon: a growing direction adds to the effective rank before it lowers the error.
PASSED = 1.5
# A run whose training error has not fallen by this share has not left its initialisation; deep factors leave it late.
LEAVES_START = 1e-3
# Seconds between two lines about progress.
SAYS_EVERY = 5.0
# Above this size eigenvalues are kept only at every tenth snapshot: they cost more than the steps in between.
LARGE, EVERY_SO_MANY = 200, 10


@dataclass
class Held:
    """Measurements that a descent does not see, and their observations, shape (m,)."""

    ensemble: Measurements
    labels: torch.Tensor

    def error(self, estimates: torch.Tensor) -> np.ndarray:
        """Return √(Σ(⟨A_i, X⟩ − y_i)² / Σy_i²) of every run, shape (B,); only the numerator's root if all y_i are 0."""
        residual = self.ensemble.measure(estimates) - self.labels
        size = torch.linalg.vector_norm(self.labels) if self.labels.any() else 1.0
        return (torch.linalg.vector_norm(residual, dim=1) / size).cpu().double().numpy()


def moments(last: int) -> list[int]:
    """Return the iterations of snapshots: every one at first, then ever fewer."""
    found, at = [0], 1.0
    while at < last:
        found.append(int(at))
        at = max(at + 1, at * GROWTH)
    return [*found, last]


def leading(estimates: torch.Tensor) -> np.ndarray:
    """Return the eigenvalues of symmetric matrices, the largest in size first, shape (B, d), float64."""
    values = torch.linalg.eigvalsh(estimates.cpu().double()).numpy()
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1)


def entropy(values: np.ndarray) -> np.ndarray:
    """Return the entropy of the sizes of eigenvalues (..., k) as shares of their sum: the log of the effective rank."""
    sizes = np.abs(values)
    share = sizes / np.maximum(sizes.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    return -(share * np.log(np.where(share > 0, share, 1))).sum(axis=-1)


class Watch(Observer):
    """Keeps the estimate of every run with the least held-out error, or the last one if nothing is held out.

    Parameters
    ----------
    held : Held or None
    noise : float or None
        The noise as a share of the observations' size. A run stops once its training error is at most this times
        √(1 − f/m), the share of the noise that a fit of f degrees of freedom leaves (the discrepancy principle).
    freedom : callable
        Takes estimates (B, d, d) and returns f/m of each, by their effective rank.
    tolerance : float
        A run stops once its error is at most this.
    least : int
        Before this iteration no run is stopped for no longer improving: it may still be growing from its
        initialisation.
    leaves : bool
        Whether runs are stopped when they no longer improve, once they have left their initialisation.
    lacks : callable
        Takes an estimate (d, d) and returns whether the observations show a direction that it lacks. Its run then
        continues for longer, because small eigenvalues appear late and the error is on a plateau until then.
    as_sought : callable
        Takes matrices (B, d, d) and returns those whose eigenvalues are kept.
    log : callable
    """

    reads_train_error = True
    per_run = begins(best=np.inf, least_train=np.inf, best_at=0, waits_from=0, unstable=False, reached=False)
    per_snapshot = begins(train=np.nan, held=np.nan, entropy=np.nan)

    def __init__(
        self,
        held: Held | None,
        noise: float | None,
        freedom: Callable[[torch.Tensor], np.ndarray],
        tolerance: float,
        least: int,
        leaves: bool,
        lacks: Callable[[torch.Tensor], bool],
        as_sought: Callable[[torch.Tensor], torch.Tensor],
        log: Callable[[str], None],
    ) -> None:
        self.held, self.noise, self.tolerance, self.least, self.leaves = held, noise, tolerance, least, leaves
        self.freedom, self.lacks, self.as_sought, self.log = freedom, lacks, as_sought, log

    def prepare(self, batch: Batch) -> None:
        """Make room for all snapshots."""
        self.iterations = moments(int(batch.budgets.max()))
        super().prepare(batch)
        shape = len(self.iterations), len(batch.runs), min(KEPT_VALUES, batch.targets.shape[1])
        self.memory |= {"values": np.full(shape, np.nan), "estimates": torch.zeros_like(batch.targets)}
        self._started = self._logged = time.monotonic()
        small = ROUNDING[batch.targets.dtype]
        self._rounding = GRAM_ROUNDING if isinstance(batch.ensemble, gram.Ensemble) else small

    def observe(self, snapshot: Snapshot) -> np.ndarray:
        """Keep errors and eigenvalues; return which runs stop."""
        memory, place, runs = self.memory, self.iterations.index(snapshot.iteration), snapshot.active
        train = np.where(np.isfinite(snapshot.train_error), snapshot.train_error, np.inf)
        held = train if self.held is None else self.held.error(snapshot.estimate)
        memory["train"][place, runs], memory["held"][place, runs] = train, held
        memory["unstable"][runs] |= snapshot.diverged | self._has_risen(snapshot, train)
        memory["least_train"][runs] = np.minimum(memory["least_train"][runs], train)
        bad = memory["unstable"][runs]
        if not bad.any() and (len(snapshot.estimate[0]) <= LARGE or place % EVERY_SO_MANY == 0):
            self._keep_spectrum(snapshot, place)
        score = held if self.noise is None else self._beside_noise(snapshot, train, self.noise)
        better = (score < memory["best"][runs] * (1 - IMPROVES_BY)) | (self.held is None and self.noise is None)
        better &= ~bad
        memory["best"][runs[better]], memory["best_at"][runs[better]] = score[better], snapshot.iteration
        memory["waits_from"][runs[better]] = snapshot.iteration
        memory["estimates"][torch.from_numpy(runs[better])] = snapshot.estimate[snapshot.rows(better)]
        self._log_progress(snapshot, held)
        done = held <= self.tolerance
        if self.noise is not None:
            # The noise that a fit leaves falls as its effective rank grows: a run that has passed it comes no nearer.
            done |= (score <= 1) | ((score > PASSED * memory["best"][runs]) & (train <= self.noise))
        memory["reached"][runs] |= done
        if self.leaves:
            done |= self._is_over(snapshot)
        return done | bad

    def _beside_noise(self, snapshot: Snapshot, train: np.ndarray, noise: float) -> np.ndarray:
        """Return training errors divided by the noise that a fit of the estimate's effective rank leaves."""
        level = np.full(len(train), float(noise))
        # An estimate near its initialisation αI has found nothing yet, but its effective rank is d.
        grown = train < (1 - LEAVES_START) * self.memory["train"][0, snapshot.active]
        for place in np.flatnonzero((train <= noise) & grown):
            share = self.freedom(snapshot.estimate[place][None])[0]
            level[place] *= np.sqrt(max(np.finfo(float).eps, 1 - share))
        return train / level

    def _is_over(self, snapshot: Snapshot) -> np.ndarray:
        """Return which runs have waited long enough for their error to fall, and lack no direction of the residual."""
        memory, runs = self.memory, snapshot.active
        grown = memory["least_train"][runs] < (1 - LEAVES_START) * memory["train"][0, runs]
        # A run that has diverged stops anyway, and its residual cannot be examined.
        over = (
            grown
            & ~memory["unstable"][runs]
            & (snapshot.iteration > np.maximum(WAITS * memory["waits_from"][runs], self.least))
        )
        for place in np.flatnonzero(over):
            if self.lacks(snapshot.estimate[place]):
                over[place], memory["waits_from"][runs[place]] = False, snapshot.iteration
        return over

    def _has_risen(self, snapshot: Snapshot, train: np.ndarray) -> np.ndarray:
        """Return which runs' training errors have risen further than they may: their step is too long."""
        if snapshot.algorithm.error == "anyhow":
            return np.zeros(len(train), bool)
        least = self.memory["train"][0] if snapshot.algorithm.error == "ripples" else self.memory["least_train"]
        return (train > RISES_BY * least[snapshot.active]) & (train > self._rounding)

    def _keep_spectrum(self, snapshot: Snapshot, place: int) -> None:
        values, kept = leading(self.as_sought(snapshot.estimate)), self.memory["values"].shape[2]
        self.memory["values"][place, snapshot.active] = values[:, :kept]
        self.memory["entropy"][place, snapshot.active] = entropy(values)

    def _log_progress(self, snapshot: Snapshot, held: np.ndarray) -> None:
        now = time.monotonic()
        if now - self._logged < SAYS_EVERY:
            return
        self._logged = now
        left = (now - self._started) * (self.iterations[-1] - snapshot.iteration) / max(snapshot.iteration, 1)
        name = "training error" if self.held is None else "hold-out error"
        self.log(
            f"iteration {snapshot.iteration} of {self.iterations[-1]}: {name} {held.min():.3g}, at most {left:.0f} s left"
        )
