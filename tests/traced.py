"""Run code in processes that have not loaded this package, forked from a server that has loaded its dependencies."""

import contextlib
import io
import multiprocessing
import os
import sys
import traceback

# Third-party packages, whose import is most of the cost of a new process.
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
    """Call one of this module's functions in a process without the package, and return its result."""
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
    """Return the modules of this package that are loaded after running code, in which ``what`` is a variable."""
    return _forked(_loaded, code, what)


def _outcome(folder, nodes):
    import pytest

    # Remove the variables of the test run that started this process.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    sys.path.insert(0, folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *nodes])
    return int(status), printed.getvalue()


def outcome(folder, nodes):
    """Run tests with the package in a folder, and return pytest's exit status and output."""
    return _forked(_outcome, str(folder), list(map(str, nodes)))
