"""Measure an experiment interactively, as in a notebook, without files, jobs or Snakemake."""

from typing import Any

import pandas as pd
import threadpoolctl
import torch

from algoreg import plugins
from algoreg.engine import experiment
from algoreg.numerics import devices
from algoreg.results import experiment_tables
from algoreg.settings.plan import experiment_options


def measure(name: str, *, seed: int = 2018, ensembles: int = 1, **options: Any) -> pd.DataFrame:
    """Measure an experiment on one thread of the CPU in float64, and return its table.

    Parameters
    ----------
    name : str
        The experiment, a module in a chapter's folder ``experiments``.
    seed : int
        Root seed of all random draws.
    ensembles : int
        How many ensembles are drawn.
    **options
        The experiment's options; the class ``Options`` in its module defines them and their defaults.

    Returns
    -------
    pandas.DataFrame
        The columns are the module's ``KEYS``, which identify a row, and its ``VALUES``.
    """
    complete = experiment_options({"experiment": name, "options": options})
    context = experiment.Context(seed, range(ensembles), torch.device("cpu"), torch.float64, lambda line: None)
    # Sums depend on the number of threads, and so would the last digits that a page shows.
    with devices.at_most(1), threadpoolctl.threadpool_limits(1, user_api="blas"):
        rows = experiment.measure(name, complete, context)
    module = plugins.experiment(name)
    return experiment_tables.collect([pd.DataFrame(rows)], name, module.KEYS, experiment_tables.columns(module))
