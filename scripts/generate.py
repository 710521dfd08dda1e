"""Generate the data of one ensemble of a study: what is drawn before it is measured."""

import numpy as np

from algoreg import registry
from algoreg.numerics import devices
from algoreg.store import records
from algoreg.store.provenance import begin_job

settings, params = snakemake.config, snakemake.params
facts = begin_job(snakemake, dtype="float64", device="cpu")
devices.configure("cpu", "float64", settings["threads"])
arrays = registry.study(params.study).generate(params.options, settings["seed"], params.ensemble)
# Whose they are: who reads them compares it with the file's place.
named = {"seed": np.int64(settings["seed"]), "ensemble": np.int64(params.ensemble)}
records.write_arrays(snakemake.output.arrays, {**arrays, **named}, facts)
