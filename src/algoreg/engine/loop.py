"""The engine's loop: advances a batch of runs that share an ensemble, from look to look, until every run has left.

A look is an iteration that an observer asks for or at which a run's budget ends. Runs leave as ``budget``,
``converged`` (an observer says so) or ``diverged``. What lies between two looks is a few named arrays; continuing from
saved ones gives the same bits as never having stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch

from algoreg.algorithms.base import Algorithm, State
from algoreg.engine.observers import Observer
from algoreg.engine.progress import Progress

STATUSES = ("running", "budget", "converged", "diverged")
# A relative error above this is called divergence: starts of scale 1 begin near 4, and nothing that passes 10⁶ comes
# back.
DIVERGED_ABOVE = 1e6


def _rank(targets: torch.Tensor) -> torch.Tensor:
    """Return how many singular values of every target are above its rounding."""
    return torch.linalg.matrix_rank(targets, rtol=10 * max(targets.shape[1:]) * torch.finfo(targets.dtype).eps)


# What algorithms may be told of targets (B, d, d), unless a run says it itself.
PLANTED = {"trace": lambda targets: targets.diagonal(dim1=1, dim2=2).sum(1), "rank": _rank}


def _said(value: object) -> str:
    """Return a tensor in words, of anything else its type."""
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return f"a tensor of shape {tuple(value.shape)} of {value.dtype}"


def _unfit(state: object, count: int, types: Mapping[str, torch.dtype]) -> str | None:
    """Return why something is no state of so many runs whose tensors have these names and types,
    None where it is one.
    """
    if not isinstance(state, Mapping):
        return f"{_said(state)}; allowed is a mapping of named tensors"
    if types and state.keys() != types.keys():
        return f"the tensors {', '.join(state) or 'none'}; allowed are those it is given, {', '.join(types)}"
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor) or tensor.shape[:1] != (count,):
            return f"{name}: {_said(tensor)}; allowed is a tensor whose first axis is the run, here {count}"
        if tensor.dtype != types.get(name, tensor.dtype):
            return f"{name}: {_said(tensor)}; allowed is {types[name]}, as it is given"
    return None


def kept(state: State, index: torch.Tensor) -> State:
    """Return the state of the runs with these places."""
    return {name: tensor[index] for name, tensor in state.items()}


@dataclass
class Batch:
    """Runs that share an ensemble and an algorithm; each knows the first ``m`` measurements.

    Attributes
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
        With all its measurements.
    algorithm : type
        A subclass of :class:`algoreg.algorithms.base.Algorithm`.
    runs : sequence of mapping
        Each with ``m``, ``step``, ``target``, ``iterations`` (its budget) and the algorithm's options; what of the
        target its algorithm is told is added.
    targets : torch.Tensor, shape (B, d, d)
        X* of every run.
    labels : torch.Tensor, a row per run
    observers : sequence of Observer
    seed : int
    start : State, optional
        Instead of the algorithm's own.
    diverges_above : float
        The relative error above which a run has diverged; infinity for what is no longer finite alone.

    Raises
    ------
    ValueError
        If the algorithm requires what the ensemble does not provide.
    """

    ensemble: Any
    algorithm: type[Algorithm]
    runs: Sequence[Mapping]
    targets: torch.Tensor
    labels: torch.Tensor
    observers: Sequence[Observer] = ()
    seed: int = 0
    start: State | None = None
    diverges_above: float = DIVERGED_ABOVE
    budgets: np.ndarray = field(init=False)

    def __post_init__(self):
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
    """A batch at one iteration, as observers see it; everything has a row per active run, in the order of ``active``.

    Attributes
    ----------
    batch : Batch
    algorithm : Algorithm
        That of the active runs, with their view of the ensemble and their labels.
    iteration : int
    active : numpy.ndarray of int
        The places in ``batch.runs`` of the runs that are here.
    state : State
    before : State or None
        The state one step earlier, where an observer sees steps.
    targets, norms : torch.Tensor
        X*, shape (b, d, d), and ‖X*‖_F, shape (b,); 0 where nobody knows X*.
    has_train_error : bool
        Whether an observer of the batch reads it.
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
            said = f"{_said(found)}; allowed is that of the targets, {_said(wanted)}"
            raise ValueError(f"{type(self.algorithm).__module__}: estimate returns {said}")
        return found

    @cached_property
    def distance(self) -> torch.Tensor:
        """‖X − X*‖_F, shape (b,)."""
        return torch.linalg.matrix_norm(self.estimate - self.targets)

    @cached_property
    def test_error(self) -> np.ndarray:
        """‖X − X*‖_F/‖X*‖_F, shape (b,), float64 [LMZ18, Appendix B]; NaN where X* is not known."""
        known = torch.where(self.norms > 0, self.norms, torch.nan)
        return (self.distance / known).cpu().double().numpy()

    @cached_property
    def train_error(self) -> np.ndarray:
        """The relative error on the labels that a run knows, shape (b,), float64; a pass through the ensemble."""
        return self.algorithm.ensemble.train_error(self.estimate, self.algorithm.labels).cpu().double().numpy()

    @cached_property
    def diverged(self) -> np.ndarray:
        """Whether the error is above the batch's bound or no longer finite, shape (b,):
        the training error where it is read.
        """
        # What is not a number is not below anything.
        if self.has_train_error:
            unknown = ((self.norms == 0) & torch.isfinite(self.distance)).cpu().numpy()
            return ~((self.train_error < self.batch.diverges_above) & ((self.test_error < np.inf) | unknown))
        return ~(self.test_error < self.batch.diverges_above)

    @cached_property
    def spent(self) -> np.ndarray:
        """Whether the budget is used up, shape (b,)."""
        return self.batch.budgets[self.active] <= self.iteration

    def rows(self, mask: np.ndarray) -> torch.Tensor:
        """Return the places of some active runs, given by a mask, as a tensor to index theirs with."""
        return torch.from_numpy(np.flatnonzero(mask)).to(self.targets.device)


