"""Time one step of every method around factored descent, and the pass over the ensemble that each step takes."""

from functools import partial

from algoreg import plugins
from algoreg.settings import options
from timing import repeat

# For each row's name the algorithm, and the options of its runs that differ from the defaults.
METHODS = {
    "accelerated": ("accelerated", {}),
    "preconditioned": ("preconditioned", {"damping": "constant"}),
    "preconditioned_residual": ("preconditioned", {"damping": "residual"}),
    "hard_thresholding": ("hard_thresholding", {}),
    "hard_thresholding_adaptive": ("hard_thresholding", {"rule": "adaptive"}),
    "deep": ("deep", {"depth": 3}),
    "deep_power_relative": ("deep", {"depth": 3, "form": "power", "rule": "relative"}),
    "signed": ("signed", {}),
    "factored": ("factored", {}),
}
BATCH = 8
STEP = 1e-3


def cases(ensemble, labels):
    """Return the timed functions of a step count by the name of the method, or ``pass``.

    Parameters
    ----------
    ensemble : algoreg.ensembles.gaussian.Ensemble
    labels : torch.Tensor, shape (B, m)
        Labels of targets of rank 1.
    """
    found = {}
    for name, (algorithm, changes) in METHODS.items():
        run = {
            **options.of_runs(algorithm),
            "step": STEP,
            "m": ensemble.m,
            "alpha": 0.1,
            "rank": 1,
            "target": 0,
            **changes,
        }
        solver = plugins.algorithm(algorithm)(ensemble, labels, [run] * len(labels), 0)
        # The first step is not timed, because it may differ: thresholding has nothing to keep yet.
        state = solver.advance(solver.initial(), 0, 1)
        found[name] = partial(solver.advance, state, 1)
    found["pass"] = repeat(ensemble.gradient, solver.estimate(state), labels)
    return found


def columns(name, timings):
    """Return the columns of a method's row other than its time.

    Parameters
    ----------
    name : str
    timings : mapping
        The timings of all :func:`cases`.
    """
    share = timings["pass"].median / timings[name].median
    return {
        "fraction_of_limit": float(f"{share:.4g}"),
        "above_pass": float(f"{1 / share - 1:.4g}"),
        "note": "the limit is its pass through the ensemble alone; above_pass: what it takes beyond it, over the pass",
    }
