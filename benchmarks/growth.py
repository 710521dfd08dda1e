"""Measure how time and memory of a descent grow with d, on stored and on unstored Gaussian measurements.

Every descent runs in a separate process (``python growth.py <ensemble> <d>``), so that the peak memory is the
descent's. The target has rank 1, and the descent takes 240 steps of 0.25 from α = 10⁻³ on m = 3d measurements, in
float64 on one thread.
"""

import json
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np

RANK, ALPHA, STEP, COUNT, MULTIPLE = 1, 1e-3, 0.25, 240, 3
# A stored ensemble takes 0.8 GB at d = 400, and would take 6 GB at d = 800.
LARGEST = {"gaussian": 400, "unstored": 800}
TOLERANCE = 1e-4


def descend(kind, d):
    """Return seconds and peak memory of one descent, including the draw of its ensemble, and its last error."""
    import torch

    from algoreg import plugins
    from memory import status

    torch.set_num_threads(1)
    own = {"tolerance": TOLERANCE} if kind == "unstored" else {}
    before, begun = status("VmHWM"), time.process_time()
    ensemble = plugins.ensemble(kind).draw(d, MULTIPLE * d * RANK, 0, 0, **own)
    target = torch.zeros(1, d, d, dtype=torch.float64)
    target[0, range(RANK), range(RANK)] = 1
    factor = ALPHA * torch.eye(d, dtype=torch.float64)[None]
    ensemble.descend(factor, torch.tensor([STEP], dtype=torch.float64), ensemble.label(target), COUNT)
    seconds = time.process_time() - begun
    error = float(torch.linalg.matrix_norm(factor @ factor.mT - target) / RANK**0.5)
    return {"seconds": seconds, "megabytes": (status("VmHWM") - before) / 1e6, "error": error}


def measure(sizes, say=print):
    """Return a row for every ensemble and d: seconds, MB beyond the libraries' memory, the descent's last error."""
    rows = []
    for kind, most in LARGEST.items():
        for d in (d for d in sizes if d <= most):
            done = subprocess.run([sys.executable, __file__, kind, str(d)], check=True, capture_output=True, text=True)
            rows.append({"ensemble": kind, "d": d, **json.loads(done.stdout)})
            say(f"  {kind:10} d = {d:<5} {rows[-1]['seconds']:8.2f} s {rows[-1]['megabytes']:8.0f} MB")
    return rows


def slope(rows, kind, value):
    """Return the exponent in d of a value from the two largest sizes of an ensemble, or None if there are fewer."""
    own = [row for row in rows if row["ensemble"] == kind][-2:]
    if len(own) < 2:
        return None
    (first, second) = ([np.log(row["d"]), np.log(row[value])] for row in own)
    return float((second[1] - first[1]) / (second[0] - first[0]))


def crossing(rows, value):
    """Return the two d between which the unstored ensemble begins to take less, or None if it does not."""
    by = {(row["ensemble"], row["d"]): row[value] for row in rows}
    shared = sorted({d for kind, d in by if ("gaussian", d) in by and ("unstored", d) in by})
    less = [by["unstored", d] < by["gaussian", d] for d in shared]
    return next(
        ((a, b) for (a, b), (was, now) in zip(pairwise(shared), pairwise(less), strict=True) if now > was), None
    )


if __name__ == "__main__":
    print(json.dumps(descend(sys.argv[1], int(sys.argv[2]))))
