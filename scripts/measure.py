"""Measure some ensembles of a study, with checkpoints."""

from algoreg.store.handover import hand_over

hand_over("torch", "pandas", "pydantic.root_model", "scipy.optimize")

import pandas as pd

from algoreg.engine import study
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices
from algoreg.store import generated, records, study_tables
from algoreg.store.provenance import begin_job

facts, settings, params = begin_job(snakemake), snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
facts |= {"dtype": params.dtype, "device": str(device)}
files = list(snakemake.input.generated)
fingerprint = job_fingerprint(dict(params.items()), map(records.sha256, files), device)
checkpoint = Checkpoint(params.checkpoint, fingerprint, settings["checkpoint_seconds"])
data = generated.of_ensembles(files, settings["seed"])
context = study.Context(settings["seed"], params.ensembles, device, dtype, checkpoint=checkpoint, data=data)
table = study_tables.collect([pd.DataFrame(study.measure(params.study, params.options, context))], params.study)
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
checkpoint.remove()
