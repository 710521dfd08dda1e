"""The master of distributed Frank–Wolfe: starts workers as processes, answers them over sockets,
counts bytes [zhuo2020].

Everything has a time-out. Workers are started as programs of their own, never forked; the port is one that the system
gives. They work for one run after another, each over connections of its own: to start takes longer than many a run.
"""

import contextlib
import json
import os
import secrets
import select
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from algoreg import plugins
from algoreg.chapters.frank_wolfe import wire, worker

TOKEN_BYTES = 16
# Seconds between two looks whether a worker has ended before it connected.
LOOK = 0.2


class LinesFailed(RuntimeError):
    """No sockets, no processes, or no answer in time; says why."""


class NoSockets(LinesFailed):
    """The machine lets nobody open a socket; says why."""


@dataclass
class Run:
    """A run and what it came to.

    Attributes
    ----------
    orders : mapping
        ``protocol, d, theta, batch, path, seed, ensemble, iterations, workers, sleep, limit``: ``sleep`` seconds before
        every step of the last worker, ``limit`` in seconds for all of it.
    messages, records : int
        From workers and to them, the last to each, which ends its work, among them.
    up, down : int
        Bytes from workers and to them.
    from_kernel : bool
        Whether by the kernel's counters; else by the records' lengths.
    by_worker : list of int
        Messages of every worker before the end.
    delays : list of int
        By how many steps every applied direction was late.
    x : numpy.ndarray, shape (d, d)
    """

    orders: dict
    messages: int = 0
    records: int = 0
    up: int = 0
    down: int = 0
    from_kernel: bool = False
    by_worker: list = field(default_factory=list)
    delays: list = field(default_factory=list)
    x: np.ndarray | None = None

    @property
    def length(self):
        """Numbers in a record beside the first."""
        return self.orders["d"] ** (1 if self.orders["protocol"] == "asynchronous" else 2)

    def send(self, connection, first, numbers):
        """Send a record and count it."""
        wire.send(connection, first, numbers)
        self.records += 1
        self.down += 8 * (self.length + 1)

    def receive(self, connection):
        """Return a record, counted; None where the worker has closed."""
        record = wire.receive(connection, self.length)
        if record is not None:
            self.messages += 1
            self.up += 8 * (self.length + 1)
        return record


class Workers:
    """The processes of several runs, started when a run first needs them; none is left after the ``with`` block."""

    def __init__(self):
        self._processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """End all processes, whatever they do."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            # What a broken pipe did not take.
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()

    def lost(self):
        """Return whether a process has ended."""
        return any(process.poll() is not None for process in self._processes)

    def tell(self, orders, port, token):
        """Give each worker of a run its orders; where one has ended since the last run, all are started anew."""
        if self.lost():
            self.end()
        for number in range(orders["workers"]):
            if number == len(self._processes):
                self._processes.append(_started())
            slow = orders["sleep"] if number == orders["workers"] - 1 else 0.0
            own = {**orders, "worker": number, "port": port, "token": token.hex(), "sleep": slow}
            pipe = self._processes[number].stdin
            pipe.write((json.dumps(own) + "\n").encode())
            pipe.flush()


def _started():
    paths = [str(plugins.PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", worker.__name__], stdin=subprocess.PIPE, env=environment)


def run(orders, workers):
    """Return a finished :class:`Run`.

    Raises
    ------
    NoSockets
        If no socket can be opened.
    LinesFailed
        If processes are not allowed, a worker is lost, or the time limit is over. No process is left.
    """
    done, connections = Run(orders), []
    deadline = time.monotonic() + orders["limit"]
    try:
        server = socket.create_server(("127.0.0.1", 0))
    except OSError as error:
        raise NoSockets(f"{type(error).__name__}: {error}") from error
    try:
        with server:
            server.settimeout(orders["limit"])
            token = secrets.token_bytes(TOKEN_BYTES)
            workers.tell(orders, server.getsockname()[1], token)
            connections = _accepted(server, workers, orders, token, deadline)
        {"asynchronous": _asynchronous, "synchronous": _synchronous}[orders["protocol"]](done, connections, deadline)
        _finish(done, connections)
    except (OSError, subprocess.SubprocessError) as error:
        workers.end()
        raise LinesFailed(f"{type(error).__name__}: {error}") from error
    finally:
        for connection in connections:
            connection.close()
    return done


def _accepted(server, workers, orders, token, deadline):
    """Return the workers' connections in their order; a stranger, who has not the token, is turned away."""
    found = {}
    while len(found) < orders["workers"]:
        _check(deadline)
        if workers.lost():
            raise ConnectionError("a worker has ended")
        if not select.select([server], [], [], LOOK)[0]:
            continue
        connection, _ = server.accept()
        connection.settimeout(orders["limit"])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        given = connection.recv(TOKEN_BYTES + 1, socket.MSG_WAITALL)
        if len(given) == TOKEN_BYTES + 1 and secrets.compare_digest(given[:-1], token):
            found[given[-1]] = connection
        else:
            connection.close()
    return [found[number] for number in range(orders["workers"])]


def _check(deadline):
    if time.monotonic() > deadline:
        raise TimeoutError("the time limit of the run is over")


def _asynchronous(done, connections, deadline):
    """Apply every direction as it comes, and answer with all that its worker does not know."""
    orders, known = done.orders, []
    done.x, done.by_worker = np.zeros((orders["d"], orders["d"])), [0] * len(connections)
    with selectors.DefaultSelector() as ready:
        for number, connection in enumerate(connections):
            ready.register(connection, selectors.EVENT_READ, number)
        while len(known) < orders["iterations"]:
            _check(deadline)
            for key, _ in ready.select(timeout=max(deadline - time.monotonic(), 0)):
                record = done.receive(key.fileobj)
                if record is None:
                    raise ConnectionError(f"worker {key.data} has closed")
                since, v = int(record[0]), record[1]
                done.delays.append(len(known) - since)
                done.x = worker.moved(done.x, v, len(known), orders["theta"])
                known.append(v)
                done.by_worker[key.data] += 1
                for place in range(since, len(known)):
                    last = place + 1 == len(known)
                    done.send(key.fileobj, -(place + 1) if last else place + 1, known[place])
                if len(known) == orders["iterations"]:
                    break


def _synchronous(done, connections, deadline):
    """Send X to all workers, wait for all gradients, take one step."""
    orders, d = done.orders, done.orders["d"]
    done.x, done.by_worker = np.zeros((d, d)), [orders["iterations"]] * len(connections)
    for number in range(orders["iterations"]):
        _check(deadline)
        for connection in connections:
            done.send(connection, number + 1, done.x)
        records = [done.receive(connection) for connection in connections]
        if None in records:
            raise ConnectionError("a worker has closed")
        gradient = np.mean([record[1] for record in records], axis=0).reshape(d, d)
        done.x = worker.moved(done.x, worker.direction(gradient), number, orders["theta"])
        done.delays.append(0)


def _finish(done, connections):
    """End the work, take in what is on its way, and read the kernel's counters once all has arrived."""
    for connection in connections:
        done.send(connection, wire.STOP, np.zeros(done.length))
    counted = []
    for connection in connections:
        # The worker's end of the line comes after all that it has sent, and acknowledges all that was sent to it.
        while done.receive(connection) is not None:
            pass
        counted.append(wire.kernel_bytes(connection))
    if counted and None not in counted:
        done.from_kernel = True
        done.down, done.up = (sum(pair[side] for pair in counted) for side in (0, 1))
        # The tokens are no messages.
        done.up -= len(connections) * (TOKEN_BYTES + 1)
