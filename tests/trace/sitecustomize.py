"""Trace the scripts of a workflow: which modules of the package each loads, and which files it reads.

Python imports this module in every process whose PYTHONPATH contains this folder. Each job of Snakemake writes a JSON
file into the folder that the variable TRACE gives.
"""

import atexit
import json
import os
import sys

opened = set()


def note(event, arguments):
    """Record a file that is opened for reading."""
    if event == "open" and isinstance(arguments[0], str) and "w" not in (arguments[1] or "r"):
        opened.add(arguments[0])


def save():
    """Write the modules, files, inputs and outputs of this process's job."""
    job = getattr(sys.modules["__main__"], "snakemake", None)
    found = {
        "script": os.path.basename(sys.argv[0]).split(".", 1)[1],
        "modules": sorted(name for name in sys.modules if name.split(".")[0] == "algoreg"),
        "opened": sorted(os.path.abspath(path) for path in opened),
        "inputs": list(map(str, job.input)),
        "outputs": list(map(str, job.output)),
    }
    with open(os.path.join(os.environ["TRACE"], f"{os.getpid()}.json"), "w") as file:
        json.dump(found, file)


if os.sep + ".snakemake" + os.sep in (sys.orig_argv[-1] if sys.orig_argv else ""):
    sys.addaudithook(note)
    atexit.register(save)
