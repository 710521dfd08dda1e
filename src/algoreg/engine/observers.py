"""Observers: what an experiment wants to see of a batch while it descends, and where it wants to look.

An observer's memory is named arrays, so that a killed batch continues with what had been seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch

# Every iteration is looked at up to here, then every hundredth of the way.
EVERY = 100


def spaced_iterations(last):
    """Return the iterations of what looks more seldom as a run goes on: all of the first ones,
    then a hundredth of the way apart.
    """
    found, moment = {last}, 0
    while moment < last:
        found.add(moment)
        moment += max(1, moment // EVERY)
    return found


def begins(**values: float) -> Mapping[str, float]:
    """Return what arrays of a memory have before anything is seen, by their names; see :class:`Observer`."""
    return MappingProxyType(values)


class Observer:
    """Sees a batch at the iterations that it asks for, remembers, and may say that runs are done.

    Attributes
    ----------
    memory : dict of str to numpy.ndarray or torch.Tensor
        All that it remembers; made in :meth:`prepare`, saved and read back with the batch.
    per_run, per_snapshot : mapping of str to number
        What it remembers of every run, shape (B,), and of every run at each of its K ``iterations``, shape (K, B), by
        what an array has before anything is seen. What has another shape is made in :meth:`prepare`.
    sees_steps : bool
        Whether looks show the state before the last step (``Snapshot.before``).
    reads_train_error : bool
        Whether it reads ``Snapshot.train_error``; divergence is then judged by that instead of the test error.
    stride : int
        Iterations between two looks; 0 for none but those at ``iterations``.
    from_start : bool
        Whether the first of a stride's looks is at the start.
    iterations : sequence of int
        Those at which it looks, whatever its stride.
    """

    per_run = begins()
    per_snapshot = begins()
    sees_steps = False
    reads_train_error = False
    stride = 0
    from_start = True
    iterations: Sequence[int] = ()

    def prepare(self, batch) -> None:
        """Make ``memory`` for a batch at its start."""
        runs = len(batch.runs)
        self.memory = {name: np.full(runs, value) for name, value in self.per_run.items()}
        shape = len(self.iterations), runs
        self.memory |= {name: np.full(shape, value) for name, value in self.per_snapshot.items()}

    def observed_iterations(self, last: int) -> Iterable[int]:
        """Return the iterations, of 0 to ``last``, at which it looks;
        it also sees every run at the end of its budget.
        """
        strides = range(0 if self.from_start else self.stride, last + 1, self.stride) if self.stride else ()
        return {*self.iterations, *strides}

    def observe(self, snapshot) -> np.ndarray | None:
        """Take in an :class:`algoreg.engine.loop.Snapshot`.

        Returns
        -------
        numpy.ndarray of bool, or None
            Of the active runs, those that are done and leave as ``converged``.
        """
        raise NotImplementedError

    def stop_runs(self, snapshot, leaving: np.ndarray) -> None:
        """Take in which of a look's runs leave with it, a mask, whatever the reason."""

    def save(self) -> dict[str, np.ndarray]:
        """Return the memory as arrays."""
        return {
            name: value.cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
            for name, value in self.memory.items()
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up a memory that :meth:`save` returned."""
        for name, known in self.memory.items():
            saved = arrays[name]
            # Copies: sums may depend on how memory is aligned, and torch aligns its own as it was before.
            self.memory[name] = (
                torch.from_numpy(saved).clone().to(known.device) if isinstance(known, torch.Tensor) else saved.copy()
            )


class Ends(Observer):
    """Keeps the estimate that every run ends with: ``memory["estimates"]``, shape (B, d, d)."""

    def prepare(self, batch):
        """Make room for all estimates."""
        super().prepare(batch)
        self.memory["estimates"] = torch.zeros_like(batch.targets)

    def observe(self, snapshot):
        """Wait for the end."""

    def stop_runs(self, snapshot, leaving):
        """Keep the estimates of the runs that leave."""
        self.memory["estimates"][torch.from_numpy(snapshot.active[leaving])] = snapshot.estimate[snapshot.rows(leaving)]


class LastErrors(Observer):
    """The relative test error that every run ends with: memory ``errors`` (B,)."""

    per_run = begins(errors=np.nan)

    def observe(self, snapshot):
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
        Iterations between two further looks.
    recovered : float
        The error below which a run leaves.
    """

    from_start = False

    def __init__(self, iterations, stride, recovered):
        self.iterations, self.stride, self.recovered = iterations, stride, recovered

    def prepare(self, batch):
        """Begin without errors."""
        shape = len(batch.runs), len(self.iterations)
        self.memory = {"errors": np.full(shape, np.nan), "ended": np.full(shape[0], self.iterations[-1])}

    def observe(self, snapshot):
        """Take in the errors, which hold at all later times if the run stops."""
        later = [k for k, end in enumerate(self.iterations) if end >= snapshot.iteration]
        self.memory["errors"][np.ix_(snapshot.active, later)] = snapshot.test_error[:, None]
        done = snapshot.test_error < self.recovered
        self.memory["ended"][snapshot.active[done | snapshot.diverged]] = snapshot.iteration
        return done


class HeldOut(Observer):
    """The smallest test error of every run, the one at its smallest held-out error, and the last.

    Memory: ``best``, ``held``, ``stopped`` and ``last`` (B,).

    Parameters
    ----------
    known : int
        So many measurements are known; the others are held out.
    stride : int
        Iterations between two looks.
    """

    per_run = begins(best=np.inf, held=np.inf, stopped=np.nan, last=np.nan)

    def __init__(self, known, stride=0):
        self.known, self.stride = known, stride

    def observe(self, snapshot):
        """Take in the errors."""
        memory, runs, errors = self.memory, snapshot.active, snapshot.test_error
        labels = snapshot.batch.labels[torch.from_numpy(runs)]
        residual = (snapshot.batch.ensemble.measure(snapshot.estimate) - labels)[:, self.known :]
        held = torch.linalg.vector_norm(residual, dim=1).cpu().numpy()
        memory["stopped"][runs] = np.where(held < memory["held"][runs], errors, memory["stopped"][runs])
        memory["held"][runs] = np.fmin(held, memory["held"][runs])
        memory["best"][runs] = np.fmin(errors, memory["best"][runs])
        memory["last"][runs] = errors


class FirstBelow(Observer):
    """When errors first fall below tolerances, log-linear between looks; the smallest and the last error.

    Memory: ``times`` (B, K), NaN where a run did not get there; ``smallest``, ``last`` and ``at`` (B,), the last look.

    Parameters
    ----------
    tolerances : list of float
        K of them, falling. A run below the last one leaves.
    """

    # Without one, those of :func:`spaced_iterations`.
    stride = 0
    per_run = begins(smallest=np.inf, last=np.nan, at=0.0)

    def __init__(self, tolerances):
        self.tolerances = np.array(tolerances)

    def prepare(self, batch):
        """Begin without times."""
        super().prepare(batch)
        self.memory["times"] = np.full((len(batch.runs), len(self.tolerances)), np.nan)

    def observed_iterations(self, last):
        """Return every ``stride`` iterations, or :func:`spaced_iterations`."""
        return super().observed_iterations(last) if self.stride else spaced_iterations(last)

    def errors(self, snapshot):
        """Return what falls, by run: the relative test error."""
        return snapshot.test_error

    def observe(self, snapshot):
        """Take in the errors."""
        runs, errors = snapshot.active, self.errors(snapshot)
        before, since, times = self.memory["last"][runs], self.memory["at"][runs], self.memory["times"][runs]
        # An error of 0 has no logarithm, but was below every tolerance before.
        reached = np.maximum(errors, np.finfo(float).tiny)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.log(self.tolerances / reached[:, None]) / np.log(before / reached)[:, None]
        # The first look has nothing before it.
        shares = np.where(before[:, None] > self.tolerances, shares, 0.0)
        crossed = snapshot.iteration - (snapshot.iteration - since)[:, None] * shares
        self.memory["times"][runs] = np.where(np.isnan(times) & (errors[:, None] < self.tolerances), crossed, times)
        self.memory["smallest"][runs] = np.fmin(self.memory["smallest"][runs], errors)
        self.memory["last"][runs], self.memory["at"][runs] = errors, snapshot.iteration
        return errors < self.tolerances[-1]
