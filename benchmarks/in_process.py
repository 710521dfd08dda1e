"""Compute a tier's tables in one process, without Snakemake and files, to measure spread and for mutation tests."""

import io
from functools import partial

import numpy as np
import pandas as pd
import torch

from algoreg import plugins
from algoreg.engine import experiment
from algoreg.experiments import descents
from algoreg.numerics import devices, problems
from algoreg.regression import references, snapshots
from algoreg.results import experiment_tables, records, tables
from algoreg.settings import descents as settings
from algoreg.settings import plan


def _as_read(rows):
    """Return rows as they would be read from a table's file, in which None is an empty cell."""
    return pd.read_csv(io.StringIO(pd.DataFrame(rows).to_csv(index=False)))


def measured(tier, name, numbers, *, dtype, threads, batches):
    """Return an experiment's table; if ``batches`` is not 1, every ensemble is measured in a separate call."""
    block = tier["experiments"][name]
    device, precision = devices.configure("cpu", dtype or plan.dtype_of(block, tier), threads)
    options, frames = plan.experiment_options(block, tier), []
    for part in [numbers] if batches == 1 else [[number] for number in numbers]:
        context = experiment.Context(tier["seed"], part, device, precision, log=lambda line: None)
        if plan.records_descents(block) and batches != 1:
            rows = [row for number in part for row in _in_batches(options, context, number, batches)]
        else:
            rows = experiment.measure(block["experiment"], options, context)
        frames.append(_as_read(rows))
    module = plugins.experiment(block["experiment"])
    return experiment_tables.collect(frames, block["experiment"], module.KEYS, experiment_tables.columns(module))


def _in_batches(options, context, number, batches):
    """Return the rows of recorded descents on one ensemble, whose runs are divided among ``batches`` batches."""
    arrays = descents.generate(options, context.seed, number)
    problem, runs, results = descents.problem_of(options), descents.runs_on_targets(options), []
    ensemble = problems.regenerate_ensemble(problem, arrays, context.device, context.dtype, "memory")
    for group in np.array_split(np.arange(len(runs)), min(batches or len(runs), len(runs))):
        batch = descents.recorded_batch(
            ensemble,
            arrays["factors"],
            arrays["labels"],
            options["algorithm"],
            [runs[i] for i in group],
            settings.record_as_run(options),
            context.seed,
            options["stop_below_train_error"],
        )
        result = descents.recorded(batch)
        for key in ("errors", "spectra"):
            result[key][:, 0] = group[result[key][:, 0].astype(int)]
        results.append(result)
    joined = {key: np.concatenate([result[key] for result in results]) for key in results[0]}
    return descents.rows_of(options, number, runs, joined)


def _as_text(table):
    """Return the rows of a table with cells as in its file."""
    columns = list(table)
    return [{name: records.format_cell(row[name]) for name in columns} for row in table.to_dict("records")]


def tables_of(tier, names, *, dtype=None, threads=None, batches=1):
    """Return some of a tier's tables in the form of a reference (:mod:`algoreg.regression.references`).

    Parameters
    ----------
    tier : mapping
        Validated settings.
    names : iterable of str
        Tables of runs and of experiments, but not comparisons.
    dtype : str, optional
        A type that replaces that of each block.
    threads : int, optional
        A number of threads that replaces the tier's.
    batches : int, optional
        The number of batches among which the runs of a descent are divided; None puts every run into a batch of its
        own. If it is not 1, every ensemble of an experiment is measured in a separate call.
    """
    measure = partial(measured, tier, dtype=dtype, threads=threads or tier["threads"], batches=batches)
    recorded, found = {}, {}

    def committed(frame, keys, values):
        return references.read_table(io.StringIO(snapshots.table_text(frame, keys, values)))

    for name in names:
        block = tier["experiments"][name]
        if "select" not in block:
            module = plugins.experiment(block["experiment"])
            found[name] = committed(measure(name, range(block["ensembles"])), module.KEYS, module.VALUES)
            continue
        for one in block["select"]:
            if one not in recorded:
                recorded[one] = _as_text(measure(one, range(tier["experiments"][one]["ensembles"])))
        rows = tables.select(block, [recorded[one] for one in block["select"]])
        found[name] = committed(_as_read(rows), [*block["by"], "target", "ensemble"], snapshots.VALUES)
    torch.set_num_threads(tier["threads"])
    torch.set_flush_denormal(False)
    return found


def measured_tables(tier):
    """Return the names of the tables of runs and experiments, without comparisons with published curves."""
    return [name for name in plan.tables(tier) if "compare" not in tier["experiments"][name]]
