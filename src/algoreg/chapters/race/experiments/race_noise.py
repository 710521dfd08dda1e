"""Methods on noisy labels, or on targets near low rank: their errors where held-out labels say to stop,
at the end, and on all labels.
"""

import math

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat

from algoreg.chapters.race.experiments import race
from algoreg.chapters.race.methods import METHODS
from algoreg.chapters.race.runs import batch_of, known_measurements, raced, told_the_rank
from algoreg.engine.observers import HeldOut, Observer, begins, spaced_iterations
from algoreg.numerics.problems import spoil


class Options(race.Options):
    """Options of the experiment."""

    m_over_dr: PositiveFloat = 4
    # Additional measurements, held out from every run.
    held_out_over_dr: PositiveFloat = 1
    label_noise: NonNegativeFloat = 0.1
    # X* has all d eigenvalues, the i-th i^−tail; the rank is what methods are told, and what m is counted by.
    tail: PositiveFloat | None = None


KEYS = {
    "method": "a method of `algoreg.chapters.race.methods`",
    "told": "what of X* the method is told, as in `race`",
    "kappa": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "held_out": "measurements that no run knows",
    "label_noise": "standard deviation of the labels' noise over their root mean square",
    "tail": "p where the i-th of all d eigenvalues of X* is i^−p; 0: X* has rank r and the κ of the row",
    "step": ("η", "step size η in M-form, chosen as in `race`, on labels without noise"),
    "momentum": ("μ", "momentum μ, chosen with the step or set (empty where the method has none)"),
    "budget": "T, the iterations after which the run is stopped",
    "stop": "the iteration of the look with the smallest hold-out error",
    "best_error": "smallest ‖X − X*‖_F / ‖X*‖_F at a look",
    "stop_error": "‖X − X*‖_F / ‖X*‖_F at the look with the smallest hold-out error",
    "end_error": "‖X − X*‖_F / ‖X*‖_F at T (empty where the run diverged)",
    "refit_error": (
        "the error of a run on all labels that goes as far as held-out labels said",
        "‖X − X*‖_F / ‖X*‖_F at `stop` of a run that knows the held-out labels, too",
    ),
    "all_error": "‖X − X*‖_F / ‖X*‖_F at T of a run that knows the held-out labels, too (empty where it diverged)",
    "own_error": (
        "the error in the form that suits the method",
        "`all_error` of methods that are told the rank, which need no stop; `refit_error` where labels have no noise, and "
        "of thresholding that is not told the rank and of penalties; `stop_error` of the other methods",
    ),
    "stop_over_best": (
        "the error at the stop by hold-out over the run's smallest",
        "`stop_error` over `best_error`",
    ),
    "end_over_best": ("the error at T over the run's smallest", "`end_error` over `best_error`"),
}

# Whose error on noisy labels was smaller in a second run on all of them, in trials on other draws. Descents of full
# width fit more of the noise in as many iterations there.
REFITTED = ("search", "thresholding_2r", "penalised_trace", "penalised_slowly")


def measure(options, context):
    """Return one row per method, κ, target and ensemble: the test errors of runs on noisy labels.

    X* and steps as in the experiment ``race``, or X* with a ``tail``; the first ``m_over_dr``·dr measurements are
    known, ``held_out_over_dr``·dr more are held out. All labels have noise. The stop by hold-out is the look whose
    estimate has the smallest error on the labels that no run knows. A second run knows these, too; it is read where the
    first one's stop was, and at T.
    """
    yield from raced(options, context, _rows)


class Stops(HeldOut):
    """:class:`algoreg.engine.observers.HeldOut` where the race looks, too; a run that diverged has no last error.

    Memory: ``when`` (B,), too, the iteration of the stop.
    """

    per_run = begins(best=np.inf, held=np.inf, stopped=np.nan, last=np.nan, when=0.0)

    def observed_iterations(self, last):
        """Return :func:`spaced_iterations`."""
        return spaced_iterations(last)

    def observe(self, snapshot):
        """Record the errors."""
        runs = snapshot.active
        before = self.memory["held"][runs]
        super().observe(snapshot)
        nearer = self.memory["held"][runs] < before
        self.memory["when"][runs[nearer]] = snapshot.iteration
        self.memory["last"][runs[snapshot.diverged]] = np.nan


class ErrorsAt(Observer):
    """The test error of every run at an iteration of its own, and the last: memory ``there`` and ``last`` (B,).

    Parameters
    ----------
    iterations : numpy.ndarray, shape (B,)
    """

    per_run = begins(there=np.nan, last=np.nan)

    def __init__(self, iterations):
        self.iterations = iterations

    def observed_iterations(self, last):
        """Return those that some run has for its own."""
        return {int(iteration) for iteration in self.iterations}

    def observe(self, snapshot):
        """Record the errors."""
        runs, errors = snapshot.active, np.where(snapshot.diverged, np.nan, snapshot.test_error)
        here = self.iterations[runs] == snapshot.iteration
        self.memory["there"][runs[here]] = errors[here]
        self.memory["last"][runs] = errors


def _rows(options, context, number, algorithm, runs):
    """Return the rows of methods of one algorithm on one ensemble."""
    held_out = max(round(options["held_out_over_dr"] * options["d"] * options["rank"]), 1)
    seen = Stops(known_measurements(options))
    batch = batch_of(options, context, number, algorithm, runs, [seen], held_out)
    # A target's noise is the same for all methods. At each κ it has the same numbers, in proportion to the labels'
    # size.
    noise = [
        spoil(row[None], options, context.seed, number, [run["target"]])[0]
        for row, run in zip(batch.labels.cpu().double().numpy(), runs, strict=True)
    ]
    batch.labels = torch.from_numpy(np.stack(noise)).to(batch.labels)
    descent = context.descend(batch)
    everything = ErrorsAt(seen.memory["when"])
    knowing = [{**run, "m": batch.ensemble.m} for run in batch.runs]
    context.run(batch.ensemble, algorithm, knowing, batch.targets, [everything], batch.labels)
    errors = zip(
        *(seen.memory[key].tolist() for key in ("best", "stopped", "last", "when")),
        *(everything.memory[key].tolist() for key in ("there", "last")),
        strict=True,
    )
    found = zip(runs, descent.status, errors, strict=True)
    return [_row(options, held_out, *each) | {"ensemble": number} for each in found]


def _row(options, held_out, run, status, errors):
    """Return the row of a run."""
    best, stop, last, when, refitted, whole = errors
    names = {key: run[key] for key in ("method", "kappa", "target", "rank", "step")}
    refits = run["method"] in REFITTED or not options["label_noise"]
    return names | {
        "told": METHODS[run["method"]].prior_knowledge,
        "d": options["d"],
        "m": known_measurements(options),
        "held_out": held_out,
        "label_noise": options["label_noise"],
        "tail": options["tail"] or 0.0,
        "momentum": run.get("momentum", math.nan),
        "budget": run["iterations"],
        "stop": when,
        "best_error": best,
        "stop_error": stop,
        "end_error": last,
        "refit_error": refitted,
        "all_error": whole,
        "own_error": whole if told_the_rank(run["method"]) else refitted if refits else stop,
        "stop_over_best": stop / best,
        "end_over_best": last / best,
        "status": status,
    }
