"""The runs of the race and how they are tuned: one rule for every method, on draws that are not judged."""

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

# The training error below which a tuning run needs to go no further.
FITTED = 1e-6
# Draws for tuning have numbers that no judged draw reaches.
TUNING = 1_000_000
# Of a run's budget, for tuning.
TUNING_SHARE = 0.25
# A setting must do at a step this much longer, too.
LONGER = 1.25
# Every iteration is looked at up to here, then every hundredth of the way.
EVERY = 100


def looks(last):
    """Return the iterations at which errors are seen: all of the first ones, then a hundredth of the way apart."""
    found, moment = set(), 0
    while moment < last:
        found.add(moment)
        moment += max(1, moment // EVERY)
    return found | {last}


def chosen_methods(options):
    """Return the methods that a study's options name, all where they name none.

    Raises
    ------
    ValueError
        If one is not known.
    """
    names = options["method"] or list(METHODS)
    if not METHODS.keys() >= set(names):
        raise ValueError(f"method = {', '.join(names)}: allowed are {', '.join(METHODS)}")
    return names


def groups(names):
    """Return the methods that share a pass: those of one algorithm."""
    found = defaultdict(list)
    for name in names:
        found[METHODS[name].algorithm].append(name)
    return list(found.values())


def targets(options, context, kappa, numbers):
    """Return X* of targets by their numbers, shape (T, d, d)."""
    kind = spectrum_target(options["rank"], kappa)
    factors = [draw_factor(kind, options["d"], options["rank"], context.seed, number) for number in numbers]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors]).to(context.device, context.dtype)


def known_measurements(options):
    """Return m of a study's runs: m_over_dr·dr, rounded."""
    return round(options["m_over_dr"] * options["d"] * options["rank"])


def batch_of(options, context, number, runs, observers, held_out=0):
    """Return a batch of runs, each with ``kappa`` and ``target``, on ensemble ``number``, which has so many measurements more.

    Every run knows the first m_over_dr·dr of them.
    """
    m = known_measurements(options)
    ensemble = Ensemble.draw(options["d"], m + held_out, context.seed, number, context.device, context.dtype)
    planted = torch.cat([targets(options, context, run["kappa"], [run["target"]]) for run in runs])
    complete = [{**run, "m": m} for run in runs]
    algorithm = METHODS[runs[0]["method"]].algorithm
    return Batch(ensemble, algorithm, complete, planted, ensemble.label(planted), observers, seed=context.seed)


def run_of(options, method, kappa, target, chosen, share=1.0):
    """Return a run of a method with the step (and momentum) that was chosen, over a share of its budget, without m."""
    most = METHODS[method].most or math.inf
    budget = min(options["budget"][options["kappa"].index(kappa)], most)
    own = METHODS[method].settings(options["rank"], kappa)
    iterations = max(round(share * budget), 1)
    return own | chosen | {"method": method, "kappa": kappa, "target": target, "iterations": iterations}


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


def all_tuned(options, context, names):
    """Return :func:`tuned` of all methods, as a part of a study: a mapping of (method, κ) to what was chosen."""

    def rows():
        return [row for group in groups(names) for row in tuned(options, context, group)]

    return {(row["method"], row["kappa"]): row["chosen"] for row in context.part("tuning", rows)}


def tuned(options, context, names):
    """Return what methods of one algorithm choose of their grids at every κ: rows ``method``, ``kappa``, ``chosen``.

    A setting is as good as its worst run, and runs at its step and at one ``LONGER`` times as long: what is chosen lies away from
    the edge of stability, where a run is another on another processor, or is lost on another draw. The best has the smallest
    training error after a quarter of T; a run that fits its labels before is continued at its mean rate. The runs are on
    ``tuning_targets`` targets and ``tuning_ensembles`` ensembles, of the numbers ``TUNING`` and following.
    """
    settings = [(name, kappa, key) for name, kappa in product(names, options["kappa"]) for key in _tried(METHODS[name])]
    numbers = range(TUNING, TUNING + options["tuning_targets"])
    runs = [
        run_of(options, name, kappa, target, dict(key), TUNING_SHARE)
        for (name, kappa, key), target in product(settings, numbers)
    ]
    ensembles = range(TUNING, TUNING + options["tuning_ensembles"])
    logs = [_fits(context, batch_of(options, context, number, runs, [Fits()])) for number in ensembles]
    worst = np.max(logs, axis=0).reshape(len(settings), -1).max(axis=1)
    scores = dict(zip(settings, worst.tolist(), strict=True))
    found = []
    for name, kappa in product(names, options["kappa"]):
        grid = METHODS[name].grid()
        own = [max(scores[name, kappa, _key(each)] for each in (setting, _longer(setting))) for setting in grid]
        found.append({"method": name, "kappa": kappa, "chosen": grid[own.index(min(own))]})
    return found


def _tried(method):
    """Return the keys of the settings that tuning runs, each once: those of the grid, and those with a longer step."""
    return dict.fromkeys(_key(each) for setting in method.grid() for each in (setting, _longer(setting)))


def _key(setting):
    return tuple(setting.items())


def _longer(setting):
    """Return a setting with a longer step; steps of a grid that are as far apart are the same numbers."""
    return {**setting, "step": round(LONGER * setting["step"], 9)}


def _fits(context, batch):
    """Return the log training error of every run of a batch at the end of its budget, at its mean rate if it left before."""
    context.descend(batch)
    (seen,) = batch.observers
    with np.errstate(divide="ignore"):
        return np.log(seen.memory["errors"]) * batch.budgets / seen.memory["ended"]
