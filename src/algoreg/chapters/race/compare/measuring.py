"""What is measured of methods that are compared: errors along the iterations, measurements needed, sensitivity to α, seconds."""

import math
import time
from itertools import product

import numpy as np
import torch

from algoreg.chapters.race.studies.race import Fits, looks
from algoreg.engine import study
from algoreg.engine.loop import Batch
from algoreg.engine.observers import Observer
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.spec.plan import study_options

# Runs end below this relative error.
RECOVERED = 1e-6
TUNING, TUNING_TARGETS, TUNING_SHARE = 1_000_000, 2, 0.25
ALPHAS = (1e-1, 1e-3, 1e-5, 1e-7, 1e-9)
# Iterations of a run that knows m measurements.
THRESHOLD_ITERATIONS = 500
SECONDS = 0.2


class Course(Observer):
    """The test error of every run at every look: memory ``errors`` (B, K), NaN after a run has left."""

    def prepare(self, batch):
        """Begin without errors."""
        self.times = sorted(looks(max(run["iterations"] for run in batch.runs)))
        self.memory = {"errors": np.full((len(batch.runs), len(self.times)), np.nan)}

    def moments(self, last):
        """Return the race's looks."""
        return self.times

    def look(self, look):
        """Let the runs go that have recovered."""
        if look.iteration in self.times:
            self.memory["errors"][look.active, self.times.index(look.iteration)] = look.test_error
        return look.test_error < RECOVERED


def _targets(sizes, context, kappa, numbers):
    kind = spectrum_target(sizes["rank"], kappa)
    factors = [draw_factor(kind, sizes["d"], sizes["rank"], context.seed, number) for number in numbers]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors]).to(context.dtype)


def _batch(method, sizes, context, number, runs, observers):
    """Return a batch of a method's runs, each with ``kappa`` and ``target``, on an ensemble."""
    m = round(sizes["m_over_dr"] * sizes["d"] * sizes["rank"])
    ensemble = Ensemble.draw(sizes["d"], m, context.seed, number, dtype=context.dtype)
    planted = torch.cat([_targets(sizes, context, run["kappa"], [run["target"]]) for run in runs])
    complete = [{**run, "m": m} for run in runs]
    return Batch(ensemble, method.algorithm, complete, planted, ensemble.label(planted), observers, seed=context.seed)


def _run(method, sizes, kappa, target, chosen, share=1.0):
    budget = min(sizes["budgets"][sizes["kappas"].index(kappa)], method.most or math.inf)
    own = method.settings(sizes["rank"], kappa)
    return own | chosen | {"kappa": kappa, "target": target, "iterations": max(round(share * budget), 1)}


def tuned(method, sizes, context):
    """Return the choice of a method's grid at every κ, as the race makes it: by training error on draws of their own."""
    numbers = range(TUNING, TUNING + TUNING_TARGETS)
    places = [(kappa, chosen) for kappa in sizes["kappas"] for chosen in method.grid()]
    runs = [_run(method, sizes, kappa, target, chosen, TUNING_SHARE) for kappa, chosen in places for target in numbers]
    seen = Fits()
    context.descend(_batch(method, sizes, context, TUNING, runs, [seen]))
    budgets = np.array([run["iterations"] for run in runs])
    with np.errstate(divide="ignore"):
        logs = np.log(seen.memory["errors"]) * budgets / seen.memory["ended"]
    best = {}
    for (kappa, chosen), score in zip(places, logs.reshape(len(places), -1).mean(axis=1), strict=True):
        if kappa not in best or score < best[kappa][0]:
            best[kappa] = (score, chosen)
    return {kappa: chosen for kappa, (_, chosen) in best.items()}


def courses(method, sizes, context, best, kappas=None, **changes):
    """Return rows of the error along the iterations: by κ, target, ensemble and iteration, up to where a run recovers."""
    cells = list(product(kappas or sizes["kappas"], range(sizes["targets"])))
    rows = []
    for number in context.ensembles:
        runs = [_run(method, sizes, kappa, target, best[kappa] | changes) for kappa, target in cells]
        seen = Course()
        descent = context.descend(_batch(method, sizes, context, number, runs, [seen]))
        for run, errors, status in zip(runs, seen.memory["errors"], descent.status, strict=True):
            shared = {key: run[key] for key in ("kappa", "target", "step")} | {"ensemble": number, "status": status}
            shared["momentum"] = run.get("momentum", math.nan)
            for moment, error in zip(seen.times, errors, strict=True):
                if not math.isnan(error):
                    passes = method.first_passes + method.passes * moment
                    rows.append(shared | {"iteration": moment, "passes": passes, "test_error": error})
    return rows


def seconds_per_iteration(method, sizes, context, best):
    """Return the seconds that an iteration of one run takes in a batch of the targets, on this machine as busy as it is."""
    kappa = sizes["kappas"][0]
    runs = [_run(method, sizes, kappa, target, best[kappa]) for target in range(sizes["targets"])]
    batch = _batch(method, sizes, context, TUNING, runs, [])
    solver = batch.algorithm(batch.ensemble.shared_by([batch.ensemble.m] * len(runs)), batch.labels, batch.runs, 0)
    state = solver.advance(solver.initial(), 0, 2)
    done, began = 2, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        state = solver.advance(state, done, 5)
        done += 5
    return spent / (done - 2) / len(runs)


def sensitivity(method, sizes, context, best):
    """Return :func:`courses` at the middle κ from several α, each with ``alpha``; none where the method has no small start."""
    options = method.settings(sizes["rank"], 1.0)
    if "alpha" not in options or options.get("start") == "spectral":
        return []
    kappa = sizes["kappas"][len(sizes["kappas"]) // 2]
    return [
        row | {"alpha": alpha}
        for alpha in ALPHAS
        for row in courses(method, sizes, context, best, [kappa], alpha=alpha)
    ]


def thresholds(contender, sizes, context, best):
    """Return rows of the study ``threshold`` for some d and r: the test error of runs that know m measurements."""
    method, kappa, rows = contender.method, sizes["kappas"][0], []
    iterations = min(THRESHOLD_ITERATIONS, method.most or THRESHOLD_ITERATIONS)
    for rank in sizes["ranks"]:
        own = method.settings(rank, 1.0) | best[kappa]
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
        complete = study_options({"study": "threshold", "options": options})
        rows += study.measure("threshold", complete, context)
    return rows
