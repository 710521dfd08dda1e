"""The first act of a script: it hands itself over to a server of forks that has its libraries loaded.

Apart from :mod:`algoreg.store.forkserver`, as every job's first process loads this, and nothing else.
"""

import os
import signal
import socket
import sys

# Where the server listens.
PLACE = "ALGOREG_FORKSERVER"

# What a fork says before it runs the script: from then on the script is its own.
STARTED = b"started\n"


def hand_over(*libraries: str) -> None:
    """Run the calling script in a fork of the server and exit with its status; return if there is none for it.

    The libraries are what the script needs that takes long to load. No modules of this package: a job's sidecar names
    those that it loaded itself.
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
            socket.send_fds(server, [b"\n"], [0, 1, 2])
            # As Python writes it, which needs nothing loaded: json takes a third of the time that this process has
            # taken so far.
            server.sendall(ascii(told).encode() + b"\n")
            answer = server.makefile("rb")
            started = answer.readline() == STARTED
        except OSError:
            started = False
        if started:
            # The terminal interrupts the fork as well: it tidies up, and then says how it ended.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # Without an answer the fork was killed: by the system for memory, perhaps.
            os._exit(int(answer.readline() or 128 + signal.SIGKILL) & 0xFF)
