"""Draw the targets of a problem and their labels under one ensemble."""

from algoreg.numerics import devices, problems
from algoreg.store import records
from algoreg.store.provenance import begin_job

settings, job = snakemake.config, snakemake.params.job
facts = begin_job(snakemake, dtype="float64", device="cpu")
devices.configure("cpu", "float64", settings["threads"])
arrays = problems.draw_problem(job["problem"], settings["seed"], int(snakemake.wildcards.ensemble))
facts["ensemble_sha256"] = str(arrays["ensemble_sha256"])
records.write_arrays(snakemake.output.arrays, arrays, facts)
