"""Which modules of the package a piece of code loads: in a process of its own, forked where all that others made is loaded."""

import multiprocessing  # noqa: TID251 -- between processes of one test: nothing comes from elsewhere
import sys
import traceback

# Not of this package: their import is nearly all of what a process costs.
PRELOADED = ["torch", "pandas", "matplotlib.pyplot", "pydantic", "scipy.optimize", "cvxpy", "sklearn.linear_model"]


def _run(code, what, sender):
    try:
        assert "algoreg" not in sys.modules, "the process started with the package"
        exec(code, {"what": what})
        sender.send(sorted(name for name in sys.modules if name.split(".")[0] == "algoreg"))
    except BaseException:
        sender.send(traceback.format_exc())


def loaded(code, what):
    """Return the modules of this package that a process has loaded after running some code, which finds ``what`` under that name."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(code, what, sender))
    process.start()
    assert receiver.poll(600), "the process says nothing"
    found = receiver.recv()
    process.join()
    assert isinstance(found, list), found
    return set(found)
