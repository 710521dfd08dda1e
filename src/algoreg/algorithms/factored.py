"""Factored gradient descent: U_{t+1} = (I − ηM_t)U_t, where U is d×d or has fewer columns [LMZ18, Section 2].

The step size η multiplies M_t = (1/m) Σ (⟨A_i, UUᵀ⟩ − y_i) A_i itself ("M-form"). The gradient of the printed loss
1/(2m) Σ (·)² in U is 2M_tU_t, and the gradient of (1/m) Σ (·)² is 4M_tU_t: the published step 0.0025 is η = 0.01 here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms import base
from algoreg.numerics.eigen import leading
from algoreg.numerics.seeds import stream
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("width",)
    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian", "spectral"] = "identity"
    width: PositiveInt | None = Field(None, description="null for d")


def start_matrix(kind: str, d: int, seed: int, target: int) -> torch.Tensor:
    """Return B of U_0 = αB (d × d, float64): the identity, a Haar orthonormal matrix, or iid N(0, 1/d) entries."""
    if kind == "identity":
        return torch.eye(d, dtype=torch.float64)
    gaussian = torch.from_numpy(stream("start", kind=kind, d=d, seed=seed, target=target).standard_normal((d, d)))
    if kind == "gaussian":
        return gaussian / d**0.5
    basis, upper = torch.linalg.qr(gaussian)
    return basis * torch.sign(torch.diagonal(upper))


def side_by_side(factors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return factors with d rows and any numbers of columns as one tensor; narrow ones are padded with columns of 0."""
    most = max(factor.shape[1] for factor in factors)
    return torch.stack([torch.nn.functional.pad(factor, (0, most - factor.shape[1])) for factor in factors])


class Algorithm(base.Algorithm):
    """A batch of factored descents; see :class:`algoreg.algorithms.base.Algorithm`. State: ``factor``, U.

    An initialisation of width k consists of the first k columns of the square one. ``spectral`` has UUᵀ = α² times the
    part of N = (1/m) Σ y_iA_i = −M(0) with its k largest positive eigenvalues; it costs a pass. Runs of a batch may
    differ in width: narrower U are padded with columns of 0, which the steps keep at 0.
    """

    requires = frozenset({"descend", "gradient"})

    def width(self, run: Mapping[str, Any]) -> int:
        """Return how many columns U has in a run."""
        return run.get("width") or self.ensemble.d

    def initial(self) -> base.State:
        """Return U_0 = αB of every run, shape (B, d, k)."""
        drawn = [
            start_matrix(run["start"], self.ensemble.d, self.seed, run["target"])[:, : self.width(run)]
            if run["start"] != "spectral"
            else None
            for run in self.runs
        ]
        if any(start is None for start in drawn):
            known = self._spectral()
            drawn = [known[i] if start is None else start for i, start in enumerate(drawn)]
        starts = [run["alpha"] * start for run, start in zip(self.runs, drawn, strict=True)]
        return {"factor": side_by_side(starts).to(self.labels)}

    def _spectral(self) -> list[torch.Tensor]:
        """Return B of U_0 = αB from the spectrum of N, float64, for every run."""
        widths = [self.width(run) for run in self.runs]
        values, vectors = leading(-self.ensemble.gradient(self.zeros(), self.labels), widths)
        roots = (vectors * values.sqrt()[:, None, :]).cpu()
        return [root[:, :width] for root, width in zip(roots, widths, strict=True)]

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps; the factor is overwritten."""
        return {"factor": self.ensemble.descend(state["factor"], self.steps.view(-1), self.labels, count)}

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X = UUᵀ of every run."""
        return torch.bmm(state["factor"], state["factor"].mT)

    def factor(self, state: base.State) -> torch.Tensor:
        """Return U of every run, shape (B, d, k)."""
        return state["factor"]
