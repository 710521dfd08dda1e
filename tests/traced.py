"""Processes of their own for what must not find this package loaded, forked where all that others made is loaded."""

import contextlib
import io
import multiprocessing
import os
import sys
import traceback

# Not of this package: their import is nearly all of what a process costs.
PRELOADED = [
    "torch",
    "pandas",
    "matplotlib.pyplot",
    "pydantic",
    "scipy.optimize",
    "scipy.stats",
    "cvxpy",
    "sklearn.linear_model",
    "pytest",
    "hypothesis",
    "yaml",
]


def _run(task, arguments, sender):
    try:
        assert "algoreg" not in sys.modules, "the process started with the package"
        sender.send((task(*arguments), None))
    except BaseException:
        sender.send((None, traceback.format_exc()))


def _forked(task, *arguments):
    """Return what one of this module's functions returns in a process without the package."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(task, arguments, sender))
    process.start()
    assert receiver.poll(600), "the process says nothing"
    found, error = receiver.recv()
    process.join()
    assert error is None, error
    return found


def _loaded(code, what):
    exec(code, {"what": what})
    return {name for name in sys.modules if name.split(".")[0] == "algoreg"}


def loaded(code, what):
    """Return the modules of this package that a process has loaded after running some code,
    which finds ``what`` under that name.
    """
    return _forked(_loaded, code, what)


def _outcome(folder, nodes):
    import pytest

    # Those of the run that asked for this one.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    sys.path.insert(0, folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *nodes])
    return int(status), printed.getvalue()


def outcome(folder, nodes):
    """Run tests with the package that a folder has; return pytest's exit status and what it printed."""
    return _forked(_outcome, str(folder), list(map(str, nodes)))
