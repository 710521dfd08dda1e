"""Measure the memory of one batch-1 descent beyond the interpreter's, in a separate process (Linux)."""

import json
import sys
from pathlib import Path

import torch

from algoreg.algorithms.factored import Algorithm
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.devices import configure


def status(key):
    """Return a size from /proc/self/status in bytes.

    The peak is VmHWM. The peak of getrusage survives exec, so that a child would report its parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def descend(d, m, dtype):
    """Draw an ensemble, take five steps on it and return the bytes of ensemble, labels and iterate."""
    ensemble = Ensemble.draw(d, m, 0, 0, dtype=dtype)
    labels = torch.ones(1, m, dtype=dtype)
    solver = Algorithm(ensemble, labels, [{"step": 1e-3, "alpha": 0.1, "start": "identity", "target": 0}], 0)
    iterate = solver.advance(solver.initial(), 0, 5)["factor"]
    return sum(tensor.numel() * tensor.element_size() for tensor in (ensemble.rows, labels, iterate))


def main():
    """Print a JSON object: the bytes of ensemble and state, and the peak memory beyond the baseline.

    The baseline is the interpreter with torch imported. With the last argument ``first_use`` it is the same after a
    descent at d = 10, because the first product loads the libraries' code, whose size is fixed.
    """
    d, m, threads, name, baseline = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    _, dtype = configure("cpu", name, threads)
    if baseline == "first_use":
        descend(10, 250, dtype)
    before = status("VmRSS")
    expected = descend(d, m, dtype)
    print(json.dumps({"expected": expected, "taken": status("VmHWM") - before}))


if __name__ == "__main__":
    main()
