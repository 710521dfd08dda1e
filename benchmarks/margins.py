"""Compute the margins of fig1-, fig3- and fig4-published: how far one more draw lies from our mean.

``python benchmarks/margins.py`` takes some minutes. The draws are from another seed, and no published value is read.
"""

import numpy as np

from in_process import measured

TARGETS, ENSEMBLES, SEED = 6, 3, 7
# The claims compare the mean of our crossed runs with one target over three ensembles: numbers of targets and
# ensembles.
OURS, THEIRS = (5, 3), (1, 3)


def _descents(problem, algorithm, factor, runs, stop=None):
    runs = [{**run, "paper_iterations": 10000} for run in runs]
    options = {"algorithm": algorithm, "step_factor": factor, "runs": runs, "record": {"errors": {"log_spaced": 5}}}
    options |= {"d": 100, "targets": TARGETS, **problem, **({"stop_below_train_error": stop} if stop else {})}
    return {"experiment": "descents", "ensembles": ENSEMBLES, "options": options}


RANK_5, RANK_1, FEW = {"rank": 5, "m": 2500}, {"rank": 1, "m": 3500}, {"rank": 1, "m": 1000}
# The noisiest points of each figure.
TIER = {
    "tier": "margins",
    "seed": SEED,
    "dtype": "float32",
    "threads": 1,
    "experiments": {
        "figure_1": _descents(RANK_5, "factored", 10, [{"alpha": [0.3162, 0.03162, 0.01, 0.001], "paper_step": 0.01}]),
        "figure_1_large": _descents(RANK_5, "factored", 5, [{"alpha": 1.0, "paper_step": 0.01}]),
        "figure_3": _descents(RANK_5, "factored", 10, [{"alpha": 0.01, "paper_step": 0.01}]),
        "figure_4_factored": _descents(
            FEW, "factored", 10, [{"alpha": 0.01, "m": [500, 1000], "paper_step": 0.01}], 1e-3
        ),
        "figure_4_projected": _descents(
            RANK_1,
            "projected",
            10,
            [{"m": 2500, "paper_step": 0.005}, {"m": [3000, 3500], "paper_step": 0.01}],
            1e-3,
        ),
    },
}


def log_errors(name):
    """Return the log test errors at the ends of a descent's runs, shape (points, targets, ensembles)."""
    table = measured(TIER, name, range(ENSEMBLES), dtype=None, threads=1, batches=1)
    ends = table[table["own_iteration"] == table["ended"]].sort_values(["run", "target", "ensemble"])
    return np.log(ends["test_error"].to_numpy()).reshape(-1, TARGETS, ENSEMBLES)


def largest_factors(logs, rng, draws=20000):
    """Return the largest factor over points in simulated draws with the target and ensemble effects of ``logs``."""
    mean = logs.mean(axis=(1, 2))[:, None]
    away = 0.0
    for effects, ours, theirs in zip((logs.mean(axis=2) - mean, logs.mean(axis=1) - mean), OURS, THEIRS, strict=True):
        units = effects.shape[1]
        normal = rng.standard_normal((units, draws)) / np.sqrt(units - 1)
        away = away + effects @ normal * np.sqrt(1 / ours + 1 / theirs)
    return np.exp(np.abs(away).max(axis=0))


def main():
    """Print each figure's 95 % quantile and the margin that follows."""
    figures = {
        "1": ("figure_1", "figure_1_large"),
        "3": ("figure_3",),
        "4": ("figure_4_factored", "figure_4_projected"),
    }
    for figure, names in figures.items():
        factors = largest_factors(np.concatenate([log_errors(name) for name in names]), np.random.default_rng(0))
        quantile = np.quantile(factors, 0.95)
        print(f"Figure {figure}: 95 % below {quantile:.4g}, margin {np.ceil(quantile * 20) / 20:.2f}", flush=True)


if __name__ == "__main__":
    main()
