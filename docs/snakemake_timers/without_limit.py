"""Run the Snakefile beside this file through Snakemake's API without a limit of jobs per timespan; print threads."""

import tempfile
import threading
import time
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings, SchedulingSettings

SNAKEFILE = Path(__file__).with_name("Snakefile").resolve()


def watch(ended):
    """Print the number of other threads each second."""
    while not ended.wait(1):
        print(threading.active_count() - 1, end=" ", flush=True)


if __name__ == "__main__":
    ended = threading.Event()
    threading.Thread(target=watch, args=(ended,), daemon=True).start()
    with (
        tempfile.TemporaryDirectory() as folder,
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        workflow = api.workflow(ResourceSettings(cores=1), snakefile=SNAKEFILE, workdir=Path(folder))
        dag = workflow.dag(DAGSettings())
        dag.execute_workflow("local", scheduling_settings=SchedulingSettings(max_jobs_per_timespan=None))
        last = max(path.stat().st_mtime for path in Path(folder, "done").iterdir())
    ended.set()
    print(f"| end: {time.time() - last:.0f} s, processor: {time.process_time():.2f} s")
