"""Measure what a shared ensemble saves: a batch of runs against the same runs one by one, and against plain autograd.

All numbers are ratios measured in one process, interleaved, medians of repeats. Writes results/bench/engine.json.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from algoreg.algorithms.factored import Algorithm
from algoreg.ensembles.gaussian import Ensemble
from algoreg.records import dump_json, write_text


def autograd_step(matrices, labels, factor, step):
    """One step on one run with the full m × d × d ensemble, as a plain implementation would do it."""
    factor = factor.detach().requires_grad_()
    measured = torch.einsum("mij,ij->m", matrices, factor @ factor.T)
    loss = ((measured - labels) ** 2).sum() / (4 * len(labels))
    loss.backward()
    return factor.detach() - step * factor.grad


def milliseconds(function, repeats):
    """Return the milliseconds of each repeat."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spent.append(1e3 * (time.perf_counter() - start))
    return spent


def main():
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--d", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    d, m = arguments.d, 25 * arguments.d
    ensemble = Ensemble.draw(d, m, 0, 0, dtype=torch.float32)
    matrices = torch.randn(m, d, d)
    labels = torch.randn(32, m)
    run = {"step": 1e-3, "alpha": 0.1, "start": "identity", "target": 0}
    solvers = {b: Algorithm(ensemble, labels[:b], [run] * b, 0) for b in (1, 8, 32)}
    samples = {name: [] for name in (*solvers, "autograd")}
    for _ in range(arguments.rounds):
        for batch, solver in solvers.items():
            iterate = solver.initial()
            samples[batch] += [x / batch / 5 for x in milliseconds(lambda s=solver, u=iterate: s.advance(u, 0, 5), 2)]
        samples["autograd"] += milliseconds(lambda: autograd_step(matrices, labels[0], 0.1 * torch.eye(d), 1e-3), 3)
    middle = {name: statistics.median(times) for name, times in samples.items()}
    rows = [
        {
            "name": "factored",
            "d": d,
            "m": m,
            "batch": batch,
            "dtype": "float32",
            "device": "cpu",
            "threads": arguments.threads,
            "ms_per_run_iteration": round(middle[batch], 4),
            "spread": [round(min(samples[batch]), 4), round(max(samples[batch]), 4)],
            "ratio_to_single": round(middle[1] / middle[batch], 3),
            "ratio_to_autograd": round(middle["autograd"] / middle[batch], 3),
        }
        for batch in solvers
    ]
    write_text(Path("results/bench/engine.json"), dump_json(rows))
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
