"""Experiments that are measured while one waits, as in a notebook: without files, jobs or Snakemake."""

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
    """Return the table of an experiment that is measured now, on a CPU with one thread, in float64.

    Parameters
    ----------
    name : str
        The experiment, a module in the folder ``experiments`` of a chapter.
    seed : int
        Another one is another draw of everything.
    ensembles : int
        How many ensembles are drawn.
    **options
        Of the experiment; ``Options`` in its module says what they may be, and which may be left out.

    Returns
    -------
    pandas.DataFrame
        A row per run and what else names a row there (``KEYS``), its columns ``VALUES``.
    """
    complete = experiment_options({"experiment": name, "options": options})
    context = experiment.Context(seed, range(ensembles), torch.device("cpu"), torch.float64, lambda line: None)
    # Sums depend on threads, and so would the last digits of a page.
    with devices.at_most(1), threadpoolctl.threadpool_limits(1, user_api="blas"):
        rows = experiment.measure(name, complete, context)
    module = plugins.experiment(name)
    return experiment_tables.collect([pd.DataFrame(rows)], name, module.KEYS, experiment_tables.columns(module))
