"""What chapters on optimisers share: a target that is known entry by entry, constant steps, batches."""

import torch

from algoreg.algorithms.optimiser import Algorithm
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings import options as declared

DEFAULTS = declared.of_runs("optimiser")


def known_target(d, context):
    """Return the ensemble that measures every entry once, scaled such that M = X − X*."""
    length = symmetric_dimension(d)
    rows = torch.eye(length, dtype=torch.float64) * length**0.5
    return Ensemble(rows.to(context.device, context.dtype), d)


def constant_steps(step, iterations, **own):
    """Return a run of constant steps with options of the optimiser."""
    return {**DEFAULTS, "step": step, "iterations": iterations, **own}


def descend(context, ensemble, runs, targets, observers, **options):
    """Run settings, each on its own target (B, d, d); return how they ended."""
    runs = [{"m": ensemble.m, **run} for run in runs]
    return context.run(ensemble, Algorithm, runs, targets, observers, **options).status
