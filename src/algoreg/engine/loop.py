"""The engine's loop: advances runs that share an ensemble from snapshot to snapshot, until every run has left.

A snapshot is taken at an iteration that an observer asks for, or at which a run's budget ends. Runs leave as
``budget``, ``converged`` (an observer decides) or ``diverged``. Between two snapshots the state consists of a few named
arrays; a descent that continues from saved arrays has the same bits as one that never stopped.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch

from algoreg.algorithms.base import State
from algoreg.engine.batch import Batch, Snapshot, in_words
from algoreg.engine.progress import Progress

STATUSES = ("running", "budget", "converged", "diverged")


def _unfit(state: object, count: int, types: Mapping[str, torch.dtype]) -> str | None:
    """Return why a value is no state of ``count`` runs with tensors of these names and types, or None if it is one."""
    if not isinstance(state, Mapping):
        return f"{in_words(state)}; allowed is a mapping of named tensors"
    if types and state.keys() != types.keys():
        return f"the tensors {', '.join(state) or 'none'}; allowed are those it is given, {', '.join(types)}"
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor) or tensor.shape[:1] != (count,):
            return f"{name}: {in_words(tensor)}; allowed is a tensor whose first axis is the run, here {count}"
        if tensor.dtype != types.get(name, tensor.dtype):
            return f"{name}: {in_words(tensor)}; allowed is {types[name]}, as it is given"
    return None


def runs_of(state: State, index: torch.Tensor) -> State:
    """Return the state of the runs with these indices."""
    return {name: tensor[index] for name, tensor in state.items()}


class Descent:
    """The descent of a batch: its state and its runs' status at the current iteration.

    Parameters
    ----------
    batch : Batch
    log : callable
        Called with each line of progress.

    Attributes
    ----------
    iteration : int
    active : numpy.ndarray of int
        The indices in ``batch.runs`` of the runs that have not left, those that know more measurements first.
    state : State
        The state of the active runs.
    algorithm : Algorithm
        The algorithm of the active runs.
    status : list of str, see ``STATUSES``
    ended : numpy.ndarray of int, shape (B,)
        The iteration at which every run left.
    """

    def __init__(self, batch: Batch, log: Callable[[str], None] = print) -> None:
        self.batch, self.log = batch, log
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
        self.state = runs_of(batch.start, index) if batch.start is not None else self._made("initial", {})

    @property
    def status(self) -> list[str]:
        """The status of every run."""
        return [STATUSES[code] for code in self._codes]

    def _gather(self) -> None:
        """Set the algorithm, targets and norms for the active runs."""
        if not len(self.active):
            return
        batch, runs = self.batch, [self.batch.runs[i] for i in self.active]
        index = torch.from_numpy(self.active).to(batch.labels.device)
        seen = batch.ensemble.shared_by([run["m"] for run in runs])
        self.algorithm = batch.algorithm(seen, batch.labels[index], runs, batch.seed)
        self._targets = batch.targets[index]
        self._norms = torch.linalg.matrix_norm(self._targets)

    def run(self, until: int | None = None, after: Callable[[], object] | None = None) -> Self:
        """Advance until every run has left, or to the last snapshot at or before iteration ``until``.

        ``after`` is called after every snapshot.
        """
        progress = Progress(self.batch.budgets, self.log)
        for event in self.events:
            if not len(self.active) or (until is not None and event > until):
                break
            if event > self._looked:
                self._advance(event, progress)
                if after is not None:
                    after()
        return self

    def _advance(self, event: int, progress: Progress) -> None:
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

    def _step_to(self, iteration: int) -> None:
        types = {name: tensor.dtype for name, tensor in self.state.items()}
        self.state = self._made("advance", types, self.state, self.iteration, iteration - self.iteration)
        self.iteration = iteration

    def _made(self, method: str, types: Mapping[str, torch.dtype], *arguments: Any) -> State:
        """Call a method of the algorithm and return its state; errors name the algorithm, the runs and the steps."""
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

    def _leave(self, snapshot: Snapshot, done: np.ndarray) -> None:
        """Remove the runs that are done, have spent their budget, or have diverged."""
        leaving = done | snapshot.spent | snapshot.diverged
        if not leaving.any():
            return
        for mask, name in ((snapshot.spent, "budget"), (done, "converged"), (snapshot.diverged, "diverged")):
            self._codes[self.active[mask]] = STATUSES.index(name)
        self.ended[self.active[leaving]] = self.iteration
        for observer in self.batch.observers:
            observer.stop_runs(snapshot, leaving)
        self.state = runs_of(self.state, snapshot.rows(~leaving))
        self.active = self.active[~leaving]
        self._gather()

    def save(self) -> dict[str, np.ndarray]:
        """Return the current state of the batch and its observers as named arrays."""
        arrays = {f"state.{name}": tensor.cpu().numpy() for name, tensor in self.state.items()}
        for number, observer in enumerate(self.batch.observers):
            arrays |= {f"memory-{number}.{name}": value for name, value in observer.save().items()}
        reached = np.array([self.iteration, self._looked])
        return {**arrays, "active": self.active, "status": self._codes, "ended": self.ended, "reached": reached}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`save` returned for the same batch."""
        self.iteration, self._looked = (int(number) for number in arrays["reached"])
        self.active, self._codes, self.ended = (arrays[name].copy() for name in ("active", "status", "ended"))
        device = self.batch.targets.device
        # The arrays are copied because sums may depend on how memory is aligned, and torch aligns a copy as it aligned
        # the original.
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
