"""Methods side by side: passes over the data until each has recovered the same targets from the same measurements."""

import math
from collections import defaultdict
from itertools import product

import numpy as np
import torch

from algoreg.chapters.race.methods import METHODS
from algoreg.engine.loop import Batch
from algoreg.engine.observers import Observer
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.spec.base import StudyOptions, between, choices, real, reals, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole(ge=2)
    kappas: list[float] = reals(ge=1)
    # T at each κ: those that fall slowly with κ need more.
    budgets: list[int] = wholes()
    m_over_dr: float = real(5, gt=0)
    methods: list[str] = choices([], said="a list of methods, or an empty one for all", least=0)
    targets: int = whole(ge=2)
    tuning_targets: int = whole(2)

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")
        if len(self.budgets) != len(self.kappas):
            yield between("budgets", "kappas", allowed="a budget for each κ")
        if 2 * self.m_over_dr * self.rank >= self.d + 1:
            yield between("m_over_dr", "rank", "d", allowed="m below d(d+1)/2, where linear algebra does not find X*")


KEYS = {
    "method": "a method of `algoreg.chapters.race.methods`",
    "told": "what of X* the method is told: `nothing`, `rank`, `rank bound` (2r), `sigma_r` (its smallest eigenvalue), `trace`, `rank and trace`",
    "kappa": None,
    "tolerance": "relative error to which the passes are counted",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "step": ("η", "step size η in M-form, the method's best of its grid by training error on draws of their own"),
    "smallest_step": "smallest η of the method's grid",
    "largest_step": "largest η of the method's grid",
    "momentum": ("μ", "momentum μ, chosen with the step or set (empty where the method has none)"),
    "budget": "T, the iterations after which the run is stopped",
    "iterations": (
        "the iterations to the tolerance",
        "iterations until the relative error is first below the tolerance, interpolated (empty: not by T, or diverged)",
    ),
    "passes": (
        "the passes over the data to the tolerance",
        "passes over the data by then: a gradient is one, measurements alone are half of one",
    ),
    "smallest_error": "smallest ‖X − X*‖_F / ‖X*‖_F at a look; runs stop below the last tolerance",
    "end_error": "‖X − X*‖_F / ‖X*‖_F when the run stopped",
}
# From where performance is counted to where a run has recovered.
TOLERANCES = (0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
# The training error below which a tuning run needs to go no further.
FITTED = 1e-6
# Draws for tuning have numbers that no judged draw reaches.
TUNING = 1_000_000
# Every iteration is looked at up to here, then every hundredth of the way.
EVERY = 100
# Of a run's budget, for tuning.
TUNING_SHARE = 0.25


def measure(options, context):
    """Return one row per method, κ, tolerance, target and ensemble: the iterations and passes until the error is below it.

    X* has r eigenvalues from 1 to 1/κ in equal ratios; m = ``m_over_dr``·dr < d(d+1)/2. Every method has its own step, the best
    of its grid at each κ by its training error on an ensemble and targets that are not judged; see :func:`tuned`. A row is
    ``converged`` if the tolerance was reached, ``budget`` if not by T, ``diverged`` if the run diverged before.
    """
    names = options["methods"] or list(METHODS)
    if not METHODS.keys() >= set(names):
        raise ValueError(f"methods = {', '.join(names)}: allowed are {', '.join(METHODS)}")
    known = context.part("tuning", _tuning, options, context, names)
    best = {(row["method"], row["kappa"]): row["chosen"] for row in known}
    for number, group in product(context.ensembles, _groups(names)):
        label = f"ensemble {number}, {' '.join(group)}"
        yield from context.part(label, _rows, options, context, number, group, best)


def looks(last):
    """Return the iterations at which errors are seen: all of the first ones, then a hundredth of the way apart."""
    found, moment = set(), 0
    while moment < last:
        found.add(moment)
        moment += max(1, moment // EVERY)
    return found | {last}


class Crossings(Observer):
    """When the test error of every run first falls below each tolerance, log-linear between looks; its smallest and last value.

    Memory: ``times`` (B, K), NaN where a run did not get there; ``smallest``, ``last`` and ``at`` (B,), the last look's iteration.
    """

    def prepare(self, batch):
        """Begin without times."""
        count = len(batch.runs)
        self.memory = {"times": np.full((count, len(TOLERANCES)), np.nan), "smallest": np.full(count, np.inf)}
        self.memory |= {"last": np.full(count, np.nan), "at": np.zeros(count)}

    def moments(self, last):
        """Return :func:`looks`."""
        return looks(last)

    def look(self, look):
        """Let the runs go that are below the last tolerance."""
        errors = look.test_error
        for run, error in zip(look.active, errors, strict=True):
            before, since = self.memory["last"][run], self.memory["at"][run]
            for k, tolerance in enumerate(TOLERANCES):
                if error < tolerance and np.isnan(self.memory["times"][run, k]):
                    self.memory["times"][run, k] = _between(since, look.iteration, before, error, tolerance)
        self.memory["smallest"][look.active] = np.fmin(self.memory["smallest"][look.active], errors)
        self.memory["last"][look.active] = errors
        self.memory["at"][look.active] = look.iteration
        return errors < TOLERANCES[-1]


def _between(since, now, before, error, level):
    """Return when an error falls through a level, log-linearly between two looks."""
    if not before > level or error <= 0:
        return float(now)
    return float(now - (now - since) * math.log(level / error) / math.log(before / error))


class Fits(Observer):
    """The training error of every run when it left, and when: memory ``errors`` and ``ended`` (B,)."""

    reads_train_error = True

    def prepare(self, batch):
        """Begin without errors."""
        self.memory = {"errors": np.full(len(batch.runs), np.inf), "ended": np.ones(len(batch.runs))}

    def moments(self, last):
        """Return some fifty iterations: a look costs as much as a step."""
        return {round(last * share) for share in np.linspace(0, 1, 51)[1:]}

    def look(self, look):
        """Let the runs go that fit their labels."""
        self.memory["errors"][look.active] = np.where(look.diverged, np.inf, look.train_error)
        self.memory["ended"][look.active] = look.iteration
        return look.train_error < FITTED


def _groups(names):
    """Return the methods that share a pass: those of one algorithm."""
    found = defaultdict(list)
    for name in names:
        found[METHODS[name].algorithm].append(name)
    return list(found.values())


def _targets(options, context, kappa, numbers):
    """Return X* of targets by their numbers, shape (T, d, d)."""
    kind = spectrum_target(options["rank"], kappa)
    factors = [draw_factor(kind, options["d"], options["rank"], context.seed, number) for number in numbers]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors]).to(context.device, context.dtype)


