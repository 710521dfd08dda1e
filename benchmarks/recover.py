"""What the estimators cost: time beside the engine's own steps, peak memory of many rows, time beside scikit-learn.

python benchmarks/recover.py [--rows 100000]; every line is measured in a process of its own. docs/scaling.md has the numbers.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings

import numpy as np


def fit_beside_engine():
    """Return the seconds of a fit at d = 100, m = 2500, float32, and of the engine's bare descent of as many steps."""
    import torch

    from algoreg.ensembles.gaussian import Ensemble
    from algoreg.recover import LowRankMatrixRegressor
    from algoreg.recover.measurements import dense

    d, m, steps = 100, 2500, 5000
    rng = np.random.default_rng(0)
    u = rng.standard_normal((d, 2)) / np.sqrt(d)
    matrices = rng.standard_normal((m, d, d), dtype=np.float32)
    labels = np.einsum("mij,ij->m", matrices, u @ u.T)
    found = LowRankMatrixRegressor(dtype="float32", stop="budget", max_iter=steps, tol=0)
    started = time.perf_counter()
    found.fit(matrices, labels)
    fitted = time.perf_counter() - started
    ensemble: Ensemble = dense(matrices, False, torch.device("cpu"), torch.float32)[0]
    rows = torch.from_numpy(labels / np.sqrt(np.mean(labels**2))).float()[None]
    factor, step = 1e-3 * torch.eye(d)[None], torch.tensor([found.step_], dtype=torch.float32)
    started = time.perf_counter()
    ensemble.descend(factor, step, rows, steps)
    bare = time.perf_counter() - started
    return {"fit": fitted, "engine": bare, "ratio": fitted / bare}


def quadratic(rows, columns, sklearn=False):
    """Return seconds and the memory that a quadratic fit takes beyond its table and the libraries, in MB."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    from algoreg.recover import QuadraticRegressor, quadratic  # noqa: F401

    rng = np.random.default_rng(0)
    table = rng.standard_normal((rows, columns))
    labels = table[:, 0] * table[:, 1] + 0.1 * rng.standard_normal(rows)
    model = make_pipeline(PolynomialFeatures(2), Ridge()) if sklearn else QuadraticRegressor()
    # The libraries load and compile by a fit of nothing much.
    model.fit(table[:200], labels[:200])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    model.fit(table, labels)
    seconds = time.perf_counter() - started
    score = model.score(table[:1000], labels[:1000])
    return {"seconds": seconds, "MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, "R2": score}


def completion(entries):
    """Return seconds and memory of a completion of so many entries of a 500 × 500 matrix of rank 2."""
    from algoreg.recover import MatrixCompleter

    rng = np.random.default_rng(0)
    side = 500
    left, right = rng.standard_normal((2, side, 2))
    places = np.stack(np.divmod(rng.choice(side * side, entries, replace=False), side), axis=1)
    values = np.einsum("mk,mk->m", left[places[:, 0]], right[places[:, 1]])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    MatrixCompleter(shape=(side, side), dtype="float32", alpha=1e-3, max_iter=200).fit(places, values)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def main():
    """Measure each line in a process of its own and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", help="one line, in this process")
    options = parser.parse_args()
    lines = {
        "fit": fit_beside_engine,
        "quadratic_50": lambda: quadratic(options.rows, 50),
        "quadratic_100": lambda: quadratic(options.rows // 10, 100),
        "sklearn_100": lambda: quadratic(options.rows // 10, 100, sklearn=True),
        "entries": lambda: completion(options.rows),
    }
    if options.only:
        warnings.simplefilter("ignore")
        print(json.dumps({key: float(f"{value:.3g}") for key, value in lines[options.only]().items()}))
        return
    for name in lines:
        command = [sys.executable, __file__, "--rows", str(options.rows), "--only", name]
        print(name, subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
