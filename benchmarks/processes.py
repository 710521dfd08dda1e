"""Time steps of a factored descent on a sharded ensemble:
strong scaling (m fixed) and weak scaling (m per process fixed).
"""

import argparse
import time

import torch

from algoreg.ensembles import gaussian, sharded
from algoreg.numerics.devices import configure


def milliseconds(ensemble, runs, repeats, steps=5):
    """Return the least time of a step of all runs."""
    factors = torch.eye(ensemble.d, dtype=ensemble.dtype).repeat(runs, 1, 1) / 100
    eta, labels = torch.full((runs,), 1e-3, dtype=ensemble.dtype), torch.ones(runs, ensemble.m, dtype=ensemble.dtype)
    ensemble.descend(factors.clone(), eta, labels, 1)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        ensemble.descend(factors.clone(), eta, labels, steps)
        times.append((time.perf_counter() - start) / steps)
    return 1000 * min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--d", type=int, default=200)
    parser.add_argument("--m", type=int, default=5000)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=8)
    asked = parser.parse_args()
    _, dtype = configure("cpu", "float32", 1)
    print("| ensemble | processes | d | m | runs | ms per step |\n| --- | --- | --- | --- | --- | --- |")
    sizes = [("gaussian", 1, asked.m)]
    # One number of processes after the other: they start once.
    for count in asked.processes:
        sizes += [("sharded", count, m) for m in dict.fromkeys((asked.m, asked.m * count))]
    for name, count, m in sizes:
        if name == "gaussian":
            ensemble = gaussian.Ensemble.draw(asked.d, m, 0, 0, dtype=dtype)
        else:
            ensemble = sharded.Ensemble.draw(asked.d, m, 0, 0, dtype=dtype, processes=count)
        for runs in asked.runs:
            taken = milliseconds(ensemble, runs, asked.repeats)
            print(f"| {name} | {count} | {asked.d} | {m} | {runs} | {taken:.2f} |", flush=True)


if __name__ == "__main__":
    main()
