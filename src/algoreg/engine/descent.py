"""The engine: advances a batch of runs that share an ensemble, records, stops, checkpoints and resumes.

A batch moves from event to event: an iteration that is recorded, at which stopping is checked, or at which a run's
budget ends. Runs that end (budget, converged, diverged) leave the batch. The state between two events is one small
object; continuing from a saved one gives the same bits as never having stopped.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import torch

from algoreg import registry
from algoreg.numerics import diagnostics
from algoreg.spec.grids import recorded_iterations
from algoreg.store import records
from algoreg.store.provenance import settings_hash

# A relative training error above this is called divergence: starts of scale 1 begin near 4, and nothing that
# passes 10⁶ comes back.
DIVERGED_ABOVE = 1e6
# Convergence is looked for every so many iterations where a run can stop early. Divergence is looked for at least
# every DIVERGENCE_CHECK iterations, or, in long runs of cheap steps, so many times in all: a look costs a pass.
CONVERGENCE_CHECK = 10
DIVERGENCE_CHECK = 100
DIVERGENCE_LOOKS = 1000
LEADING_EIGENVALUES = 12
STATUSES = ("running", "budget", "converged", "diverged")
PROGRESS_SECONDS = 10


@dataclass
class Recorder:
    """What has been recorded so far, as rows that name their run."""

    errors: list = field(default_factory=list)
    spectra: list = field(default_factory=list)

    def add_errors(self, iteration, runs, train, test):
        """Append one row (run, iteration, train error, test error) per run."""
        self.errors.append(np.column_stack([runs, np.full(len(runs), iteration), train, test]))

    def add_spectra(self, iteration, runs, leading, effective_rank):
        """Append one row (run, iteration, effective rank, leading eigenvalues…) per run."""
        self.spectra.append(np.column_stack([runs, np.full(len(runs), iteration), effective_rank, leading]))

    def arrays(self, leading):
        """Return ``errors`` (n, 4) and ``spectra`` (k, 3 + leading), float64, in the order recorded."""
        return {
            "errors": np.concatenate(self.errors) if self.errors else np.empty((0, 4)),
            "spectra": np.concatenate(self.spectra) if self.spectra else np.empty((0, 3 + leading)),
        }


@dataclass
class State:
    """A batch between two events.

    ``ended`` and ``status`` are per run of the whole batch, ``active`` names those still in ``iterate``, in order. A
    random stream needs no counter of its own: an algorithm reads it at a position that follows from the iteration.
    """

    iterate: torch.Tensor
    active: np.ndarray
    status: np.ndarray
    ended: np.ndarray
    iteration: int = 0
    recorder: Recorder = field(default_factory=Recorder)

    def save(self, path, fingerprint, leading):
        """Write the state atomically; ``fingerprint`` names the job it belongs to."""
        arrays = {
            "iterate": self.iterate.cpu().numpy(),
            "active": self.active,
            "status": self.status,
            "ended": self.ended,
            "iteration": np.array(self.iteration),
            "fingerprint": np.array(fingerprint),
            **self.recorder.arrays(leading),
        }
        records.write_arrays(path, arrays, sealed=False)

    @classmethod
    def load(cls, path, fingerprint, device):
        """Read a state back, or return None if it belongs to another job or is damaged (with a note)."""
        try:
            arrays = records.load_arrays(path)
            if str(arrays["fingerprint"]) != fingerprint:
                print(f"{path}: checkpoint of other settings or code, starting over", flush=True)
                return None
            return cls(
                # A copy: sums may depend on how memory is aligned, and torch aligns its own as it was before.
                torch.from_numpy(arrays["iterate"]).clone().to(device),
                arrays["active"],
                arrays["status"],
                arrays["ended"],
                int(arrays["iteration"]),
                Recorder([arrays["errors"]], [arrays["spectra"]]),
            )
        except FileNotFoundError:
            return None
        except Exception as error:
            # A checkpoint only saves time: whatever is wrong with it, the run can start over.
            print(f"{path}: damaged checkpoint ({error}), starting over", flush=True)
            return None


class Progress:
    """Prints iteration, errors, rate and time left, at most every ten seconds, to the job's log."""

    def __init__(self, budgets):
        self.budgets, self.started, self.printed, self.base = (
            budgets,
            time.monotonic(),
            time.monotonic(),
            None,
        )

    def _done(self, iteration):
        return np.minimum(self.budgets, iteration).sum()

    def show(self, state, train, test):
        """Print a line if it is time for one."""
        now = time.monotonic()
        if self.base is None:
            self.base = self._done(state.iteration)
        if now - self.printed < PROGRESS_SECONDS:
            return
        self.printed = now
        rate = (self._done(state.iteration) - self.base) / (now - self.started)
        left = np.maximum(self.budgets[state.active] - state.iteration, 0).sum()
        print(
            f"iteration {state.iteration:>7} of {self.budgets.max()}: {len(state.active)} runs, "
            f"train error {np.min(train):.2e} … {np.max(train):.2e}, test error {np.min(test):.2e} … "
            f"{np.max(test):.2e}, {rate:.0f} run-iterations/s, {left / max(rate, 1e-9):.0f} s left",
            flush=True,
        )