def _batch(options, context, number, runs, observers):
    """Return a batch of runs, each with ``kappa`` and ``target``, on ensemble ``number``."""
    m = round(options["m_over_dr"] * options["d"] * options["rank"])
    ensemble = Ensemble.draw(options["d"], m, context.seed, number, context.device, context.dtype)
    planted = torch.cat([_targets(options, context, run["kappa"], [run["target"]]) for run in runs])
    complete = [{**run, "m": m} for run in runs]
    algorithm = METHODS[runs[0]["method"]].algorithm
    labels = ensemble.label(planted)
    return Batch(ensemble, algorithm, complete, planted, labels, observers, seed=context.seed)


def _budget(options, method, kappa):
    """Return T of a method at a κ."""
    most = METHODS[method].most or math.inf
    return min(options["budgets"][options["kappas"].index(kappa)], most)


def _run(options, method, kappa, target, chosen, share=1.0):
    """Return a run of a method, without m."""
    iterations = max(round(share * _budget(options, method, kappa)), 1)
    own = METHODS[method].settings(options["rank"], kappa)
    return own | chosen | {"method": method, "kappa": kappa, "target": target, "iterations": iterations}


def _tuning(options, context, names):
    """Return the choice of every method at every κ."""
    return [row for group in _groups(names) for row in tuned(options, context, group)]


def tuned(options, context, names):
    """Return what methods of one algorithm choose of their grids at every κ: rows ``method``, ``kappa``, ``chosen``.

    The best has the smallest training error, a geometric mean over ``tuning_targets`` targets, after a quarter of T; one that
    fits its labels before is continued at its mean rate. Ensemble and targets are number ``TUNING`` and following.
    """
    numbers = range(TUNING, TUNING + options["tuning_targets"])
    places = [
        (name, kappa, k) for name, kappa in product(names, options["kappas"]) for k in range(len(METHODS[name].grid()))
    ]
    runs = [
        _run(options, name, kappa, target, METHODS[name].grid()[k], TUNING_SHARE)
        for name, kappa, k in places
        for target in numbers
    ]
    seen = Fits()
    context.descend(_batch(options, context, TUNING, runs, [seen]))
    budgets = np.array([run["iterations"] for run in runs])
    with np.errstate(divide="ignore"):
        logs = np.log(seen.memory["errors"]) * budgets / seen.memory["ended"]
    scores = dict(zip(places, logs.reshape(len(places), -1).mean(axis=1).tolist(), strict=True))
    found = []
    for name, kappa in product(names, options["kappas"]):
        grid = METHODS[name].grid()
        own = [scores[name, kappa, k] for k in range(len(grid))]
        found.append({"method": name, "kappa": kappa, "chosen": grid[own.index(min(own))]})
    return found


def _rows(options, context, number, names, best):
    """Return the rows of methods of one algorithm on one ensemble."""
    runs = [
        _run(options, name, kappa, target, best[name, kappa])
        for name, kappa, target in product(names, options["kappas"], range(options["targets"]))
    ]
    seen = Crossings()
    batch = _batch(options, context, number, runs, [seen])
    descent = context.descend(batch)
    kept = zip(batch.runs, descent.status, *(seen.memory[key] for key in ("times", "smallest", "last")), strict=True)
    return [row | {"ensemble": number} for each in kept for row in _row(options, *each)]


def _row(options, run, status, times, smallest, last):
    """Yield the rows of a run, one for each tolerance."""
    method = METHODS[run["method"]]
    shared = {key: run[key] for key in ("method", "kappa", "target", "rank", "m", "step")} | {
        "told": method.told,
        "d": options["d"],
        "smallest_step": min(method.steps),
        "largest_step": max(method.steps),
        "momentum": run.get("momentum", math.nan),
        "budget": run["iterations"],
        "smallest_error": smallest,
        "end_error": last if math.isfinite(last) else math.nan,
    }
    for tolerance, time in zip(TOLERANCES, times.tolist(), strict=True):
        reached = not math.isnan(time)
        yield shared | {
            "tolerance": tolerance,
            "iterations": time,
            "passes": method.first_passes + method.passes * time,
            "status": "converged" if reached else "diverged" if status == "diverged" else "budget",
        }
