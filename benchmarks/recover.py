"""Measure the estimators: time against the engine's steps and scikit-learn, and peak memory with many rows.

python benchmarks/recover.py [--rows 100000] [--steps 5000] measures every line in a separate process with one thread.
Seconds are processor time, which depends less on other jobs than wall-clock time. ``--only entries --iterations 5``
measures only the memory, which does not depend on the iterations. docs/scaling.md has the numbers.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings

import numpy as np


def spent(call):
    """Return the seconds of processor time that a call takes."""
    started = time.process_time()
    call()
    return time.process_time() - started


def peak():
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_beside_engine(steps):
    """Return the seconds of a fit at d = 100, m = 2500, float32, and of the engine's descent with as many steps.

    The descent is timed before and after the fit, and the two times are averaged.
    """
    import torch

    from algoreg.ensembles.gaussian import Ensemble
    from algoreg.recover import LowRankMatrixRegressor
    from algoreg.recover.measurements import dense

    torch.set_num_threads(1)
    d, m = 100, 2500
    rng = np.random.default_rng(0)
    u = rng.standard_normal((d, 2)) / np.sqrt(d)
    matrices = rng.standard_normal((m, d, d), dtype=np.float32)
    labels = np.einsum("mij,ij->m", matrices, u @ u.T)
    ensemble: Ensemble = dense(matrices, False, torch.device("cpu"), torch.float32)[0]
    rows = torch.from_numpy(labels / np.sqrt(np.mean(labels**2))).float()[None]
    # A fit of one step finds the step size, and loads and compiles all code.
    step = torch.tensor([LowRankMatrixRegressor(max_iter=1, stop="budget").fit(matrices, labels).step_]).float()

    def bare():
        return spent(lambda: ensemble.descend(1e-3 * torch.eye(d)[None], step, rows, steps))

    before = bare()
    found = LowRankMatrixRegressor(dtype="float32", stop="budget", max_iter=steps, tol=0)
    fitted = spent(lambda: found.fit(matrices, labels))
    engine = (before + bare()) / 2
    return {"fit": fitted, "engine": engine, "ratio": fitted / engine}


def quadratic(rows, columns, sklearn=False, **own):
    """Return a quadratic fit's seconds and score, and in MB its memory beyond table and libraries and the process's."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    from algoreg.recover import QuadraticRegressor, quadratic  # noqa: F401

    rng = np.random.default_rng(0)
    table = rng.standard_normal((rows, columns))
    labels = table[:, 0] * table[:, 1] + 0.1 * rng.standard_normal(rows)
    model = make_pipeline(PolynomialFeatures(2), Ridge()) if sklearn else QuadraticRegressor(**own)
    # A small fit makes the libraries load and compile.
    model.fit(table[:200], labels[:200])
    before = peak()
    seconds = spent(lambda: model.fit(table, labels))
    score = model.score(table[:1000], labels[:1000])
    return {"seconds": seconds, "MB": peak() - before, "process_MB": peak(), "R2": score}


def completion(entries, **own):
    """Return seconds and memory of completing a 500 × 500 matrix of rank 2 from its entries; see :func:`quadratic`."""
    from algoreg.recover import MatrixCompleter

    rng = np.random.default_rng(0)
    side = 500
    left, right = rng.standard_normal((2, side, 2))
    places = np.stack(np.divmod(rng.choice(side * side, entries, replace=False), side), axis=1)
    values = np.einsum("mk,mk->m", left[places[:, 0]], right[places[:, 1]])
    before = peak()
    model = MatrixCompleter(shape=(side, side), dtype="float32", alpha=1e-3, **{"max_iter": 200, **own})
    seconds = spent(lambda: model.fit(places, values))
    return {"seconds": seconds, "MB": peak() - before, "process_MB": peak()}


def main():
    """Measure each line in a separate process and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=100_000, help="rows or entries of the largest data set (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=5000, help="steps of the line 'fit' (default: %(default)s)")
    parser.add_argument("--iterations", type=int, help="most iterations of the other lines (default: the estimators')")
    parser.add_argument("--only", help="measure only this line, in this process")
    options = parser.parse_args()
    own = {} if options.iterations is None else {"max_iter": options.iterations}
    lines = {
        "fit": lambda: fit_beside_engine(options.steps),
        "quadratic_50": lambda: quadratic(options.rows, 50, **own),
        "quadratic_100": lambda: quadratic(options.rows // 10, 100, **own),
        "sklearn_100": lambda: quadratic(options.rows // 10, 100, sklearn=True),
        "entries": lambda: completion(options.rows, **own),
    }
    if options.only:
        warnings.simplefilter("ignore")
        print(json.dumps({key: float(f"{value:.3g}") for key, value in lines[options.only]().items()}))
        return
    for name in lines:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        print(name, subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
