"""Batches of runs that share an ensemble, snapshots of a batch at an iteration, and observers.

An observer keeps its memory in named arrays, so that a killed batch can continue with what it had recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from algoreg.algorithms.base import Algorithm, State
from algoreg.ensembles.base import Ensemble

# A run whose relative error exceeds this has diverged: initialisations of scale 1 begin near 4, and no run comes back
# once it has passed 10⁶.
DIVERGED_ABOVE = 1e6


def _rank(targets: torch.Tensor) -> torch.Tensor:
    """Return how many singular values of every target exceed its rounding error."""
    return torch.linalg.matrix_rank(targets, rtol=10 * max(targets.shape[1:]) * torch.finfo(targets.dtype).eps)


# Prior knowledge that is computed from the targets (B, d, d), unless a run's options give it.
PLANTED = {"trace": lambda targets: targets.diagonal(dim1=1, dim2=2).sum(1), "rank": _rank}


def in_words(value: object) -> str:
    """Describe a tensor by its shape and type, anything else by its type."""
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return f"a tensor of shape {tuple(value.shape)} of {value.dtype}"


@dataclass
class Batch:
    """Runs that share an ensemble and an algorithm; each knows the first ``m`` measurements.

    Attributes
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
        The ensemble with all its measurements.
    algorithm : type
        A subclass of :class:`algoreg.algorithms.base.Algorithm`.
    runs : sequence of mapping
        Each has ``m``, ``step``, ``target``, ``iterations`` (its budget) and the algorithm's options; the batch adds
        the prior knowledge of the target that the algorithm asks for.
    targets : torch.Tensor, shape (B, d, d)
        X* of every run.
    labels : torch.Tensor, a row per run
    observers : sequence of Observer
    seed : int
    start : State, optional
        The initial state, in place of the algorithm's.
    diverges_above : float
        The relative error above which a run has diverged. If it is infinite, a run diverges only when its error is no
        longer finite.

    Raises
    ------
    ValueError
        If the algorithm requires something that the ensemble does not provide.
    """

    ensemble: Ensemble
    algorithm: type[Algorithm]
    runs: Sequence[Mapping[str, Any]]
    targets: torch.Tensor
    labels: torch.Tensor
    observers: Sequence["Observer"] = ()
    seed: int = 0
    start: State | None = None
    diverges_above: float = DIVERGED_ABOVE
    budgets: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        lacking = sorted(set(self.algorithm.requires) - set(self.ensemble.provides))
        if lacking:
            ensemble = f"{type(self.ensemble).__module__} does not provide"
            raise ValueError(f"{self.algorithm.__module__}: it needs {', '.join(lacking)}, which {ensemble}")
        self.budgets = np.array([run["iterations"] for run in self.runs])
        told = [name for name in self.algorithm.prior_knowledge if name in PLANTED]
        if told:
            facts = {name: PLANTED[name](self.targets) for name in told}
            self.runs = [{**{name: facts[name][i].item() for name in told}, **run} for i, run in enumerate(self.runs)]


@dataclass
class Snapshot:
    """A batch at one iteration, as observers see it; every array has a row per active run, in the order of ``active``.

    Attributes
    ----------
    batch : Batch
    algorithm : Algorithm
        The algorithm of the active runs, with their view of the ensemble and their labels.
    iteration : int
    active : numpy.ndarray of int
        The indices in ``batch.runs`` of the active runs.
    state : State
    before : State or None
        The state one step earlier, if an observer asks for it (``sees_steps``).
    targets, norms : torch.Tensor
        X*, shape (b, d, d), and ‖X*‖_F, shape (b,); 0 where X* is unknown.
    has_train_error : bool
        Whether an observer of the batch reads the training error.
    """

    batch: Batch
    algorithm: Algorithm
    iteration: int
    active: np.ndarray
    state: State
    before: State | None
    targets: torch.Tensor
    norms: torch.Tensor
    has_train_error: bool

    @cached_property
    def estimate(self) -> torch.Tensor:
        """X, shape (b, d, d)."""
        found, wanted = self.algorithm.estimate(self.state), self.targets
        if not isinstance(found, torch.Tensor) or (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            said = f"{in_words(found)}; allowed is that of the targets, {in_words(wanted)}"
            raise ValueError(f"{type(self.algorithm).__module__}: estimate returns {said}")
        return found

    @cached_property
    def distance(self) -> torch.Tensor:
        """‖X − X*‖_F, shape (b,)."""
        return torch.linalg.matrix_norm(self.estimate - self.targets)

    @cached_property
    def test_error(self) -> np.ndarray:
        """‖X − X*‖_F/‖X*‖_F, shape (b,), float64 [LMZ18, Appendix B]; NaN where X* is unknown."""
        known = torch.where(self.norms > 0, self.norms, torch.nan)
        return (self.distance / known).cpu().double().numpy()

    @cached_property
    def train_error(self) -> np.ndarray:
        """The relative error on the labels that a run knows, shape (b,), float64; it costs a pass over the ensemble."""
        return self.algorithm.ensemble.train_error(self.estimate, self.algorithm.labels).cpu().double().numpy()

    @cached_property
    def diverged(self) -> np.ndarray:
        """Whether the error is above the batch's bound or no longer finite, shape (b,).

        The training error counts if an observer reads it, otherwise the test error.
        """
        # The comparisons are negated because NaN is not below any bound.
        if self.has_train_error:
            unknown = ((self.norms == 0) & torch.isfinite(self.distance)).cpu().numpy()
            return ~((self.train_error < self.batch.diverges_above) & ((self.test_error < np.inf) | unknown))
        return ~(self.test_error < self.batch.diverges_above)

    @cached_property
    def spent(self) -> np.ndarray:
        """Whether the budget is used up, shape (b,)."""
        return self.batch.budgets[self.active] <= self.iteration

    def rows(self, mask: np.ndarray) -> torch.Tensor:
        """Return the indices of the active runs that a mask selects, as a tensor."""
        return torch.from_numpy(np.flatnonzero(mask)).to(self.targets.device)


def begins(**values: float) -> Mapping[str, float]:
    """Return the initial values of an observer's arrays by name; see :class:`Observer`."""
    return MappingProxyType(values)


