"""Jobs that start with their libraries loaded: torch alone takes longer to load than most small jobs take to run.

A workflow starts one server (:func:`start`). A script hands itself over before it imports anything large (:func:`hand_over`): the server
loads the libraries that the script names, once, and forks; the fork runs the script, and the script's first process waits for its exit
status. Without a server, as on a cluster's nodes, the script runs where it is. So it does where it could tell the difference: with another
interpreter or environment than the server's, or with several threads.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

PLACE = "ALGOREG_FORKSERVER"

# What shells set and no library reads.
IGNORED = {PLACE, "_", "PWD", "OLDPWD", "SHLVL"}

# What Snakemake puts before every script needs them.
PREAMBLE = ("snakemake.script", "snakemake.logging")

REFUSED = "refused"

# Seconds that a script has to say what it is.
PATIENCE = 60


class Job(NamedTuple):
    """A script that was handed over: what it is, its standard streams, and where its exit status goes."""

    told: dict[str, Any]
    streams: list[int]
    connection: socket.socket


def start() -> "subprocess.Popen[bytes]":
    """Start a server that ends with this process, and let the scripts that this process starts find it.

    Returns
    -------
    subprocess.Popen
        The server. It ends when the last reference to this is gone.
    """
    place = str(Path(tempfile.mkdtemp(prefix="forkserver-"), "socket"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(64)
        number = listener.fileno()
        # Nothing is written to the pipe. It ends when this process does, in whatever way.
        command = [sys.executable, "-m", __name__, str(number)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number])
    os.environ[PLACE] = place
    return server


def hand_over(*libraries: str) -> None:
    """Run the calling script in a fork of the server and exit with its status; return if there is none for it.

    Parameters
    ----------
    *libraries
        What the script needs that takes long to load. Not this package: its modules are those of the day, and a job has only its own.
    """
    place = os.environ.pop(PLACE, None)
    # A fork has none of the threads that its libraries started when they were loaded.
    if place is None or os.environ.get("OMP_NUM_THREADS") != "1":
        return
    told = {
        "libraries": libraries,
        "program": sys.executable,
        "arguments": sys.argv,
        "path": sys.path,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(place)
        except OSError:
            return
        # With one byte of their own: the next message is read without its streams.
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        server.sendall(json.dumps(told).encode() + b"\n")
        answer = server.makefile().read()
    if answer != REFUSED:
        # Without an answer the fork was killed: by the system for memory, perhaps.
        os._exit(int(answer or 128 + signal.SIGKILL))


def serve(listener: socket.socket) -> Job | None:
    """Fork for every script that connects, until standard input ends; return a script's job in its fork."""
    # An interrupt is for the jobs: each ends, and the workflow then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    known = None
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        job = _accepted(listener)
        # The first script's environment is the server's: libraries read theirs when they are loaded.
        if known is None:
            known = _lasting(job.told["environment"])
            os.environ.update(known)
        if _lasting(job.told["environment"]) != known or job.told["program"] != sys.executable:
            job.connection.sendall(REFUSED.encode())
        elif _forked(job.told["libraries"]):
            listener.close()
            return job
        for stream in job.streams:
            os.close(stream)
        job.connection.close()
    place = Path(listener.getsockname())
    place.unlink()
    place.parent.rmdir()
    return None


def _accepted(listener: socket.socket) -> Job:
    """Return the job of the next script that connects."""
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    told = b""
    while not told.endswith(b"\n"):
        told += connection.recv(1 << 16)
    return Job(json.loads(told), streams, connection)


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a library may read."""
    return {name: value for name, value in environment.items() if name not in IGNORED}


def _forked(libraries: list[str]) -> bool:
    """Load libraries and fork; return whether this is the fork."""
    for library in (*PREAMBLE, *libraries):
        # The script will say that it has none.
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    # What the forks share is not looked through by their collectors, which would copy it.
    gc.freeze()
    return os.fork() == 0


def run(job: Job) -> int:
    """Be a script's process: run it and send its exit status, which is returned."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # When the script's first process ends, killed by the workflow or a user, SIGIO ends this one.
    fcntl.fcntl(job.connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(job.connection, fcntl.F_SETFL, fcntl.fcntl(job.connection, fcntl.F_GETFL) | os.O_ASYNC)
    for number, stream in enumerate(job.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(job.told["folder"])
    os.environ.clear()
    os.environ.update(job.told["environment"])
    sys.argv, sys.path = job.told["arguments"], job.told["path"]
    status = _status_of(sys.argv[0])
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    job.connection.sendall(str(status).encode())
    return status


def _status_of(script: str) -> int:
    """Run a script as the interpreter would and return its exit status."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    job = serve(socket.socket(fileno=int(sys.argv[1])))
    if job:
        # As forks of multiprocessing end: to free the libraries one by one would take longer than many a job.
        os._exit(run(job))
