"""Matrix exponentiated gradient: X_t = exp(L_t), L_{t+1} = L_t − ηM_t, L_0 = log(α²)·I [tsuda2005].

M_t = (1/m) Σ (⟨A_i, X_t⟩ − y_i) A_i, and η multiplies it ("M-form"). X_0 = α²I is also the initialisation of factored
descent from αI. Along an eigenvector of −M with eigenvalue λ, a step of factored descent multiplies X by 1 + 2ηλ + …,
and a step here by exp(ηλ). If all A_i commute, the two therefore have the same path in the limit of small steps, this
one with twice the η.
"""

import math

import torch
from pydantic import PositiveFloat

from algoreg.algorithms import base
from algoreg.numerics.eigen import spectral
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat


class Algorithm(base.Algorithm):
    """A batch of mirror descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``logarithm``, L, and ``estimate``, X.
    """

    requires = frozenset({"gradient"})

    def initial(self) -> base.State:
        """Return L_0 and X_0 of every run, shape (B, d, d) each."""
        eye = torch.eye(self.ensemble.d, dtype=torch.float64)
        logarithms = torch.stack([2 * math.log(run["alpha"]) * eye for run in self.runs]).to(self.labels)
        return {"logarithm": logarithms, "estimate": spectral(logarithms, torch.exp)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps; a step takes one pass and one decomposition."""
        logarithm, estimate = state["logarithm"], state["estimate"]
        for _ in range(count):
            logarithm = logarithm - self.steps * self.ensemble.gradient(estimate, self.labels)
            estimate = spectral(logarithm, torch.exp)
        return {"logarithm": logarithm, "estimate": estimate}
