"""Draw the targets of a problem and their labels under one ensemble."""

from algoreg.store import forkserver

forkserver.hand_over("torch")

from algoreg.numerics import devices, problems
from algoreg.store import joblog, records
from algoreg.store.provenance import of_job

joblog.write_to(snakemake.log[0])

settings, params = snakemake.config, snakemake.params
facts = of_job(snakemake, dtype="float64", device="cpu")
devices.configure("cpu", "float64", settings["threads"])
arrays = problems.draw_problem(params.problem, settings["seed"], int(snakemake.wildcards.ensemble))
facts["ensemble_sha256"] = str(arrays["ensemble_sha256"])
records.write_arrays(snakemake.output.arrays, arrays, facts)
