"""What the estimators cost: time beside the engine's own steps, peak memory of many rows, time beside scikit-learn.

python benchmarks/recover.py [--rows 100000] [--steps 5000]; every line is measured in a process of its own, by one
thread. Seconds are the processor's, which count less of what other jobs do than a clock's. ``--only entries
--iterations 5`` is for memory alone, which does not depend on the iterations. docs/scaling.md has the numbers.
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
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_beside_engine(steps):
    """Return the seconds of a fit at d = 100, m = 2500, float32,
    and of the engine's bare descent of as many steps, before and after.
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
    # A fit of one step finds the step size, and loads and compiles what there is.
    step = torch.tensor([LowRankMatrixRegressor(max_iter=1, stop="budget").fit(matrices, labels).step_]).float()

    def bare():
        return spent(lambda: ensemble.descend(1e-3 * torch.eye(d)[None], step, rows, steps))

    before = bare()
    found = LowRankMatrixRegressor(dtype="float32", stop="budget", max_iter=steps, tol=0)
    fitted = spent(lambda: found.fit(matrices, labels))
    engine = (before + bare()) / 2
    return {"fit": fitted, "engine": engine, "ratio": fitted / engine}


def quadratic(rows, columns, sklearn=False, **own):
    """Return seconds, the memory that a quadratic fit takes beyond its table and the libraries,
    and the process's, in MB.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    from algoreg.recover import QuadraticRegressor, quadratic  # noqa: F401

    rng = np.random.default_rng(0)
    table = rng.standard_normal((rows, columns))
    labels = table[:, 0] * table[:, 1] + 0.1 * rng.standard_normal(rows)
    model = make_pipeline(PolynomialFeatures(2), Ridge()) if sklearn else QuadraticRegressor(**own)
    # The libraries load and compile by a fit of nothing much.
    model.fit(table[:200], labels[:200])
    before = peak()
    seconds = spent(lambda: model.fit(table, labels))
    score = model.score(table[:1000], labels[:1000])
    return {"seconds": seconds, "MB": peak() - before, "process_MB": peak(), "R2": score}


def completion(entries, **own):
    """Return seconds and memory of a completion of so many entries of a 500 × 500 matrix of rank 2;
    see :func:`quadratic`.
    """
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
    """Measure each line in a process of its own and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=5000, help="of the fit beside the engine")
    parser.add_argument("--iterations", type=int, help="at most, of the other estimators; theirs without it")
    parser.add_argument("--only", help="one line, in this process")
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
