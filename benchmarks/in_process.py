"""A tier's tables computed in one process, without Snakemake and files: for measuring spread, and for mutations."""

import io

import numpy as np
import pandas as pd
import torch

from algoreg import plugins
from algoreg.engine import recording, study
from algoreg.judge import snapshots
from algoreg.numerics import devices, problems
from algoreg.spec import plan
from algoreg.store import study_tables, tables


def _as_read(rows):
    """Return rows as they come back from a table's file: what is None is an empty cell there."""
    return pd.read_csv(io.StringIO(pd.DataFrame(rows).to_csv(index=False)))


def _dtype(block, tier, override):
    return override or block.get("dtype", tier["dtype"])


def _recorded(tier, name, number, *, dtype, threads, batches, drawn):
    """Return the recorded arrays of a descent on one ensemble, its runs dealt out to so many batches."""
    block = tier["descents"][name]
    problem = tier["problems"][block["problem"]]
    device, precision = devices.configure("cpu", _dtype(block, tier, dtype), threads)
    key = (block["problem"], number)
    if key not in drawn:
        drawn[key] = problems.draw_problem(problem, tier["seed"], number)
    arrays = drawn[key]
    ensemble = problems.regenerate_ensemble(problem, arrays, device, precision, name)
    runs = [{**run, "target": t} for run in plan.expand_runs(tier, name) for t in range(problem["targets"])]
    record, results = plan.own_record(tier, name), []
    for group in np.array_split(np.arange(len(runs)), min(batches or len(runs), len(runs))):
        batch = recording.recorded_batch(
            ensemble,
            arrays["factors"],
            arrays["labels"],
            block["algorithm"],
            [runs[i] for i in group],
            record,
            tier["seed"],
            block.get("stop_below_train_error"),
        )
        result = recording.recorded(batch)
        result["errors"][:, 0] = group[result["errors"][:, 0].astype(int)]
        results.append(result)
    joined = {key: np.concatenate([result[key] for result in results]) for key in ("errors", "status", "ended")}
    return problem, block["algorithm"], number, runs, joined


def tables_of(tier, names, *, dtype=None, threads=None, batches=1):
    """Return the committed form (see :func:`algoreg.judge.snapshots.snapshot`) of some of a tier's tables.

    Parameters
    ----------
    tier : mapping
        Validated settings.
    names : iterable of str
        Tables of experiments (comparisons aside) and of studies.
    dtype : str, optional
        Instead of each block's own.
    threads : int, optional
        Instead of the tier's.
    batches : int, optional
        How many batches the runs of a descent are dealt out to; None: every run has its own. If not 1, every ensemble
        of a study has a call of its own.
    """
    threads, done, drawn, found = threads or tier["threads"], {}, {}, {}
    for name in names:
        if name in tier.get("studies", {}):
            block = tier["studies"][name]
            device, precision = devices.configure("cpu", dtype or block.get("dtype", "float64"), threads)
            parts = [range(block["ensembles"])] if batches == 1 else [[number] for number in range(block["ensembles"])]
            options, frames = plan.study_options(block), []
            for numbers in parts:
                context = study.Context(tier["seed"], numbers, device, precision, say=lambda line: None)
                frames.append(_as_read(study.measure(block["study"], options, context)))
            module = plugins.study(block["study"])
            table = study_tables.collect(frames, block["study"], module.KEYS, study_tables.columns(module))
            found[name] = snapshots.of_study(table, block["study"])
            continue
        block = tier["experiments"][name]
        for key in [(d, n) for d in block["descents"] for n in plan.descent_ensembles(tier, d)]:
            if key not in done:
                done[key] = _recorded(tier, *key, dtype=dtype, threads=threads, batches=batches, drawn=drawn)
        descents = [done[d, n] for d in block["descents"] for n in plan.descent_ensembles(tier, d)]
        found[name] = snapshots.of_runs(_as_read(tables.tabulate(block, descents)), block["by"])
    torch.set_num_threads(tier["threads"])
    torch.set_flush_denormal(False)
    return found


def measured_tables(tier):
    """Return the names of the tables that runs and studies make, comparisons with published curves aside."""
    experiments = [name for name, block in tier["experiments"].items() if "compare" not in block]
    return [*experiments, *tier.get("studies", {})]
