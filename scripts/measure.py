"""Measure some ensembles of a study, with checkpoints."""

from algoreg.store.handover import hand_over

hand_over("torch", "pandas", "pydantic.root_model", "scipy.optimize")

import pandas as pd

from algoreg import plugins
from algoreg.engine import study
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices
from algoreg.store import records, study_tables
from algoreg.store.provenance import begin_job

facts, settings, params = begin_job(snakemake), snakemake.config, snakemake.params
device, dtype = devices.configure(settings["device"], params.dtype, settings["threads"])
facts |= {"dtype": params.dtype, "device": str(device)}
fingerprint = job_fingerprint(dict(params.items()), [], device)
checkpoint = Checkpoint(params.checkpoint, fingerprint, settings["checkpoint_seconds"])
context = study.Context(settings["seed"], params.ensembles, device, dtype, checkpoint=checkpoint)
frame, module = pd.DataFrame(study.measure(params.study, params.options, context)), plugins.study(params.study)
table = study_tables.collect([frame], params.study, module.KEYS, study_tables.columns(module))
records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
checkpoint.remove()
