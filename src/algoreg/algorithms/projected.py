"""Projected gradient descent on X itself: X_{t+1} = P(X_t − ηM_t), P the projection on the PSD cone [LMZ18, Appendix B, Figure 4].

The step η multiplies M_t = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i ("M-form"). The gradient of (1/m) Σ (·)² in X is 2M_t, so
the published step 0.0025 is η = 0.005 here.
"""

from typing import Literal

import torch

from algoreg.algorithms import base
from algoreg.spec.base import RunOptions


class Options(RunOptions):
    """What a run can be told."""

    start: Literal["zero", "identity"] = "zero"


def project(matrices):
    """Return the nearest positive semidefinite matrices in Frobenius norm: negative eigenvalues become 0.

    The decomposition is done in float64: near convergence the eigenvalues that matter are as small as float32's
    rounding of the largest one. Matrices with an entry that is not finite come back as NaN.

    Parameters
    ----------
    matrices : torch.Tensor, shape (B, d, d), symmetric

    Returns
    -------
    torch.Tensor, shape (B, d, d)
    """
    finite = torch.isfinite(matrices).all(dim=(1, 2), keepdim=True)
    eigenvalues, vectors = torch.linalg.eigh(torch.where(finite, matrices, 0.0).double())
    nearest = torch.bmm(vectors * eigenvalues.clamp(min=0)[:, None, :], vectors.mT)
    return torch.where(finite, nearest, torch.nan).to(matrices.dtype)


class Algorithm(base.Algorithm):
    """A batch of projected descents; see :class:`algoreg.algorithms.base.Algorithm`. State: ``estimate``, X."""

    requires = frozenset({"gradient"})
    told = ()
    estimates = "psd"

    def initial(self):
        """Return X_0 of every run, shape (B, d, d)."""
        eye = torch.eye(self.ensemble.d).to(self.labels)
        starts = [eye if run["start"] == "identity" else torch.zeros_like(eye) for run in self.runs]
        return {"estimate": torch.stack(starts)}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        estimate = state["estimate"]
        for _ in range(count):
            estimate = project(estimate - self.steps * self.ensemble.gradient(estimate, self.labels))
        return {"estimate": estimate}

    def estimate(self, state):
        """Return X of every run."""
        return state["estimate"]
