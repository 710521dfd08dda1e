"""A worker of distributed Frank–Wolfe: a process of its own, which the master starts for one run [zhuo2020].

Asynchronous: it sends (t, v), the best direction at its own X of time t, and gets the directions of all later times,
from which it makes its next X. Synchronous: it gets X and sends the gradient there. A record is an array of float64,
sent as its bytes: what arrives is read as numbers and never unpickled.
"""

import contextlib
import time
from pathlib import Path

import numpy as np

from algoreg.numerics.seeds import stream

ROWS, LABELS = "rows.f8", "labels.f8"
# The first number of a record that ends the work.
STOP = 0.0
# What a worker sends before its first record and after its last: by the second the master tells an end from a death.
READY, END = b"ready", b"."


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


def send(connection, first, numbers):
    """Send a record, a number and an array of 8 bytes each, and return its length in bytes."""
    record = np.concatenate([[first], np.ravel(numbers)]).astype("<f8").tobytes()
    connection.send_bytes(record)
    return len(record)


def numbers_of(record):
    """Return the first number and the array of a record."""
    numbers = np.frombuffer(record, "<f8")
    return float(numbers[0]), numbers[1:]


def asynchronous(connection, data, orders):
    """Send directions until told to stop."""
    x, now = np.zeros((orders["d"], orders["d"])), 0
    while True:
        time.sleep(orders["sleep"])
        send(connection, now, direction(data.gradient(x)))
        more = True
        while more:
            first, v = numbers_of(connection.recv_bytes())
            if first == STOP:
                return
            # The last record of an answer has a negative number; step number t leads from X_t to X_{t+1}.
            more, now = first > 0, int(abs(first))
            x = moved(x, v, now - 1, orders["theta"])


def synchronous(connection, data, orders):
    """Send gradients until told to stop."""
    d = orders["d"]
    while True:
        first, x = numbers_of(connection.recv_bytes())
        if first == STOP:
            return
        time.sleep(orders["sleep"])
        send(connection, first, data.gradient(x.reshape(d, d)))


def work(connection, orders):
    """Work for the master until told to stop, or until the master has gone."""
    names = {name: orders[name] for name in ("seed", "ensemble", "worker")}
    data = Data(orders["path"], orders["d"], orders["batch"], stream("frank-wolfe-worker", **names))
    with contextlib.suppress(EOFError, ConnectionError):
        connection.send_bytes(READY)
        {"asynchronous": asynchronous, "synchronous": synchronous}[orders["protocol"]](connection, data, orders)
        connection.send_bytes(END)
