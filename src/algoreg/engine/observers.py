"""Observers that several experiments use; see :class:`algoreg.engine.batch.Observer`."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch

from algoreg.engine.batch import Batch, Observer, Snapshot, begins
from algoreg.ensembles.base import Measurements

# Every iteration up to this one has a snapshot; later snapshots are a hundredth of the way apart.
EVERY = 100


def spaced_iterations(last: int) -> set[int]:
    """Return iterations from 0 to ``last`` that become rarer: every one at first, then a hundredth of the way apart."""
    found, moment = {last}, 0
    while moment < last:
        found.add(moment)
        moment += max(1, moment // EVERY)
    return found


class Ends(Observer):
    """Keeps the estimate that every run ends with: ``memory["estimates"]``, shape (B, d, d)."""

    def prepare(self, batch: Batch) -> None:
        """Allocate all estimates."""
        super().prepare(batch)
        self.memory["estimates"] = torch.zeros_like(batch.targets)

    def observe(self, snapshot: Snapshot) -> None:
        """Do nothing: only the last estimate counts."""

    def stop_runs(self, snapshot: Snapshot, leaving: np.ndarray) -> None:
        """Keep the estimates of the runs that leave."""
        self.memory["estimates"][torch.from_numpy(snapshot.active[leaving])] = snapshot.estimate[snapshot.rows(leaving)]


class LastErrors(Observer):
    """Keeps the relative test error that every run ends with: ``memory["errors"]``, shape (B,)."""

    per_run = begins(errors=np.nan)

    def observe(self, snapshot: Snapshot) -> None:
        """Record the errors."""
        self.memory["errors"][snapshot.active] = snapshot.test_error


class ErrorsByTime(Observer):
    """Keeps the relative test error of every run at some iterations; a run that recovers leaves and keeps its error.

    Memory: ``errors`` (B, K) and ``ended`` (B,), the iteration at which a run stopped.

    Parameters
    ----------
    iterations : list of int
        K iterations, in rising order.
    stride : int
        Iterations between two further snapshots.
    recovered : float
        A run whose error is below this leaves.
    """

    from_start = False

    def __init__(self, iterations: Sequence[int], stride: int, recovered: float) -> None:
        self.iterations, self.stride, self.recovered = iterations, stride, recovered

    def prepare(self, batch: Batch) -> None:
        """Create the errors, all NaN, and the iterations at which runs stopped."""
        shape = len(batch.runs), len(self.iterations)
        self.memory = {"errors": np.full(shape, np.nan), "ended": np.full(shape[0], self.iterations[-1])}

    def observe(self, snapshot: Snapshot) -> np.ndarray:
        """Record the errors; they also count at all later iterations, in case the run stops."""
        later = [k for k, end in enumerate(self.iterations) if end >= snapshot.iteration]
        self.memory["errors"][np.ix_(snapshot.active, np.array(later, int))] = snapshot.test_error[:, None]
        done = snapshot.test_error < self.recovered
        self.memory["ended"][snapshot.active[done | snapshot.diverged]] = snapshot.iteration
        return done


class HeldOut(Observer):
    """Keeps three test errors of every run: the smallest, the one at the smallest held-out error, and the last.

    Memory, each of shape (B,): ``best``, ``stopped`` and ``last`` are these errors, ``held`` is the smallest held-out
    error.

    Parameters
    ----------
    fitted_count : int
        How many measurements the runs fit; the others are held out.
    stride : int
        Iterations between two snapshots.
    """

    per_run = begins(best=np.inf, held=np.inf, stopped=np.nan, last=np.nan)

    def __init__(self, fitted_count: int, stride: int = 0) -> None:
        self.fitted_count, self.stride = fitted_count, stride

    def observe(self, snapshot: Snapshot) -> None:
        """Record the errors."""
        memory, runs, errors = self.memory, snapshot.active, snapshot.test_error
        labels = snapshot.batch.labels[torch.from_numpy(runs)]
        ensemble = cast(Measurements, snapshot.batch.ensemble)
        residual = (ensemble.measure(snapshot.estimate) - labels)[:, self.fitted_count :]
        held = torch.linalg.vector_norm(residual, dim=1).cpu().numpy()
        memory["stopped"][runs] = np.where(held < memory["held"][runs], errors, memory["stopped"][runs])
        memory["held"][runs] = np.fmin(held, memory["held"][runs])
        memory["best"][runs] = np.fmin(errors, memory["best"][runs])
        memory["last"][runs] = errors


class FirstBelow(Observer):
    """Records when errors first fall below tolerances, interpolated between snapshots (time against log error).

    Memory: ``times`` (B, K), NaN where a run never falls below; ``smallest`` and ``last``, errors of shape (B,); and
    ``at`` (B,), the iteration of the last snapshot.

    Parameters
    ----------
    tolerances : list of float
        K tolerances, in falling order. A run whose error is below the last one leaves.
    """

    # With 0, snapshots are at :func:`spaced_iterations`.
    stride = 0
    per_run = begins(smallest=np.inf, last=np.nan, at=0.0)

    def __init__(self, tolerances: Sequence[float]) -> None:
        self.tolerances = np.array(tolerances)

    def prepare(self, batch: Batch) -> None:
        """Create the times, all NaN."""
        super().prepare(batch)
        self.memory["times"] = np.full((len(batch.runs), len(self.tolerances)), np.nan)

    def observed_iterations(self, last: int) -> Iterable[int]:
        """Return the iterations at every ``stride``, or :func:`spaced_iterations` if there is none."""
        return super().observed_iterations(last) if self.stride else spaced_iterations(last)

    def errors(self, snapshot: Snapshot) -> np.ndarray:
        """Return the error of every run that is compared with the tolerances: the relative test error."""
        return snapshot.test_error

    def observe(self, snapshot: Snapshot) -> np.ndarray:
        """Record the errors and the times at which they crossed tolerances."""
        runs, errors = snapshot.active, self.errors(snapshot)
        before, since, times = self.memory["last"][runs], self.memory["at"][runs], self.memory["times"][runs]
        # An error of 0 has no logarithm; the smallest positive number replaces it, far below every tolerance.
        reached = np.maximum(errors, np.finfo(float).tiny)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.log(self.tolerances / reached[:, None]) / np.log(before / reached)[:, None]
        # At the first snapshot there is no earlier error to interpolate from.
        shares = np.where(before[:, None] > self.tolerances, shares, 0.0)
        crossed = snapshot.iteration - (snapshot.iteration - since)[:, None] * shares
        self.memory["times"][runs] = np.where(np.isnan(times) & (errors[:, None] < self.tolerances), crossed, times)
        self.memory["smallest"][runs] = np.fmin(self.memory["smallest"][runs], errors)
        self.memory["last"][runs], self.memory["at"][runs] = errors, snapshot.iteration
        return errors < self.tolerances[-1]
