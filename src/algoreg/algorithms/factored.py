"""Factored gradient descent with a full d×d factor: U_{t+1} = (I − ηM_t)U_t [LMZ18, Section 3].

The step size η multiplies M_t = (1/m) Σ (⟨A_i, UUᵀ⟩ − y_i) A_i itself ("M-form"). The gradient of the printed loss
1/(2m) Σ (·)² in U is 2M_tU_t, and that of (1/m) Σ (·)² is 4M_tU_t: the published step 0.0025 is η = 0.01 here.
"""

from typing import Literal

import torch

from algoreg.algorithms import base
from algoreg.numerics.seeds import stream
from algoreg.spec.base import RunOptions, real


class Options(RunOptions):
    """What a run can be told."""

    alpha: float = real(gt=0)
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"


def start_matrix(kind, d, seed, target):
    """Return B of U_0 = αB: the identity, a Haar orthonormal matrix, or iid N(0, 1/d) entries (d × d, float64)."""
    if kind == "identity":
        return torch.eye(d, dtype=torch.float64)
    gaussian = torch.from_numpy(stream("start", kind=kind, d=d, seed=seed, target=target).standard_normal((d, d)))
    if kind == "gaussian":
        return gaussian / d**0.5
    basis, upper = torch.linalg.qr(gaussian)
    return basis * torch.sign(torch.diagonal(upper))


class Algorithm(base.Algorithm):
    """A batch of factored descents; see :class:`algoreg.algorithms.base.Algorithm`. State: ``factor``, U."""

    requires = frozenset({"descend"})
    told = ()
    estimates = "psd"

    def initial(self):
        """Return U_0 = αB of every run, shape (B, d, d)."""
        starts = [
            run["alpha"] * start_matrix(run["start"], self.ensemble.d, self.seed, run["target"]) for run in self.runs
        ]
        return {"factor": torch.stack(starts).to(self.labels)}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps; overwrites the factor."""
        return {"factor": self.ensemble.descend(state["factor"], self.steps.view(-1), self.labels, count)}

    def estimate(self, state):
        """Return X = UUᵀ of every run."""
        return torch.bmm(state["factor"], state["factor"].mT)

    def factor(self, state):
        """Return U of every run, shape (B, d, k)."""
        return state["factor"]
