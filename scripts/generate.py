"""Generate the data of one ensemble of an experiment: what is drawn before it is measured."""

import numpy as np

from algoreg import plugins
from algoreg.numerics import devices
from algoreg.results import records
from algoreg.results.provenance import begin_job

settings, job = snakemake.config, snakemake.params.job
facts = begin_job(snakemake, dtype="float64", device="cpu")
devices.configure("cpu", "float64", settings["threads"])
arrays = plugins.experiment(job["experiment"]).generate(job["options"], job["seed"], job["ensemble"])
# Whose they are: who reads them compares it with the file's place.
named = {"seed": np.int64(job["seed"]), "ensemble": np.int64(job["ensemble"])}
records.write_arrays(snakemake.output.arrays, {**arrays, **named}, facts)
