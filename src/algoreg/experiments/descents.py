"""Recorded descents of one algorithm on a planted problem, or on measurements of a file: errors and eigenvalues.

Tables of runs are selected from what is recorded here, so that several of them share a run.
"""

import numpy as np
import torch

from algoreg import plugins
from algoreg.engine.experiment import end_message
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Observer
from algoreg.numerics import diagnostics, problems
from algoreg.settings.descents import Options as Options
from algoreg.settings.descents import expand_runs, facts, held_out, record_as_run, recorded_iterations

# The tier's defaults for entries that lack them.
FROM_TIER = ("dtype", "step_factor")
# Which option names a module of which folder; see algoreg.plugins.
FINDS = {"ensemble": "ensembles", "algorithm": "algorithms"}
# The options that name a file of the user's own, by its path.
READS = ("data",)
# The options that determine what is drawn, which generate gets; the others are the runs'.
GENERATED_FROM = (
    "ensemble",
    "d",
    "rank",
    "m",
    "target",
    "data",
    "targets",
    "own_targets",
    "label_noise",
    "outliers",
)
KEYS = {
    "run": "number of the run in the entry's `runs`, lists multiplied out",
    "target": None,
    "ensemble": None,
    "iteration": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "m_over_d": None,
    "method": None,
    "alpha": None,
    "start": None,
    "batch_size": None,
    "step": None,
    "step_factor": "how many of the paper's iterations one that runs stands for",
    "own_iteration": None,
    "ended": "iteration at which the run ended, as it ran",
    "train_error": None,
    "test_error": None,
    "hold_out_error": None,
    "effective_rank": None,
    "eigenvalues": "the largest eigenvalues of X, falling, with spaces between (empty where none are recorded)",
}

# Convergence is looked for every so many iterations where a run can stop early. Divergence is looked for at least
# every DIVERGENCE_CHECK iterations, or, in long runs of cheap steps, so many times in all: a look costs a pass.
CONVERGENCE_CHECK = 10
DIVERGENCE_CHECK = 100
DIVERGENCE_LOOKS = 1000
LEADING_EIGENVALUES = 12


