"""Projected gradient descent on X itself: X_{t+1} = P(X_t − ηM_t), P the projection on the PSD cone [LMZ18, Appendix B, Figure 4].

The step η multiplies M_t = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i ("M-form"). The gradient of (1/m) Σ (·)² in X is 2M_t, so
the published step 0.0025 is η = 0.005 here.
"""

from typing import Literal

import torch

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


class Algorithm:
    """A batch of projected descents that share an ensemble.

    Parameters
    ----------
    ensemble : object with ``gradient``
    labels : torch.Tensor, shape (B, m)
    runs : list of mapping
        ``step`` and the other ``Options`` of each run.
    seed : int
        Unused: nothing is drawn.
    """

    requires = frozenset({"gradient"})

    # Of its ensembles it asks for gradients only: several can be stacked.
    stacks = True

    def __init__(self, ensemble, labels, runs, seed):
        self.ensemble, self.labels, self.runs = ensemble, labels, runs
        self.steps = torch.tensor([run["step"] for run in runs], dtype=torch.float64).to(labels)[:, None, None]

    def initial(self):
        """Return X_0 of every run, shape (B, d, d)."""
        eye = torch.eye(self.ensemble.d).to(self.labels)
        return torch.stack([eye if run["start"] == "identity" else torch.zeros_like(eye) for run in self.runs])

    def advance(self, iterate, iteration, count):
        """Return the iterate after ``count`` further steps, starting at step number ``iteration``."""
        for _ in range(count):
            iterate = project(iterate - self.steps * self.ensemble.gradient(iterate, self.labels))
        return iterate

    def estimate(self, iterate):
        """Return X of every run, shape (B, d, d)."""
        return iterate
