"""Run one descent on one ensemble or several, all their runs and targets, with checkpoints."""

import numpy as np

from algoreg import descent, devices, joblog, problems, records, stacked
from algoreg.provenance import provenance, settings_hash

joblog.write_to(snakemake.log[0])
settings, params = snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
facts = provenance(settings, dtype=params.dtype, device=str(device))
name, algorithm = params.problem["ensemble"], params.block["algorithm"]
for members in stacked.groups(len(snakemake.input.arrays), name, algorithm, device):
    paths = [snakemake.input.arrays[member] for member in members]
    arrays = [records.read_arrays(path) for path in paths]
    drawn = [
        problems.regenerate_ensemble(params.problem, one, device, dtype, path)
        for one, path in zip(arrays, paths, strict=True)
    ]
    batch = descent.Batch(
        stacked.Stack(drawn) if len(drawn) > 1 else drawn[0],
        np.concatenate([one["factors"] for one in arrays]),
        np.concatenate([one["labels"] for one in arrays]),
        algorithm,
        params.runs,
        params.record,
        settings["seed"],
        params.block.get("stop_below_train_error"),
    )
    del drawn
    identity = {"problem_sha256": [str(one["problem_sha256"]) for one in arrays], "device": str(device)}
    fingerprint = settings_hash({**dict(params.items()), **identity})
    checkpoint, seconds = params.checkpoints[members[0]], settings["checkpoint_seconds"]
    results = descent.run_to_file(batch, checkpoint, fingerprint, seconds, device)
    for member, result in zip(members, results, strict=True):
        output = snakemake.output.get(f"arrays_{member}")
        records.write_arrays(output, result, {**facts, "fingerprint": fingerprint})
# Not before: if this job fails, what it has written is removed.
for checkpoint in params.checkpoints:
    records.remove(checkpoint)
