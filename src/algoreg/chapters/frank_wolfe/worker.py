"""A worker of distributed Frank–Wolfe, a process of its own:
``python -m algoreg.chapters.frank_wolfe.worker`` [zhuo2020].

Its orders are lines of JSON on standard input, one for each run that it takes part in. Asynchronous: it sends (t, v),
the best direction at its own X of time t, and gets the directions of all later times, from which it makes its next X.
Synchronous: it gets X and sends the gradient there.
"""

import json
import socket
import sys
import time
from pathlib import Path

import numpy as np

from algoreg.chapters.frank_wolfe import wire
from algoreg.numerics.seeds import stream

ROWS, LABELS = "rows.f8", "labels.f8"


def write_data(folder, rows, labels):
    """Write what :class:`Data` reads."""
    np.ascontiguousarray(rows, "<f8").tofile(Path(folder) / ROWS)
    np.ascontiguousarray(labels, "<f8").tofile(Path(folder) / LABELS)


class Data:
    """The measurements and labels that a worker samples from.

    Parameters
    ----------
    path : str
        A folder with the packed rows (m, D) and the labels (m,) as bare numbers; see :func:`write_data`.
    d, batch : int
    generator : numpy.random.Generator
    """

    def __init__(self, path, d, batch, generator):
        self.labels = np.fromfile(Path(path) / LABELS, "<f8")
        self.rows = np.fromfile(Path(path) / ROWS, "<f8").reshape(len(self.labels), -1)
        self.d, self.batch, self.generator = d, batch, generator
        self.upper = np.triu_indices(d)
        self.scale = np.where(self.upper[0] == self.upper[1], 1.0, np.sqrt(2.0))

    def gradient(self, x):
        """Return M at X of a fresh batch, shape (d, d)."""
        drawn = self.generator.integers(len(self.labels), size=self.batch)
        rows = self.rows[drawn]
        packed = (rows @ (x[self.upper] * self.scale) - self.labels[drawn]) @ rows / self.batch
        gradient = np.zeros((self.d, self.d))
        gradient[self.upper] = packed / self.scale
        return gradient + np.triu(gradient, 1).T


def direction(gradient):
    """Return v of the largest eigenvalue of −M, or 0 where none is positive, shape (d,)."""
    values, vectors = np.linalg.eigh(-gradient)
    return vectors[:, -1] * (values[-1] > 0)


def moved(x, v, number, theta):
    """Return X after step ``number`` towards θvvᵀ, γ = 2/(number + 2)."""
    return x + 2 / (number + 2) * (theta * np.outer(v, v) - x)


def asynchronous(connection, data, orders):
    """Send directions until told to stop."""
    d, x, now = orders["d"], np.zeros((orders["d"], orders["d"])), 0
    while True:
        time.sleep(orders["sleep"])
        wire.send(connection, now, direction(data.gradient(x)))
        more = True
        while more:
            record = wire.receive(connection, d)
            if record is None or record[0] == wire.STOP:
                return
            # The last record of an answer has a negative number; step number t leads from X_t to X_{t+1}.
            more, now = record[0] > 0, int(abs(record[0]))
            x = moved(x, record[1], now - 1, orders["theta"])


def synchronous(connection, data, orders):
    """Send gradients until told to stop."""
    d = orders["d"]
    while True:
        record = wire.receive(connection, d * d)
        if record is None or record[0] == wire.STOP:
            return
        time.sleep(orders["sleep"])
        wire.send(connection, record[0], data.gradient(record[1].reshape(d, d)))


def work(orders):
    """Connect to the master of a run and work for it."""
    names = {name: orders[name] for name in ("seed", "ensemble", "worker")}
    data = Data(orders["path"], orders["d"], orders["batch"], stream("frank-wolfe-worker", **names))
    with socket.create_connection(("127.0.0.1", orders["port"]), timeout=orders["limit"]) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(bytes.fromhex(orders["token"]) + bytes([orders["worker"]]))
        protocol = asynchronous if orders["protocol"] == "asynchronous" else synchronous
        protocol(connection, data, orders)


def main():
    """Work for one run after another; whatever goes wrong ends the process, and closes its socket."""
    for line in sys.stdin:
        work(json.loads(line))


if __name__ == "__main__":
    main()