class Recording(Observer):
    """Records training and test errors, and leading eigenvalues, as rows that name their run.

    Parameters
    ----------
    record : mapping
        ``errors`` and ``spectrum``, each a grid of :func:`algoreg.settings.descents.recorded_iterations`; every
        run's end
        is recorded, too.
    stop : float or None
        A run whose training error is below this at a look is done.
    held_out : int
        How many of the last measurements no run knows: their error is recorded, too, where there are any.
    """

    reads_train_error = True

    def __init__(self, record, stop=None, held_out=0):
        self.record, self.stop, self.held_out = record, stop, held_out

    def prepare(self, batch):
        """Begin without rows."""
        self.leading = min(LEADING_EIGENVALUES, batch.targets.shape[1])
        last, ends = int(batch.budgets.max()), set(map(int, batch.budgets))
        self.error_points = {*recorded_iterations(self.record.get("errors", {}), last), *ends}
        grid = self.record.get("spectrum")
        self.spectrum_points = set() if grid is None else {*recorded_iterations(grid, last), *ends}
        self._errors, self._spectra = [np.empty((0, 5 if self.held_out else 4))], [np.empty((0, 3 + self.leading))]

    def observed_iterations(self, last):
        """Return what is recorded, and where convergence or divergence is looked for."""
        stride = max(DIVERGENCE_CHECK, last // DIVERGENCE_LOOKS) if self.stop is None else CONVERGENCE_CHECK
        return {*self.error_points, *self.spectrum_points, *range(0, last + 1, stride)}

    def observe(self, snapshot):
        """Record the runs that have not diverged, and those that are done at any iteration."""
        good, none = ~snapshot.diverged, np.zeros(len(snapshot.active), bool)
        done = none if self.stop is None else good & (snapshot.train_error < self.stop)
        keep = good if snapshot.iteration in self.error_points else done
        if keep.any():
            errors = [snapshot.train_error[keep], snapshot.test_error[keep]]
            if self.held_out:
                errors.append(self._hold_out_error(snapshot, snapshot.rows(keep)))
            self._errors.append(self._rows(snapshot, keep, *errors))
        keep = good if snapshot.iteration in self.spectrum_points else done
        if self.spectrum_points and keep.any():
            leading, rank = diagnostics.spectrum(snapshot.estimate[snapshot.rows(keep)], self.leading)
            self._spectra.append(self._rows(snapshot, keep, rank.numpy(), leading.numpy()))
        return done

    def _hold_out_error(self, snapshot, kept):
        """Return the relative error of some runs on the labels that none knows, shape (b,), float64."""
        algorithm = snapshot.algorithm
        seen = algorithm.ensemble.measure(snapshot.estimate[kept])[:, -self.held_out :]
        labels = algorithm.labels[kept][:, -self.held_out :]
        error = torch.linalg.vector_norm(seen - labels, dim=1) / torch.linalg.vector_norm(labels, dim=1)
        return error.cpu().double().numpy()

    @staticmethod
    def _rows(snapshot, keep, *columns):
        return np.column_stack([snapshot.active[keep], np.full(int(keep.sum()), snapshot.iteration), *columns])

    def save(self):
        """Return the rows recorded, float64, in their order.

        ``errors`` (n, 4): run, iteration, training and test error, and as a fifth the held-out labels'; ``spectra``
        (k, 3 + leading): run, iteration, effective rank, leading eigenvalues.
        """
        return {"errors": np.concatenate(self._errors), "spectra": np.concatenate(self._spectra)}

    def restore(self, arrays):
        """Go on from recorded rows."""
        self._errors, self._spectra = [arrays["errors"]], [arrays["spectra"]]


def generate(options, seed, number):
    """Draw the targets of a problem and their labels under one ensemble, with the digest of that ensemble;
    see :func:`algoreg.numerics.problems.draw_problem`.
    """
    return problems.draw_problem(options, seed, number)


def problem_of(options):
    """Return the options that determine what is drawn."""
    return {key: options[key] for key in GENERATED_FROM}


def measure(options, context, number):
    """Return a row for each recorded iteration of every run on every target: errors, and perhaps eigenvalues.

    ``iteration`` is the paper's, ``own_iteration`` as it ran. All runs of an ensemble are one batch. A run that
    diverged has no errors in the row of its end.
    """
    place, arrays = context.data[number]
    batch = recorded_batch(
        problems.regenerate_ensemble(problem_of(options), arrays, context.device, context.dtype, place),
        arrays["factors"],
        arrays["labels"],
        options["algorithm"],
        runs_on_targets(options),
        record_as_run(options),
        context.seed,
        options["stop_below_train_error"],
        held_out(options["hold_out"], options["m"]),
    )
    descent = context.descend(batch)
    context.log(end_message(descent))
    return rows_of(options, number, batch.runs, result(descent))


def runs_on_targets(options):
    """Return the runs, each on every target, in a fixed order."""
    return [{**run, "target": target} for run in expand_runs(options) for target in range(options["targets"])]


def recorded_batch(ensemble, factors, labels, algorithm, runs, record, seed, stop=None, held_out=0):
    """Return the batch of runs on one ensemble.

    Parameters
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
    factors : numpy.ndarray, shape (T, d, r)
    labels : numpy.ndarray, shape (T, m)
        Or whatever one row per target the ensemble's ``label`` returns.
    algorithm : str
        A module of ``algorithms``.
    runs : list of mapping
        Each with ``target, m, step, iterations`` and the algorithm's options.
    record, stop, held_out
        See :class:`Recording`.
    seed : int

    Raises
    ------
    ValueError
        If a label is not finite.
    """
    if not np.isfinite(labels).all():
        raise ValueError("labels are not finite: the generated data are not usable")
    place = {"device": ensemble.device, "dtype": ensemble.dtype}
    number = torch.tensor([run["target"] for run in runs])
    targets = torch.from_numpy(factors @ factors.transpose(0, 2, 1))[number].to(**place)
    observers = [Recording(record, stop, held_out)]
    known = torch.from_numpy(labels)[number].to(**place)
    return Batch(ensemble, plugins.algorithm(algorithm), runs, targets, known, observers, seed)


def recorded(batch: Batch):
    """Run the batch of :func:`recorded_batch` to its end in this process and return its arrays; see :func:`result`."""
    return result(Descent(batch).run())


def result(descent: Descent):
    """Return the arrays of a finished descent: ``errors, spectra`` (see :meth:`Recording.save`), ``status, ended``."""
    (recording,) = descent.batch.observers
    return {**recording.save(), "status": np.array(descent.status), "ended": descent.ended}


def rows_of(options, number, runs, arrays):
    """Return the rows of the runs on ensemble ``number``, see :func:`measure`, given what :func:`result` returns."""
    errors, spectra = ({(int(row[0]), int(row[1])): row[2:] for row in arrays[key]} for key in ("errors", "spectra"))
    moments = [{int(end)} for end in arrays["ended"]]
    for run, iteration in (*errors, *spectra):
        moments[run].add(iteration)
    rows = []
    for place, run in enumerate(runs):
        named = {
            **{key: run.get(key) for key in ("alpha", "start", "batch_size")},
            **{key: value for key, value in facts(options, run).items() if key in VALUES},
            "run": place // options["targets"],
            "target": number if options["own_targets"] else run["target"],
            "ensemble": number,
            "ended": int(arrays["ended"][place]),
            "status": str(arrays["status"][place]),
        }
        for own in sorted(moments[place]):
            train, test, *rest = errors.get((place, own), (None, None))
            rank, *leading = spectra.get((place, own), (None,))
            rows.append(
                {
                    **named,
                    "iteration": own * run["step_factor"],
                    "own_iteration": own,
                    "train_error": train,
                    "test_error": test,
                    "hold_out_error": rest[0] if rest else None,
                    "effective_rank": rank,
                    "eigenvalues": " ".join(f"{value:.9g}" for value in leading) or None,
                }
            )
    return rows
