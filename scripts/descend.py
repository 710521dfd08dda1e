"""Run one descent on one ensemble, all its runs and targets in one batch, with checkpoints."""

from algoreg import descent, devices, joblog, problems, records
from algoreg.provenance import provenance, settings_hash

joblog.write_to(snakemake.log[0])
settings, params = snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
facts = provenance(settings, dtype=params.dtype, device=str(device))
arrays = records.read_arrays(snakemake.input.arrays)
ensemble = problems.regenerate_ensemble(params.problem, arrays, device, dtype, snakemake.input.arrays)
batch = descent.Batch(
    ensemble,
    arrays["factors"],
    arrays["labels"],
    params.block["algorithm"],
    params.runs,
    params.record,
    settings["seed"],
    params.block.get("stop_below_train_error"),
)
identity = {"problem_sha256": str(arrays["problem_sha256"]), "device": str(device)}
fingerprint = settings_hash({**dict(params.items()), **identity})
checkpoint = params.checkpoint
result = descent.run_to_file(batch, checkpoint, fingerprint, settings["checkpoint_seconds"], device)
records.write_arrays(snakemake.output.arrays, result, {**facts, "fingerprint": fingerprint})
records.remove(checkpoint)