class Batch:
    """Runs that share an ensemble, or a stack of them, and an algorithm; each knows the first ``m`` measurements of its ensemble.

    Parameters
    ----------
    ensemble : object with ``train_error``, ``seen_by`` and what the algorithm needs of it
    factors : numpy.ndarray, shape (T, d, r)
        Of a stack, those of its ensembles one after the other.
    labels : numpy.ndarray, shape (T, m)
        Or whatever one row per target the ensemble's ``label`` returns.
    algorithm : str
        A module of ``algoreg.algorithms``.
    runs : list of mapping
        Each with ``target, m, step, iterations`` and the algorithm's options. Every ensemble of a stack has all of them.
    record : mapping
        ``errors`` and ``spectrum``, each a grid of :func:`algoreg.spec.grids.recorded_iterations`; a run records up to its own budget.
    seed : int
    stop_below_train_error : float or None
        A run whose training error is below this at a check ends as ``converged``.
    """

    def __init__(self, ensemble, factors, labels, algorithm, runs, record, seed, stop_below_train_error=None):
        if not np.isfinite(labels).all():
            raise ValueError("labels are not finite: the problem file is not usable")
        self.ensemble, self.algorithm, self.seed, self.stop = ensemble, algorithm, seed, stop_below_train_error
        self.each = len(runs)
        self.runs = [{**run, "member": member} for member in range(ensemble.size) for run in runs]
        place = {"device": ensemble.device, "dtype": ensemble.dtype}
        self._targets = torch.from_numpy(factors @ factors.transpose(0, 2, 1)).to(**place)
        self._labels = torch.from_numpy(labels).to(**place)
        self.member = np.array([run["member"] for run in self.runs])
        # Of the run's target, among those of all ensembles.
        self.number = np.array([run["target"] for run in self.runs]) + self.member * (len(factors) // ensemble.size)
        self.m = np.array([run["m"] for run in self.runs])
        self.budgets = np.array([run["iterations"] for run in self.runs])
        self.leading = min(LEADING_EIGENVALUES, ensemble.d)
        last = int(self.budgets.max())
        ends = {int(budget) for budget in self.budgets}
        self.error_points = set(recorded_iterations(record.get("errors", {}), last)) | ends
        self.spectrum_points = (
            set(recorded_iterations(record["spectrum"], last)) | ends if "spectrum" in record else set()
        )
        stride = max(DIVERGENCE_CHECK, last // DIVERGENCE_LOOKS) if self.stop is None else CONVERGENCE_CHECK
        self.events = sorted(self.error_points | self.spectrum_points | set(range(0, last + 1, stride)))

    def restrict(self, active):
        """Return the algorithm, targets and labels of the active runs."""
        index = torch.from_numpy(self.number[active]).to(self._labels.device)
        labels = self._labels[index]
        runs = [self.runs[i] for i in active]
        ensemble = self.ensemble.seen_by(runs) if runs else self.ensemble
        solver = registry.algorithm(self.algorithm)(ensemble, labels, runs, self.seed)
        return solver, self._targets[index], labels

    def start(self):
        """Return the state at iteration 0; of an ensemble's runs those that know more measurements come first (see ``seen_by``)."""
        count = len(self.runs)
        active = np.lexsort((-self.m, self.member))
        solver, _, _ = self.restrict(active)
        return State(solver.initial(), active, np.zeros(count, dtype=np.int64), np.zeros(count, np.int64))

    def run(self, state=None, until=None, checkpoint=None):
        """Advance a state to its end, or to iteration ``until``.

        Parameters
        ----------
        state : State, optional
            From :meth:`start` when left out.
        until : int, optional
            Stop at the last event not after this iteration, with runs still active.
        checkpoint : callable, optional
            Called with the state after every event.

        Returns
        -------
        State
        """
        resumed = state is not None
        state = state or self.start()
        solver, targets, labels = self.restrict(state.active)
        progress = Progress(self.budgets)
        for event in self.events:
            if len(state.active) == 0 or (until is not None and event > until):
                break
            if event < state.iteration or (resumed and event == state.iteration):
                continue
            state.iterate = solver.advance(state.iterate, state.iteration, event - state.iteration)
            state.iteration = event
            if self._observe(state, solver, targets, labels, progress):
                solver, targets, labels = self.restrict(state.active)
            if checkpoint is not None:
                checkpoint(state)
        return state

    def _observe(self, state, solver, targets, labels, progress):
        """Record and judge the batch at an event; return whether a run left it."""
        estimate = solver.estimate(state.iterate)
        train = solver.ensemble.train_error(estimate, labels).cpu().double().numpy()
        test = diagnostics.test_error(estimate, targets).cpu().double().numpy()
        diverged = ~(np.isfinite(train) & np.isfinite(test) & (train < DIVERGED_ABOVE))
        converged = ~diverged & (train < self.stop) if self.stop is not None else np.zeros_like(diverged)
        spent = self.budgets[state.active] <= state.iteration
        leaving = diverged | converged | spent
        keep = ~diverged if state.iteration in self.error_points else converged
        if keep.any():
            state.recorder.add_errors(state.iteration, state.active[keep], train[keep], test[keep])
        keep = ~diverged & ((state.iteration in self.spectrum_points) | converged)
        if self.spectrum_points and keep.any():
            leading, rank = diagnostics.spectrum(estimate[torch.from_numpy(keep).to(estimate.device)], self.leading)
            state.recorder.add_spectra(state.iteration, state.active[keep], leading.numpy(), rank.numpy())
        if not diverged.all():
            progress.show(state, train[~diverged], test[~diverged])
        if not leaving.any():
            return False
        for mask, name in ((spent, "budget"), (converged, "converged"), (diverged, "diverged")):
            state.status[state.active[mask]] = STATUSES.index(name)
        state.ended[state.active[leaving]] = state.iteration
        state.iterate = state.iterate[torch.from_numpy(~leaving).to(state.iterate.device)]
        state.active = state.active[~leaving]
        return True

    def results(self, state):
        """Return the recorded arrays of a finished state for every ensemble: ``errors, spectra, status, ended`` (see :class:`Recorder`)."""
        recorded, status = state.recorder.arrays(self.leading), np.array([STATUSES[code] for code in state.status])
        found = []
        for first in range(0, len(self.runs), self.each):
            own = slice(first, first + self.each)
            rows = {}
            for name, values in recorded.items():
                mine = values[(values[:, 0] >= own.start) & (values[:, 0] < own.stop)]
                mine[:, 0] -= first
                rows[name] = mine
            found.append({**rows, "status": status[own], "ended": state.ended[own]})
        return found

    def result(self, state):
        """Return the recorded arrays of a finished state of one ensemble; see :meth:`results`."""
        (only,) = self.results(state)
        return only


def job_fingerprint(params, problems, device):
    """Return what tells the checkpoints of a job from those of others.

    Parameters
    ----------
    params : mapping
        The rule's, of which where the checkpoints lie and how the job is announced do not count.
    problems : sequence of str
        Digests of the problems that are solved together.
    device : torch.device
    """
    what = {name: value for name, value in params.items() if name not in ("checkpoints", "plan")}
    return settings_hash({**what, "problem_sha256": list(problems), "computed_on": str(device)})


def run_to_file(batch, path, fingerprint, seconds, device, keep=False):
    """Run a batch to its end with checkpoints at ``path`` every ``seconds``; return the result arrays of every ensemble.

    A checkpoint left there by a killed job of the same fingerprint is continued; it is removed by the caller once
    the result is safe. ``keep`` leaves one of the end there, for a job that goes on with other batches.
    """
    state = State.load(path, fingerprint, device)
    if state is not None:
        print(f"continuing from iteration {state.iteration} ({path})", flush=True)
    saved = time.monotonic()

    def checkpoint(current):
        nonlocal saved
        if time.monotonic() - saved >= seconds and len(current.active):
            current.save(path, fingerprint, batch.leading)
            saved = time.monotonic()

    state = batch.run(state, checkpoint=checkpoint)
    if keep:
        state.save(path, fingerprint, batch.leading)
    results = batch.results(state)
    count = {name: int((state.status == code).sum()) for code, name in enumerate(STATUSES) if code}
    print(
        "ended: " + ", ".join(f"{value} {name}" for name, value in count.items() if value),
        flush=True,
    )
    return results
