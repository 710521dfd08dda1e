"""The runs of the race and how they are tuned: one rule for every method, on draws that are not judged."""

import math
from collections import defaultdict
from itertools import product

import numpy as np
import torch

from algoreg.chapters.race.methods import METHODS, TOLD_BOTH, TOLD_RANK
from algoreg.engine.loop import Batch
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles import entries, gaussian, pauli, rank_one
from algoreg.numerics.problems import draw_targets, spectrum_target

# Measurements that a race may have, and what the grids of steps are multiplied by on them. Rank-one measurements see
# the trace d/2 times as strongly as anything else; what stands it depends on the method.
MEASUREMENTS = {"gaussian": gaussian, "pauli": pauli, "entries": entries, "rank_one": rank_one}
SCALES = {"rank_one": (0.125, 0.25, 0.5)}
# The training error below which a tuning run needs to go no further.
FITTED = 1e-6
# Draws for tuning have numbers that no judged draw reaches.
TUNING = 1_000_000
# Of a run's budget, for tuning.
TUNING_SHARE = 0.25
# A setting must do at a step this much longer, too.
LONGER = 1.25


def groups(options):
    """Return the methods that an experiment's options name, all where they name none;
    together those that share a pass, of one algorithm.

    Raises
    ------
    ValueError
        If one is not known.
    """
    names = options["method"] or list(METHODS)
    if not METHODS.keys() >= set(names):
        raise ValueError(f"method = {', '.join(names)}: allowed are {', '.join(METHODS)}")
    found = defaultdict(list)
    for name in names:
        found[METHODS[name].algorithm].append(name)
    return list(found.values())


def told_the_rank(method):
    """Return whether a method knows the rank, and so needs no early stop on noisy labels."""
    return METHODS[method].prior_knowledge in (TOLD_RANK, TOLD_BOTH)


def known_measurements(options):
    """Return m of an experiment's runs: m_over_dr·dr, rounded."""
    return round(options["m_over_dr"] * options["d"] * options["rank"])


def eigenvalues(options, kappa):
    """Return the eigenvalues of X*: r from 1 to 1/κ in equal ratios, or with ``tail`` p all d, the i-th i^−p."""
    if options.get("tail"):
        return [float(i) ** -options["tail"] for i in range(1, options["d"] + 1)]
    return spectrum_target(options["rank"], kappa)["eigenvalues"]


def batch_of(options, context, number, algorithm, runs, observers, held_out=0):
    """Return a batch of runs, each with ``kappa`` and ``target``, on ensemble ``number``,
    which has so many measurements more.

    Every run knows the first m_over_dr·dr of them, of the kind ``measurements``, Gaussian where the options say none.
    X* has the :func:`eigenvalues` of its κ.
    """
    d, m = options["d"], known_measurements(options)
    ensemble = context.draw(MEASUREMENTS[options.get("measurements", "gaussian")].Ensemble, d, m + held_out, number)
    own = []
    for run in runs:
        spectrum = eigenvalues(options, run["kappa"])
        kind = {"kind": "spectrum", "eigenvalues": spectrum}
        own.append(draw_targets(kind, d, len(spectrum), context, 1, run["target"]))
    planted, complete = torch.cat(own), [{**run, "m": m} for run in runs]
    return Batch(ensemble, algorithm, complete, planted, ensemble.label(planted), observers, seed=context.seed)


def run_of(options, method, kappa, target, chosen, share=1.0):
    """Return a run of a method with the step (and momentum) that was chosen, over a share of its budget, without m.

    A method that starts small starts from the options' ``alpha``, if they have one.
    """
    budget = min(options["budget"][options["kappa"].index(kappa)], method.most or math.inf)
    own = method.settings(options["rank"], kappa)
    if options.get("alpha") and method.starts_small:
        own["alpha"] = options["alpha"]
    return own | chosen | {"kappa": kappa, "target": target, "iterations": max(round(share * budget), 1)}


def grid_of(options, method):
    """Return a method's grid for the kind of measurements: its own, each step times the ``SCALES`` of the kind."""
    scales = SCALES.get(options.get("measurements"), (1.0,))
    return [{**setting, "step": scale * setting["step"]} for scale in scales for setting in method.grid()]


