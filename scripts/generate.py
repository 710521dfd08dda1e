"""Generate the data of one ensemble of an experiment."""

import numpy as np

from algoreg import plugins
from algoreg.numerics import devices
from algoreg.results import records
from algoreg.results.provenance import begin_job

settings, job = snakemake.config, snakemake.params.job
facts = begin_job(snakemake, dtype="float64", device="cpu")
devices.configure("cpu", "float64", settings["threads"])
arrays = plugins.experiment(job["experiment"]).generate(job["options"], job["seed"], job["ensemble"])
# Readers compare the seed and the number of the ensemble with the file's path.
named = {"seed": np.int64(job["seed"]), "ensemble": np.int64(job["ensemble"])}
records.write_arrays(snakemake.output.arrays, {**arrays, **named}, facts)
