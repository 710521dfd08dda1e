"""The master of distributed Frank–Wolfe: starts a process for each worker, answers them, counts bytes [zhuo2020]."""

import multiprocessing
import os
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import wait

import numpy as np

from algoreg.chapters.frank_wolfe import worker

# Not a fork of this process, whose libraries have threads of their own.
CONTEXT = multiprocessing.get_context("spawn")


class LinesFailed(RuntimeError):
    """No sockets, no processes, or no answer in time; says why."""


class NoSockets(LinesFailed):
    """The machine lets nobody open a pair of sockets; says why."""


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
        Bytes from workers and to them, the one byte with which a worker ends among them.
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
    by_worker: list = field(default_factory=list)
    delays: list = field(default_factory=list)
    x: np.ndarray | None = None

    def send(self, connection, first, numbers):
        """Send a record and count it."""
        self.down += worker.send(connection, first, numbers)
        self.records += 1

    def receive(self, connection):
        """Return a worker's next record, counted; None at its end, of which the bytes alone are counted."""
        record = connection.recv_bytes()
        self.up += len(record)
        if record == worker.END:
            return None
        self.messages += 1
        return worker.numbers_of(record)


def run(orders):
    """Return a finished :class:`Run`; no process is left.

    Raises
    ------
    NoSockets
        If no pair of sockets can be opened.
    LinesFailed
        If processes are not allowed, a worker is lost, or the time limit is over.
    """
    done, processes, connections, over = Run(orders), [], [], threading.Event()

    def end():
        over.set()
        _kill(processes)

    # A worker that neither reads nor writes blocks the master. Killed when the limit is over, it closes its connection.
    limit = threading.Timer(orders["limit"], end)
    limit.daemon = True
    try:
        pairs = _pairs(orders["workers"])
        connections = [here for here, _ in pairs]
        limit.start()
        for number, (_, there) in enumerate(pairs):
            processes.append(_started(there, orders, number))
        if over.is_set():
            raise TimeoutError
        # Not counted: the run begins when all are there.
        for connection in connections:
            connection.recv_bytes()
        {"asynchronous": _asynchronous, "synchronous": _synchronous}[orders["protocol"]](done, connections)
        _finish(done, connections)
    except (OSError, EOFError) as error:
        if over.is_set():
            raise LinesFailed("TimeoutError: the time limit of the run is over") from error
        if isinstance(error, (EOFError, ConnectionError)):
            raise LinesFailed("ConnectionError: a worker has ended") from error
        raise LinesFailed(f"{type(error).__name__}: {error}") from error
    finally:
        limit.cancel()
        _kill(processes)
        for process in processes:
            process.join()
        for connection in connections:
            connection.close()
    return done


def _pairs(count):
    """Return a pair of connected ends for each worker."""
    try:
        return [CONTEXT.Pipe() for _ in range(count)]
    except OSError as error:
        raise NoSockets(f"{type(error).__name__}: {error}") from error


def _started(there, orders, number):
    """Return a new worker's process, which has the other end of its connection."""
    slow = orders["sleep"] if number == orders["workers"] - 1 else 0.0
    own = {**orders, "worker": number, "sleep": slow}
    process = CONTEXT.Process(target=worker.work, args=(there, own), daemon=True)
    before = dict(os.environ)
    # A process inherits its environment: one thread, and no modules from the working directory.
    os.environ.update(OMP_NUM_THREADS="1", PYTHONSAFEPATH="1")
    try:
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    # Open in the worker alone, it closes when the worker ends.
    there.close()
    return process


def _kill(processes):
    for process in list(processes):
        process.kill()


def _asynchronous(done, connections):
    """Apply every direction as it comes, and answer with all that its worker does not know."""
    orders, known = done.orders, []
    done.x, done.by_worker = np.zeros((orders["d"], orders["d"])), [0] * len(connections)
    while len(known) < orders["iterations"]:
        for connection in wait(connections):
            since, v = done.receive(connection)
            since = int(since)
            done.delays.append(len(known) - since)
            done.x = worker.moved(done.x, v, len(known), orders["theta"])
            known.append(v)
            done.by_worker[connections.index(connection)] += 1
            for number in range(since + 1, len(known) + 1):
                done.send(connection, -number if number == len(known) else number, known[number - 1])
            if len(known) == orders["iterations"]:
                break


def _synchronous(done, connections):
    """Send X to all workers, wait for all gradients, take one step."""
    orders, d = done.orders, done.orders["d"]
    done.x, done.by_worker = np.zeros((d, d)), [orders["iterations"]] * len(connections)
    for number in range(orders["iterations"]):
        for connection in connections:
            done.send(connection, number + 1, done.x)
        gradients = [done.receive(connection)[1] for connection in connections]
        gradient = np.mean(gradients, axis=0).reshape(d, d)
        done.x = worker.moved(done.x, worker.direction(gradient), number, orders["theta"])
        done.delays.append(0)


def _finish(done, connections):
    """End the work, and take in what is on its way."""
    length = done.orders["d"] ** (1 if done.orders["protocol"] == "asynchronous" else 2)
    for connection in connections:
        done.send(connection, worker.STOP, np.zeros(length))
    for connection in connections:
        while done.receive(connection) is not None:
            pass
