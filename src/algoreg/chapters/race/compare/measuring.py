"""What is measured of methods that are compared: errors along the iterations,
measurements needed, sensitivity to α, seconds.
"""

import math
import time
from itertools import product

import numpy as np

from algoreg.chapters.race import runs
from algoreg.engine import experiment
from algoreg.engine.observers import Observer, spaced_iterations
from algoreg.settings.plan import experiment_options

# Runs end below this relative error.
RECOVERED = 1e-6
ALPHAS = (1e-1, 1e-3, 1e-5, 1e-7, 1e-9)
# Iterations of a run that knows m measurements.
THRESHOLD_ITERATIONS = 500
SECONDS, CHUNK = 0.3, 5


class Course(Observer):
    """The test error of every run at the race's looks: memory ``errors`` (B, K), NaN after a run has left."""

    def prepare(self, batch):
        """Begin without errors."""
        self.iterations = sorted(spaced_iterations(max(run["iterations"] for run in batch.runs)))
        self.memory = {"errors": np.full((len(batch.runs), len(self.iterations)), np.nan)}

    def observe(self, snapshot):
        """Let the runs go that have recovered."""
        if snapshot.iteration in self.iterations:
            self.memory["errors"][snapshot.active, self.iterations.index(snapshot.iteration)] = snapshot.test_error
        return snapshot.test_error < RECOVERED


def tuned(method, sizes, context, number):
    """Return the choice of a method's grid at every κ for an ensemble: see :func:`algoreg.chapters.race.runs.tuned`."""
    return {row["kappa"]: row["chosen"] for row in runs.tuned(sizes, context, {"": method}, number)}


def courses(method, sizes, context, best, kappas=None, **changes):
    """Return rows of the error along the iterations: by κ, target, ensemble and iteration, up to where a run recovers.

    ``best`` takes an ensemble's number and returns what :func:`tuned` does.
    """
    cells = list(product(kappas or sizes["kappa"], range(sizes["targets"])))
    rows = []
    for number in context.ensembles:
        own = [runs.run_of(sizes, method, kappa, target, best(number)[kappa] | changes) for kappa, target in cells]
        seen = Course()
        descent = context.descend(runs.batch_of(sizes, context, number, method.algorithm, own, [seen]))
        for run, errors, status in zip(own, seen.memory["errors"], descent.status, strict=True):
            shared = {key: run[key] for key in ("kappa", "target", "step")} | {"ensemble": number, "status": status}
            shared["momentum"] = run.get("momentum", math.nan)
            for moment, error in zip(seen.iterations, errors, strict=True):
                if not math.isnan(error):
                    passes = method.first_passes + method.passes * moment
                    rows.append(shared | {"iteration": moment, "passes": passes, "test_error": error})
    return rows


def seconds_per_iteration(method, sizes, context, best):
    """Return one row: the ``seconds`` that an iteration of one run takes in a batch of the targets,
    on this machine as busy as it is.
    """
    kappa = sizes["kappa"][0]
    own = [runs.run_of(sizes, method, kappa, target, best(0)[kappa]) for target in range(sizes["targets"])]
    batch = runs.batch_of(sizes, context, runs.TUNING, method.algorithm, own, [])
    solver = batch.algorithm(batch.ensemble.shared_by([batch.ensemble.m] * len(own)), batch.labels, batch.runs, 0)
    state, done, times = solver.advance(solver.initial(), 0, 2), 2, []
    end = time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < end or not times:
        state = solver.advance(state, done, CHUNK)
        done += CHUNK
        times.append(time.perf_counter() - began)
    # The least disturbed one.
    return [{"seconds": min(times) / CHUNK / len(own)}]


def sensitivity(method, sizes, context, best):
    """Return :func:`courses` at the middle κ from several α, each with ``alpha``;
    none where the method has no small start.
    """
    options = method.settings(sizes["rank"], 1.0)
    if "alpha" not in options or options.get("start") == "spectral":
        return []
    kappa = sizes["kappa"][len(sizes["kappa"]) // 2]
    return [
        row | {"alpha": alpha}
        for alpha in ALPHAS
        for row in courses(method, sizes, context, best, [kappa], alpha=alpha)
    ]


def thresholds(contender, sizes, context, best):
    """Return rows of the experiment ``threshold`` for some d and r: the test error of runs that know m measurements.

    All at the step that is chosen for the first ensemble at the smallest κ.
    """
    method, kappa, rows = contender.method, sizes["kappa"][0], []
    iterations = min(THRESHOLD_ITERATIONS, method.most or THRESHOLD_ITERATIONS)
    for rank in sizes["ranks"]:
        own = method.settings(rank, 1.0) | best(0)[kappa]
        step = own.pop("step")
        alpha = own.pop("alpha", None)
        own.pop("rank")
        options = {
            "algorithm": contender.algorithm,
            "algorithm_options": own,
            "d": sizes["sizes"],
            "rank": [rank],
            "spectrum": ["flat"],
            "ratios": sizes["ratios"],
            "step": [step],
            "time": [step * iterations],
            "targets": sizes["targets"],
        } | ({"alpha": [alpha]} if alpha is not None else {})
        complete = experiment_options({"experiment": "threshold", "options": options})
        rows += experiment.measure("threshold", complete, context)
    return rows
