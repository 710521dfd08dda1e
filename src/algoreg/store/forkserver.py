"""Jobs that start with their libraries loaded: torch alone takes longer to load than most small jobs take to run.

A workflow starts one server (:func:`start`), which loads libraries while the workflow still plans its jobs. A script
hands itself over before it imports anything large (:mod:`algoreg.store.handover`): the server loads what else the
script names, once, and forks; the fork runs the script, and the script's first process waits for its exit status.
Without a server, as on a cluster's nodes, the script runs where it is. So it does where it could tell the difference:
with another interpreter or environment than the server's, or with several threads.
"""

import ast
import atexit
import contextlib
import fcntl
import gc
import importlib
import os
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from algoreg.store.handover import PLACE, STARTED

# Snakemake loads nbformat for every script, and that jsonschema, whose check of international addresses compiles a
# grammar: more than a second in every process. None makes that import fail; jsonschema then goes without, as where it
# is not installed.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# Large pages for what the server loads, where the C library and the system have them: to fork copies a table of all
# pages, which takes longer than much else of a small job.
TUNABLES = "GLIBC_TUNABLES"
LARGE_PAGES = "glibc.malloc.hugetlb=1"

# What shells set and no library reads, and where temporary files go, which libraries ask when they make one.
IGNORED = {PLACE, "_", "PWD", "OLDPWD", "SHLVL", "TMPDIR", "TMP", "TEMPDIR", "TEMP", TUNABLES}

# What Snakemake puts before every script needs them.
PREAMBLE = ("snakemake.script", "snakemake.logging")

# A script's call of hand_over, on one line or several.
CALL = re.compile(r"^hand_over\([^)]*\)\n", re.MULTILINE)

# What a machine that shuts down or a terminal that is closed says to all processes of a run.
ENDINGS = (signal.SIGTERM, signal.SIGHUP)

# Seconds that a script has to say what it is.
PATIENCE = 60


class Job(NamedTuple):
    """A script that was handed over: what it is, its standard streams, and where its exit status goes."""

    told: dict[str, Any]
    streams: list[int]
    connection: socket.socket


def start(*libraries: str, **variables: str) -> "subprocess.Popen[bytes] | None":
    """Start a server that ends with this process, and let the scripts that this process starts find it.

    Parameters
    ----------
    *libraries
        What the server loads at once.
    **variables
        What the scripts' environment has besides this process's own: libraries read it when they are loaded.

    Returns
    -------
    subprocess.Popen or None
        The server, which ends when the last reference to it is gone. None where there can be none: the temporary folder
        cannot be written to, or its path is too long for a socket.
    """
    with contextlib.ExitStack() as undone:
        try:
            folder = tempfile.mkdtemp(prefix="forkserver-")
            undone.callback(shutil.rmtree, folder)
            listener = undone.enter_context(socket.socket(socket.AF_UNIX))
            place = str(Path(folder, "socket"))
            listener.bind(place)
            listener.listen(64)
            # -P: it takes no library from the working directory, where scripts take none either.
            command = [sys.executable, "-P", "-m", __name__, str(listener.fileno()), *libraries]
            environment = {TUNABLES: LARGE_PAGES, **os.environ, **variables}
            # Nothing is written to the pipe. It ends when this process does, in whatever way.
            server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], env=environment)
        except OSError:
            return None
        undone.pop_all()
    listener.close()
    # A server that is killed leaves it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[PLACE] = place
    return server


def beginning_with_call(source: str, preamble: str) -> str:
    """Return a script with Snakemake's preamble behind its call of ``hand_over``, or in front where it has none.

    What the preamble imports takes longer than many a job; so only the fork reads it, which has that loaded.
    """
    call = CALL.search(source)
    end = call.end() if call else 0
    return source[:end] + preamble + source[end:]