class Fits(Observer):
    """The training error of every run when it left, and when: memory ``errors`` and ``ended`` (B,)."""

    reads_train_error = True
    per_run = begins(errors=np.inf, ended=1.0)

    def observed_iterations(self, last):
        """Return some fifty iterations: a look costs as much as a step."""
        return {round(last * share) for share in np.linspace(0, 1, 51)[1:]}

    def observe(self, snapshot):
        """Let the runs go that fit their labels."""
        self.memory["errors"][snapshot.active] = np.where(snapshot.diverged, np.inf, snapshot.train_error)
        self.memory["ended"][snapshot.active] = snapshot.iteration
        return snapshot.train_error < FITTED


def raced(options, context, rows, name=""):
    """Return the rows of an experiment of the race: of the methods of each algorithm on every ensemble, tuned for it
    before.

    ``rows`` takes options, context, an ensemble's number, the algorithm and its methods' runs, each with ``method``;
    ``name`` begins the names of the parts.
    """
    for number, names in product(context.ensembles, groups(options)):
        methods, label = {each: METHODS[each] for each in names}, f"{name}ensemble {number}, {' '.join(names)}"
        choices = context.part(f"{label}, tuning", tuned, options, context, methods, number)
        best = {(row["method"], row["kappa"]): row["chosen"] for row in choices}
        runs = [
            run_of(options, methods[name], kappa, target, best[name, kappa]) | {"method": name}
            for name, kappa, target in product(names, options["kappa"], range(options["targets"]))
        ]
        yield from context.part(label, rows, options, context, number, methods[names[0]].algorithm, runs)


def tuned(options, context, methods, number):
    """Return what methods of one algorithm choose of their grids at every κ: rows ``method``, ``kappa``, ``chosen``.

    A setting is as good as its worst run, and runs at its step and at one ``LONGER`` times as long: what is chosen lies
    away from the edge of stability, where a run is another on another processor, or is lost on another draw. The best
    has the smallest training error after a quarter of T; a run that fits its labels before is continued at its mean
    rate. The runs of a setting are on ``tuning_draws`` pairs of an ensemble and a target, of numbers from ``TUNING``
    on. Every judged ensemble has such pairs of its own: so the spread between ensembles holds that of the choice.

    Parameters
    ----------
    options : mapping
    context : algoreg.engine.experiment.Context
    methods : mapping of str to algoreg.chapters.race.methods.Method
    number : int
        The judged ensemble's.
    """
    settings = [
        (name, kappa, key)
        for name, kappa in product(methods, options["kappa"])
        for key in _tried(grid_of(options, methods[name]))
    ]
    (algorithm,) = {method.algorithm for method in methods.values()}
    first = TUNING + number * options["tuning_draws"]
    logs = []
    for draw in range(first, first + options["tuning_draws"]):
        runs = [run_of(options, methods[name], kappa, draw, dict(key), TUNING_SHARE) for name, kappa, key in settings]
        logs.append(_fits(context, batch_of(options, context, draw, algorithm, runs, [Fits()])))
    worst = np.max(logs, axis=0)
    scores = dict(zip(settings, worst.tolist(), strict=True))
    found = []
    for name, kappa in product(methods, options["kappa"]):
        grid = grid_of(options, methods[name])
        own = [max(scores[name, kappa, _key(each)] for each in (setting, _longer(setting))) for setting in grid]
        found.append({"method": name, "kappa": kappa, "chosen": grid[own.index(min(own))]})
    return found


def _tried(grid):
    """Return the keys of the settings that tuning runs, each once: those of the grid, and those with a longer step."""
    return dict.fromkeys(_key(each) for setting in grid for each in (setting, _longer(setting)))


def _key(setting):
    return tuple(setting.items())


def _longer(setting):
    """Return a setting with a longer step; steps of a grid that are as far apart are the same numbers."""
    return {**setting, "step": round(LONGER * setting["step"], 9)}


def _fits(context, batch):
    """Return the log training error of every run of a batch at the end of its budget,
    at its mean rate if it left before.
    """
    context.descend(batch)
    (seen,) = batch.observers
    with np.errstate(divide="ignore"):
        return np.log(seen.memory["errors"]) * batch.budgets / seen.memory["ended"]
