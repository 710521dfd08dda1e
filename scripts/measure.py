"""Measure some ensembles of an experiment, with checkpoints."""

# An experiment may start processes that import this script; there it must not load or run anything.
if __name__ == "__main__":
    import pandas as pd

    from algoreg import plugins
    from algoreg.engine import experiment
    from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
    from algoreg.numerics import devices
    from algoreg.results import experiment_tables, generated, records
    from algoreg.results.provenance import begin_job

    facts, settings, job = begin_job(snakemake), snakemake.config, snakemake.params.job
    asked = settings["device"] if snakemake.resources.gpu else "cpu"
    device, dtype = devices.configure(asked, job["dtype"], settings["threads"])
    facts |= {"dtype": job["dtype"], "device": str(device)}
    fingerprint = job_fingerprint(job, map(records.sha256, snakemake.input), device)
    checkpoint = Checkpoint(job["checkpoint"], fingerprint, settings["checkpoint_seconds"])
    data = generated.of_ensembles(snakemake.input.get("generated", []), job["seed"])
    context = experiment.Context(job["seed"], job["ensembles"], device, dtype, checkpoint=checkpoint, data=data)
    frame, module = (
        pd.DataFrame(experiment.measure(job["experiment"], job["options"], context)),
        plugins.experiment(job["experiment"]),
    )
    table = experiment_tables.collect([frame], job["experiment"], module.KEYS, experiment_tables.columns(module))
    records.write_table(snakemake.output.table, list(table), table.to_dict("records"), facts)
    checkpoint.remove()
