"""What is measured along the fits of a problem: the trace of the Hessian there, and the matrices of least trace."""

import numpy as np
import torch

from algoreg.algorithms.factored import Algorithm as Descent
from algoreg.engine.observers import Observer
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.svec import svec
from algoreg.numerics.trace_minimisation import flat_weight, minimum_trace

SOLVER = "clarabel"


class LastFactor(Observer):
    """The factor that every run ends with: memory ``factor`` (B, d, d)."""

    def prepare(self, batch):
        """Allocate the memory."""
        self.memory = {"factor": torch.zeros_like(batch.targets)}

    def observe(self, snapshot):
        """Take in U."""
        self.memory["factor"][torch.from_numpy(snapshot.active)] = snapshot.state["factor"]


class Problem:
    """Measurements of an X* of rank 1, W = (1/m) Σ A_i², and the positive semidefinite fits of least ⟨W, X⟩ and trace.

    Where UUᵀ fits, the trace of the Hessian of the loss in U is a multiple of ⟨W, UUᵀ⟩ [ding2024].

    Parameters
    ----------
    ensemble : algoreg.ensembles.gaussian.Ensemble
    context : algoreg.engine.experiment.Context
    number : int
        Of the target.
    """

    def __init__(self, ensemble, context, number):
        self.ensemble, self.context, self.number, d = ensemble, context, number, ensemble.d
        self.target = draw_targets(spectrum_target(1, 1), d, 1, context, 1, first=number)
        matrices = ensemble.unpacked()
        weight, rows = flat_weight(matrices.cpu().numpy()), svec(matrices).cpu().numpy()
        labels = ensemble.label(self.target)[0].cpu().numpy()
        found = (minimum_trace(rows, d, labels, SOLVER, each)[0] for each in (weight * d / np.trace(weight), np.eye(d)))
        self.weight = torch.from_numpy(weight).to(self.target)
        self.flattest, self.least_trace = (
            torch.full_like(self.target[0], torch.nan) if one is None else torch.from_numpy(one).to(self.target)
            for one in found
        )

    def excess(self, matrices):
        """Return ⟨W, X⟩ less its least value over the fits, of matrices (B, d, d), shape (B,)."""
        return (self.weight * (matrices - self.flattest)).sum((1, 2))

    def run(self, algorithm, runs, observers, factors=None):
        """Run settings, from factors (B, d, d) or from U₀ = I; return how they ended."""
        own = {"m": self.ensemble.m, "target": self.number, "alpha": 1.0, "start": "identity", "width": None}
        runs = [{**own, **run} for run in runs]
        start = None if factors is None else {"factor": factors.clone()}
        goals = self.target.expand(len(runs), *self.target.shape[1:])
        return self.context.run(self.ensemble, algorithm, runs, goals, observers, start=start).status

    def descend(self, step, iterations, factors=None):
        """Return where descent comes to from factors (B, d, d), or from I, and how it ended."""
        seen, count = LastFactor(), 1 if factors is None else len(factors)
        status = self.run(Descent, [{"step": step, "iterations": iterations}] * count, [seen], factors)
        return seen.memory["factor"], status