class Observer:
    """Observes a batch at the iterations that it asks for, keeps a memory, and may end runs.

    Attributes
    ----------
    memory : dict of str to numpy.ndarray or torch.Tensor
        All that the observer remembers; created in :meth:`prepare`, saved and restored with the batch.
    per_run, per_snapshot : mapping of str to number
        The names and initial values of arrays with an entry per run, shape (B,), and with an entry per run at each of
        the K ``iterations``, shape (K, B). Override :meth:`prepare` to create arrays of other shapes.
    sees_steps : bool
        Whether snapshots contain the state before the last step (``Snapshot.before``).
    reads_train_error : bool
        Whether it reads ``Snapshot.train_error``; the training error then decides whether a run has diverged, instead
        of the test error.
    stride : int
        Iterations between two snapshots; if 0, the only snapshots are those at ``iterations``.
    from_start : bool
        Whether the first snapshot of a stride is at the initialisation.
    iterations : sequence of int
        Iterations at which it takes a snapshot, whatever its stride.
    """

    per_run = begins()
    per_snapshot = begins()
    sees_steps = False
    reads_train_error = False
    stride = 0
    from_start = True
    iterations: Sequence[int] = ()

    def prepare(self, batch: Batch) -> None:
        """Create ``memory`` for a batch at its initialisation."""
        runs = len(batch.runs)
        self.memory: dict[str, Any] = {name: np.full(runs, value) for name, value in self.per_run.items()}
        shape = len(self.iterations), runs
        self.memory |= {name: np.full(shape, value) for name, value in self.per_snapshot.items()}

    def observed_iterations(self, last: int) -> Iterable[int]:
        """Return the iterations, from 0 to ``last``, at which it takes a snapshot.

        It also sees every run at the end of that run's budget.
        """
        strides = range(0 if self.from_start else self.stride, last + 1, self.stride) if self.stride else ()
        return {*self.iterations, *strides}

    def observe(self, snapshot: Snapshot) -> np.ndarray | None:
        """Record a :class:`Snapshot`.

        Returns
        -------
        numpy.ndarray of bool, or None
            A mask of the active runs that are done and leave as ``converged``.
        """
        raise NotImplementedError

    def stop_runs(self, snapshot: Snapshot, leaving: np.ndarray) -> None:
        """Record which of a snapshot's runs leave with it (``leaving``, a mask), whatever the reason."""

    def save(self) -> dict[str, np.ndarray]:
        """Return the memory as arrays."""
        return {
            name: value.cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
            for name, value in self.memory.items()
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore a memory that :meth:`save` returned."""
        for name, known in self.memory.items():
            saved = arrays[name]
            # The arrays are copied because sums may depend on how memory is aligned, and torch aligns a copy as it
            # aligned the original.
            self.memory[name] = (
                torch.from_numpy(saved).clone().to(known.device) if isinstance(known, torch.Tensor) else saved.copy()
            )
