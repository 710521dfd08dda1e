"""Run one descent on one ensemble or several, all their runs and targets, with checkpoints."""

import numpy as np

from algoreg import registry
from algoreg.engine import descent, stacked
from algoreg.numerics import devices, problems
from algoreg.store import joblog, problem_files, records
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])
settings, params = snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
algorithm = params.block["algorithm"]


def run(members, keep):
    """Run the ensembles at these places of the job, together, and write their results."""
    watch = records.Stopwatch(len(members))
    facts = of_job(snakemake, dtype=params.dtype, device=str(device), seconds=watch)
    paths = [snakemake.input.arrays[member] for member in members]
    print(f"descending on {', '.join(paths)}", flush=True)
    arrays = [problem_files.read_problem(path, settings["seed"]) for path in paths]
    drawn = (
        problems.regenerate_ensemble(params.problem, one, device, dtype, path)
        for one, path in zip(arrays, paths, strict=True)
    )
    batch = descent.Batch(
        stacked.Stack(drawn, len(members)) if len(members) > 1 else next(drawn),
        np.concatenate([one["factors"] for one in arrays]),
        np.concatenate([one["labels"] for one in arrays]),
        algorithm,
        params.runs,
        params.record,
        settings["seed"],
        params.block.get("stop_below_train_error"),
    )
    digests = [str(one["problem_sha256"]) for one in arrays]
    fingerprint = descent.job_fingerprint(dict(params.items()), digests, device)
    checkpoint, seconds = params.checkpoints[members[0]], settings["checkpoint_seconds"]
    results = descent.run_to_file(batch, checkpoint, fingerprint, seconds, device, keep)
    for member, result in zip(members, results, strict=True):
        output = snakemake.output.get(f"arrays_{member}")
        records.write_arrays(output, result, {**facts, "fingerprint": fingerprint})


stacks = getattr(registry.algorithm(algorithm), "stacks", False)
groups = stacked.groups(len(snakemake.input.arrays), params.problem, dtype, device, stacks)
for members in groups:
    run(members, keep=len(groups) > 1)
# Not before: if this job fails, what it has written is removed.
for checkpoint in params.checkpoints:
    records.remove(checkpoint)