class Descent:
    """A batch on its way.

    Parameters
    ----------
    batch : Batch
    say : callable
        Takes the lines of progress.

    Attributes
    ----------
    iteration : int
    active : numpy.ndarray of int
        The places in ``batch.runs`` of the runs that are still here: more measurements first.
    state : State
        Of the active runs.
    algorithm : Algorithm
        That of the active runs.
    status : list of str, see ``STATUSES``
    ended : numpy.ndarray of int, shape (B,)
        The iteration at which every run left.
    """

    def __init__(self, batch: Batch, say=print):
        self.batch, self.say = batch, say
        self.iteration, self._looked = 0, -1
        self.active = np.lexsort(([-run["m"] for run in batch.runs],))
        self._codes, self.ended = np.zeros(len(batch.runs), np.int64), np.zeros(len(batch.runs), np.int64)
        for observer in batch.observers:
            observer.prepare(batch)
        self._sees_steps = any(observer.sees_steps for observer in batch.observers)
        self._reads_train_error = any(observer.reads_train_error for observer in batch.observers)
        last = int(batch.budgets.max(initial=0))
        moments = {int(moment) for observer in batch.observers for moment in observer.observed_iterations(last)}
        self.events = sorted({*moments, *map(int, batch.budgets)})
        self._gather()
        index = torch.from_numpy(self.active)
        self.state = kept(batch.start, index) if batch.start is not None else self._made("initial", {})

    @property
    def status(self):
        """The status of every run."""
        return [STATUSES[code] for code in self._codes]

    def _gather(self):
        """Make the algorithm, targets and norms of the active runs."""
        if not len(self.active):
            return
        batch, runs = self.batch, [self.batch.runs[i] for i in self.active]
        index = torch.from_numpy(self.active).to(batch.labels.device)
        seen = batch.ensemble.shared_by([run["m"] for run in runs])
        self.algorithm = batch.algorithm(seen, batch.labels[index], runs, batch.seed)
        self._targets = batch.targets[index]
        self._norms = torch.linalg.matrix_norm(self._targets)

    def run(self, until=None, after=None) -> Self:
        """Advance until every run has left, or to the last look not after iteration ``until``;
        call ``after`` after every look.
        """
        progress = Progress(self.batch.budgets, self.say)
        for event in self.events:
            if not len(self.active) or (until is not None and event > until):
                break
            if event > self._looked:
                self._advance(event, progress)
                if after is not None:
                    after()
        return self

    def _advance(self, event, progress):
        before = None
        if self._sees_steps and event > self.iteration:
            if event - 1 > self.iteration:
                self._step_to(event - 1)
            before = {name: tensor.clone() for name, tensor in self.state.items()}
        self._step_to(event)
        self._looked = event
        view = (self.active, self.state, before, self._targets, self._norms, self._reads_train_error)
        snapshot = Snapshot(self.batch, self.algorithm, event, *view)
        done = np.zeros(len(self.active), bool)
        for observer in self.batch.observers:
            found = observer.observe(snapshot)
            done |= False if found is None else found
        progress.show(snapshot)
        self._leave(snapshot, done)

    def _step_to(self, iteration):
        types = {name: tensor.dtype for name, tensor in self.state.items()}
        self.state = self._made("advance", types, self.state, self.iteration, iteration - self.iteration)
        self.iteration = iteration

    def _made(self, method, types, *arguments):
        """Return the state that a method of the algorithm returns,
        or raise what says which algorithm and steps it was.
        """
        module = type(self.algorithm).__module__
        try:
            state = getattr(self.algorithm, method)(*arguments)
        except Exception as error:
            steps = f", {arguments[2]} steps from iteration {arguments[1]}" if arguments else ""
            error.add_note(f"{module}: {method} of {len(self.active)} runs{steps}: {type(error).__name__}: {error}")
            raise
        if unfit := _unfit(state, len(self.active), types):
            raise ValueError(f"{module}: {method} returns {unfit}")
        return state

    def _leave(self, snapshot, done):
        """Take out the runs that are done, have spent their budget, or have diverged."""
        leaving = done | snapshot.spent | snapshot.diverged
        if not leaving.any():
            return
        for mask, name in ((snapshot.spent, "budget"), (done, "converged"), (snapshot.diverged, "diverged")):
            self._codes[self.active[mask]] = STATUSES.index(name)
        self.ended[self.active[leaving]] = self.iteration
        for observer in self.batch.observers:
            observer.stop_runs(snapshot, leaving)
        self.state = kept(self.state, snapshot.rows(~leaving))
        self.active = self.active[~leaving]
        self._gather()

    def save(self):
        """Return all that the batch has reached, as named arrays."""
        arrays = {f"state.{name}": tensor.cpu().numpy() for name, tensor in self.state.items()}
        for number, observer in enumerate(self.batch.observers):
            arrays |= {f"memory-{number}.{name}": value for name, value in observer.save().items()}
        reached = np.array([self.iteration, self._looked])
        return {**arrays, "active": self.active, "status": self._codes, "ended": self.ended, "reached": reached}

    def restore(self, arrays):
        """Continue from what :meth:`save` returned for the same batch."""
        self.iteration, self._looked = (int(number) for number in arrays["reached"])
        self.active, self._codes, self.ended = (arrays[name].copy() for name in ("active", "status", "ended"))
        device = self.batch.targets.device
        # Copies: sums may depend on how memory is aligned, and torch aligns its own as it was before.
        self.state = {
            name.removeprefix("state."): torch.from_numpy(array).clone().to(device)
            for name, array in arrays.items()
            if name.startswith("state.")
        }
        for number, observer in enumerate(self.batch.observers):
            prefix = f"memory-{number}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            observer.restore(own)
        self._gather()
