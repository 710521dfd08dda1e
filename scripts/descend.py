"""Run one descent on one ensemble, all its runs and targets, with checkpoints."""

from algoreg.engine import recording, study
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices, problems
from algoreg.spec.grids import known_measurements
from algoreg.store import problem_files, records
from algoreg.store.provenance import begin_job

facts, settings, job = begin_job(snakemake), snakemake.config, snakemake.params.job
device, dtype = devices.configure(settings["device"], job["dtype"], settings["threads"])
facts |= {"dtype": job["dtype"], "device": str(device)}
arrays = problem_files.read_problem(snakemake.input.arrays, settings["seed"])
batch = recording.recorded_batch(
    problems.regenerate_ensemble(job["problem"], arrays, device, dtype, snakemake.input.arrays),
    arrays["factors"],
    arrays["labels"],
    job["block"]["algorithm"],
    job["runs"],
    job["record"],
    settings["seed"],
    job["block"].get("stop_below_train_error"),
    job["problem"]["m"] - known_measurements(job["problem"]),
)
fingerprint = job_fingerprint(job, [str(arrays["problem_sha256"])], device)
checkpoint = Checkpoint(job["checkpoint"], fingerprint, settings["checkpoint_seconds"])
descent = study.Context(settings["seed"], [], device, dtype, checkpoint=checkpoint).descend(batch)
print(study.ended(descent), flush=True)
records.write_arrays(snakemake.output.arrays, recording.result(descent), {**facts, "fingerprint": fingerprint})
checkpoint.remove()
