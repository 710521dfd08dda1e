"""Run one descent on one ensemble, all its runs and targets, with checkpoints."""

from algoreg.store.handover import hand_over

hand_over("torch", "pandas")

from algoreg.engine import recording, study
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices, problems
from algoreg.spec.grids import known_measurements
from algoreg.store import problem_files, records
from algoreg.store.provenance import begin_job

facts, settings, params = begin_job(snakemake), snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
facts |= {"dtype": params.dtype, "device": str(device)}
arrays = problem_files.read_problem(snakemake.input.arrays, settings["seed"])
batch = recording.recorded_batch(
    problems.regenerate_ensemble(params.problem, arrays, device, dtype, snakemake.input.arrays),
    arrays["factors"],
    arrays["labels"],
    params.block["algorithm"],
    params.runs,
    params.record,
    settings["seed"],
    params.block.get("stop_below_train_error"),
    params.problem["m"] - known_measurements(params.problem),
)
fingerprint = job_fingerprint(dict(params.items()), [str(arrays["problem_sha256"])], device)
checkpoint = Checkpoint(params.checkpoint, fingerprint, settings["checkpoint_seconds"])
descent = study.Context(settings["seed"], [], device, dtype, checkpoint=checkpoint).descend(batch)
print(study.ended(descent), flush=True)
records.write_arrays(snakemake.output.arrays, recording.result(descent), {**facts, "fingerprint": fingerprint})
checkpoint.remove()
