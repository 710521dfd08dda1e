"""Compare the memory that fits are estimated to need with what they take, each in a separate process.

Usage: python benchmarks/recover_memory.py
"""

import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor
from algoreg.recover.io import refusals


def entries(rows, columns, m, rng):
    """Return m entries of a matrix of rank 2."""
    positions = np.stack(np.divmod(rng.choice(rows * columns, m, replace=False), columns), axis=1)
    left, right = rng.standard_normal((rows, 2)), rng.standard_normal((columns, 2))
    return positions, np.einsum("ij,ij->i", left[positions[:, 0]], right[positions[:, 1]])


CASES = {
    "matrices, d = 120, m = 3000": lambda rng: (LowRankMatrixRegressor(), (rng.standard_normal((3000, 120, 120)),)),
    "matrices, 60 × 80, m = 2000": lambda rng: (
        LowRankMatrixRegressor("rectangular"),
        (rng.standard_normal((2000, 60, 80)),),
    ),
    "vectors, d = 300, m = 6000": lambda rng: (
        LowRankMatrixRegressor(vectors=True),
        (rng.standard_normal((6000, 300)),),
    ),
    "table, 500 × 500": lambda rng: (QuadraticRegressor(), (rng.standard_normal((500, 500)),)),
    "entries, 600 × 400, full width": lambda rng: (MatrixCompleter(method="factored"), entries(600, 400, 20_000, rng)),
    "entries, 20 000 × 5000, m = 10⁶": lambda rng: (MatrixCompleter(), entries(20_000, 5000, 10**6, rng)),
    "entries, 200 000 × 10 000, m = 10⁷": lambda rng: (MatrixCompleter(), entries(200_000, 10_000, 10**7, rng)),
}


def status(key):
    """Return a size from /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def measure(name):
    """Print the GB that a fit of a few iterations was estimated to need, and the GB that it added to the process."""
    rng = np.random.default_rng(0)
    estimator, data = CASES[name](rng)
    data = data if len(data) == 2 else (*data, rng.standard_normal(len(data[0])))
    estimated, refuse = [], refusals.refuse_beyond_memory

    def keep(needed, what):
        estimated.append(needed)
        refuse(needed, what)

    import algoreg.recover.completion

    refusals.refuse_beyond_memory = algoreg.recover.completion.refuse_beyond_memory = keep
    # This resets the peak, which drawing the data would otherwise determine.
    Path("/proc/self/clear_refs").write_text("5")
    before, started = status("VmRSS"), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.set_params(max_iter=6).fit(*data)
    taken, seconds = status("VmHWM") - before, time.process_time() - started
    print(f"{name}: estimated {estimated[0] / 1e9:.2g} GB, taken {taken / 1e9:.2g} GB, {seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for one in CASES:
            subprocess.run([sys.executable, __file__, one], check=True)