def serve(listener: socket.socket, libraries: list[str]) -> Job | None:
    """Load libraries; fork for every script that connects, until standard input ends;
    return a script's job in its fork.
    """
    # An interrupt is for the jobs: each ends, and the workflow then ends this.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN), **_tidy_when_told_to_end(listener)}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    known = _lasting(os.environ)
    waiting = [*PREAMBLE, *libraries]
    while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [], 0 if waiting else None)[0]):
        if listener not in ready:
            # While nobody asks: a script that needs the first ones alone does not wait for the others.
            _load([waiting.pop(0)])
            continue
        try:
            job = _accepted(listener)
        except (OSError, ValueError, SyntaxError):
            # A script that was killed while it spoke.
            continue
        same = _lasting(job.told["environment"]) == known and job.told["program"] == sys.executable
        if same and _forked(job.told["libraries"]):
            listener.close()
            for number, handler in before.items():
                signal.signal(number, handler)
            return job
        _close(job.connection, job.streams)
    _remove(listener)
    return None


def _remove(listener: socket.socket) -> None:
    """Remove the server's folder, where the process that started it has not."""
    shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)


def _tidy_when_told_to_end(listener: socket.socket) -> dict[signal.Signals, Any]:
    """Let the server remove its folder when it is told to end; return what forks do at these signals instead."""
    server = os.getpid()

    def end(number: int, _: Any) -> None:
        # Not a fork that has yet to become a script's process.
        if os.getpid() == server:
            _remove(listener)
        os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDINGS}
    # What nohup has it ignore, it goes on ignoring.
    for number in (one for one in ENDINGS if before[one] is signal.SIG_DFL):
        signal.signal(number, end)
    return before


def _accepted(listener: socket.socket) -> Job:
    """Return the job of the next script that connects."""
    connection, _ = listener.accept()
    streams: list[int] = []
    try:
        connection.settimeout(PATIENCE)
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as message:
            told = ast.literal_eval(message.readline().decode())
        if len(streams) != 3:
            raise ValueError("not the three standard streams")
    except (OSError, ValueError, SyntaxError):
        _close(connection, streams)
        raise
    return Job(told, streams, connection)


def _close(connection: socket.socket, streams: list[int]) -> None:
    """Leave a script to itself, or to its fork."""
    connection.close()
    for stream in streams:
        os.close(stream)


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a library may read."""
    return {name: value for name, value in environment.items() if name not in IGNORED}


def _load(libraries: Iterable[str]) -> None:
    """Load libraries."""
    for library in libraries:
        # A script that needs one will say that there is none.
        with contextlib.suppress(Exception):
            importlib.import_module(library)


def _forked(libraries: list[str]) -> bool:
    """Load libraries and fork; return whether this is the fork."""
    _load((*PREAMBLE, *libraries))
    # What the forks share is not looked through by their collectors, which would copy it.
    gc.freeze()
    try:
        return os.fork() == 0
    except OSError:
        # No room for another process.
        return False


def run(job: Job) -> int:
    """Be a script's process: run it and send its exit status, which is returned."""
    _become(job)
    # Fails if the first process has ended since it asked.
    job.connection.sendall(STARTED)
    status = _status_of(sys.argv[0])
    # As the interpreter ends: threads first.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for output in (sys.stdout, sys.stderr, sys.__stdout__):
        # One that the script has closed.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            output.flush()  # type: ignore[union-attr]
    job.connection.sendall(str(status).encode() + b"\n")
    return status


def _become(job: Job) -> None:
    """Take on what a script's first process had, and end when that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # When the first process ends, killed by the workflow or a user, SIGIO ends this one.
    fcntl.fcntl(job.connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(job.connection, fcntl.F_SETFL, fcntl.fcntl(job.connection, fcntl.F_GETFL) | os.O_ASYNC)
    for number, stream in enumerate(job.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(job.told["folder"])
    os.environ.clear()
    os.environ.update(job.told["environment"])
    sys.argv, sys.path = job.told["arguments"], job.told["path"]
    # Where the user's home cannot be written to, matplotlib has a folder of the server's, for all forks.
    atexit.unregister(shutil.rmtree)
    # The server may have asked where temporary files go; the script has its own place for them.
    tempfile.tempdir = None
    # Otherwise the forks of a run would draw the same from numpy's global stream.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _status_of(script: str) -> int:
    """Run a script as the interpreter would and return its exit status."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0)
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        return 128 + signal.SIGINT
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    job = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    if job:
        # As forks of multiprocessing end: to free the libraries one by one would take longer than many a job.
        status = 1
        try:
            status = run(job)
        finally:
            os._exit(status)
