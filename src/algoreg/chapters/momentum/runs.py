"""What the studies of momentum share: batches of accelerated descents, and when runs fall below an error."""

import math
from itertools import product

import numpy as np
import torch

from algoreg.algorithms import accelerated
from algoreg.engine.observers import Observer, looks


class Falls(Observer):
    """When a run's test error first falls below a tolerance, log-linear between looks; memory ``times``, ``last``, ``at`` (B,)."""

    def __init__(self, tolerance):
        self.tolerance = tolerance

    def prepare(self, batch):
        """Begin without times."""
        self.memory = {name: np.full(len(batch.runs), np.nan) for name in ("times", "last", "at")}

    def moments(self, last):
        """Return :func:`looks`."""
        return looks(last)

    def look(self, look):
        """Let the runs go that are below the tolerance."""
        errors, done = look.test_error, look.test_error < self.tolerance
        before, since = self.memory["last"][look.active], self.memory["at"][look.active]
        for run, error, old, start in zip(look.active[done], errors[done], before[done], since[done], strict=True):
            share = math.log(self.tolerance / error) / math.log(old / error) if old > self.tolerance else 0.0
            self.memory["times"][run] = look.iteration - (look.iteration - (start if share else 0)) * share
        self.memory["last"][look.active], self.memory["at"][look.active] = errors, look.iteration
        return done


def descend(context, ensemble, settings, planted, observers, labels=None):
    """Run every setting on every target of one ensemble.

    Parameters
    ----------
    context : algoreg.engine.study.Context
    ensemble : algoreg.ensembles.base.Ensemble
    settings : list of mapping
        ``step``, ``momentum``, ``iterations``, ``alpha``, ``start``, ``width``; with ``kappa`` where targets differ by it.
    planted : torch.Tensor or mapping
        X* of all targets, shape (T, d, d); by κ where settings have one.
    observers : list of Observer
    labels : torch.Tensor, optional
        A row for each run, where they are not the ensemble's own.

    Returns
    -------
    runs : list of mapping
        Settings × targets, in this order.
    status : list of str
    """
    count = len(planted) if torch.is_tensor(planted) else len(next(iter(planted.values())))
    runs = [{**setting, "target": t, "m": ensemble.m} for setting, t in product(settings, range(count))]
    goals = torch.stack(
        [(planted if torch.is_tensor(planted) else planted[run["kappa"]])[run["target"]] for run in runs]
    )
    return runs, context.run(ensemble, accelerated.Algorithm, runs, goals, observers, labels).status
