"""What the studies of momentum share: batches of accelerated descents."""

from itertools import product

import torch

from algoreg.algorithms import accelerated


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
