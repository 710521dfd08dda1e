"""What the experiments of momentum share: batches of accelerated descents."""

from itertools import product

from algoreg.algorithms import accelerated


def descend(context, ensemble, settings, planted, observers, labels=None):
    """Run every setting on every target of one ensemble.

    Parameters
    ----------
    context : algoreg.engine.experiment.Context
    ensemble : algoreg.ensembles.base.Ensemble
    settings : list of mapping
        S of them: ``step``, ``momentum``, ``iterations``, ``alpha``, ``start``, ``width``.
    planted : torch.Tensor
        X* of all targets, shape (T, d, d), or of each setting's own, shape (S, T, d, d).
    observers : list of Observer
    labels : torch.Tensor, optional
        A row for each run, where they are not the ensemble's own.

    Returns
    -------
    runs : list of mapping
        Settings × targets, in this order.
    status : list of str
    """
    goals = planted.expand(len(settings), *planted.shape[-3:])
    runs = [{**setting, "target": t, "m": ensemble.m} for setting, t in product(settings, range(goals.shape[1]))]
    return runs, context.run(ensemble, accelerated.Algorithm, runs, goals.flatten(0, 1), observers, labels).status
