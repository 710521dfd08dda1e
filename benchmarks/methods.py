"""One step of every method around factored descent, beside the pass through the ensemble that each of them takes."""

from functools import partial

from algoreg import plugins
from algoreg.settings import options
from timing import repeat

# A row's name to the algorithm and what its runs are told otherwise than by default.
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
    """Return what is timed: a method's name, or ``pass``, to a function of a step count.

    Parameters
    ----------
    ensemble : algoreg.ensembles.gaussian.Ensemble
    labels : torch.Tensor, shape (B, m)
        Of targets of rank 1.
    """
    found = {}
    for name, (algorithm, told) in METHODS.items():
        run = {
            **options.of_runs(algorithm),
            "step": STEP,
            "m": ensemble.m,
            "alpha": 0.1,
            "rank": 1,
            "target": 0,
            **told,
        }
        solver = plugins.algorithm(algorithm)(ensemble, labels, [run] * len(labels), 0)
        # The first step may differ from the others: thresholding has nothing to keep yet.
        state = solver.advance(solver.initial(), 0, 1)
        found[name] = partial(solver.advance, state, 1)
    found["pass"] = repeat(ensemble.gradient, solver.estimate(state), labels)
    return found


def columns(name, timings):
    """Return what a row says of a method beside its time.

    Parameters
    ----------
    name : str
    timings : mapping
        Of every case of :func:`cases`.
    """
    share = timings["pass"].median / timings[name].median
    return {
        "fraction_of_limit": float(f"{share:.4g}"),
        "above_pass": float(f"{1 / share - 1:.4g}"),
        "note": "the limit is its pass through the ensemble alone; above_pass: what it takes beyond it, over the pass",
    }
