"""Observers that several experiments use; :class:`algoreg.engine.batch.Observer` defines them."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch

from algoreg.engine.batch import Batch, Observer, Snapshot, begins
from algoreg.ensembles.base import Measurements

# Every iteration up to here has a snapshot, then one every hundredth of the way.
EVERY = 100


def spaced_iterations(last: int) -> set[int]:
    """Return iterations of snapshots that become rarer as a run goes on: all of the first ones,
    then a hundredth of the way apart.
    """
    found, moment = {last}, 0
    while moment < last:
        found.add(moment)
        moment += max(1, moment // EVERY)
    return found


class Ends(Observer):
    """Keeps the estimate that every run ends with: ``memory["estimates"]``, shape (B, d, d)."""

    def prepare(self, batch: Batch) -> None:
        """Make room for all estimates."""
        super().prepare(batch)
        self.memory["estimates"] = torch.zeros_like(batch.targets)

    def observe(self, snapshot: Snapshot) -> None:
        """Wait for the end."""

    def stop_runs(self, snapshot: Snapshot, leaving: np.ndarray) -> None:
        """Keep the estimates of the runs that leave."""
        self.memory["estimates"][torch.from_numpy(snapshot.active[leaving])] = snapshot.estimate[snapshot.rows(leaving)]


class LastErrors(Observer):
    """The relative test error that every run ends with: memory ``errors`` (B,)."""

    per_run = begins(errors=np.nan)

    def observe(self, snapshot: Snapshot) -> None:
        """Take in the errors."""
        self.memory["errors"][snapshot.active] = snapshot.test_error


class ErrorsByTime(Observer):
    """The relative test error of every run at some iterations; a run that recovers leaves and keeps its error.

    Memory: ``errors`` (B, K) and ``ended`` (B,), the iteration at which a run stopped.

    Parameters
    ----------
    iterations : list of int
        K of them, rising.
    stride : int
        Iterations between two further snapshots.
    recovered : float
        The error below which a run leaves.
    """

    from_start = False

    def __init__(self, iterations: Sequence[int], stride: int, recovered: float) -> None:
        self.iterations, self.stride, self.recovered = iterations, stride, recovered

    def prepare(self, batch: Batch) -> None:
        """Begin without errors."""
        shape = len(batch.runs), len(self.iterations)
        self.memory = {"errors": np.full(shape, np.nan), "ended": np.full(shape[0], self.iterations[-1])}

    def observe(self, snapshot: Snapshot) -> np.ndarray:
        """Take in the errors, which hold at all later times if the run stops."""
        later = [k for k, end in enumerate(self.iterations) if end >= snapshot.iteration]
        self.memory["errors"][np.ix_(snapshot.active, np.array(later, int))] = snapshot.test_error[:, None]
        done = snapshot.test_error < self.recovered
        self.memory["ended"][snapshot.active[done | snapshot.diverged]] = snapshot.iteration
        return done


class HeldOut(Observer):
    """The smallest test error of every run, the one at its smallest held-out error, and the last.

    Memory: ``best``, ``held``, ``stopped`` and ``last`` (B,).

    Parameters
    ----------
    fitted_count : int
        So many measurements are known; the others are held out.
    stride : int
        Iterations between two snapshots.
    """

    per_run = begins(best=np.inf, held=np.inf, stopped=np.nan, last=np.nan)

    def __init__(self, fitted_count: int, stride: int = 0) -> None:
        self.fitted_count, self.stride = fitted_count, stride

    def observe(self, snapshot: Snapshot) -> None:
        """Take in the errors."""
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
    """When errors first fall below tolerances, log-linear between snapshots; the smallest and the last error.

    Memory: ``times`` (B, K), NaN where a run did not get there; ``smallest``, ``last`` and ``at`` (B,), the last
    snapshot.

    Parameters
    ----------
    tolerances : list of float
        K of them, falling. A run below the last one leaves.
    """

    # Without one, those of :func:`spaced_iterations`.
    stride = 0
    per_run = begins(smallest=np.inf, last=np.nan, at=0.0)

    def __init__(self, tolerances: Sequence[float]) -> None:
        self.tolerances = np.array(tolerances)

    def prepare(self, batch: Batch) -> None:
        """Begin without times."""
        super().prepare(batch)
        self.memory["times"] = np.full((len(batch.runs), len(self.tolerances)), np.nan)

    def observed_iterations(self, last: int) -> Iterable[int]:
        """Return every ``stride`` iterations, or :func:`spaced_iterations`."""
        return super().observed_iterations(last) if self.stride else spaced_iterations(last)

    def errors(self, snapshot: Snapshot) -> np.ndarray:
        """Return what falls, by run: the relative test error."""
        return snapshot.test_error

    def observe(self, snapshot: Snapshot) -> np.ndarray:
        """Take in the errors."""
        runs, errors = snapshot.active, self.errors(snapshot)
        before, since, times = self.memory["last"][runs], self.memory["at"][runs], self.memory["times"][runs]
        # An error of 0 has no logarithm, but was below every tolerance before.
        reached = np.maximum(errors, np.finfo(float).tiny)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.log(self.tolerances / reached[:, None]) / np.log(before / reached)[:, None]
        # The first snapshot has none before it.
        shares = np.where(before[:, None] > self.tolerances, shares, 0.0)
        crossed = snapshot.iteration - (snapshot.iteration - since)[:, None] * shares
        self.memory["times"][runs] = np.where(np.isnan(times) & (errors[:, None] < self.tolerances), crossed, times)
        self.memory["smallest"][runs] = np.fmin(self.memory["smallest"][runs], errors)
        self.memory["last"][runs], self.memory["at"][runs] = errors, snapshot.iteration
        return errors < self.tolerances[-1]
