"""Least trace: min tr X over X ⪰ 0 with ⟨A_i, X⟩ = y_i [recht2010], by Douglas–Rachford splitting [lions1979].

X = Z + A⁺(y − A(Z)), Y = P(2X − Z − γI), Z ← Z + Y − X, from Z = 0; P is the projection on the PSD cone, A⁺ the
pseudoinverse. The step size is γ: it multiplies the gradient of the trace, and works best at some tenths of the
target's norm. If no matrix fits the labels, X is a least-squares fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import one_hot

from algoreg.algorithms import base
from algoreg.ensembles.base import Measurements
from algoreg.numerics.eigen import project
from algoreg.numerics.svec import smat, svec

# For random measurements whose rank was one too small, the least pivot was up to 5·10⁻⁶ of the largest; for square ones
# of full rank it was 8·10⁻⁵.
SINGULAR_BELOW = 1e-5


def fitting(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (Q, S), shapes (q, D) and (q, m), for float64 rows A (m, D): Q has orthonormal rows, and Sy = QA⁺y.

    The rows of Q span the rows of A. The nearest x to z with Ax = y is then z + Qᵀ(Sy − Qz). Both are computed from a
    Cholesky decomposition of AAᵀ, or of AᵀA if A has more rows than columns, and from the singular values of A if A
    does not have full rank.
    """
    m, length = rows.shape
    square = rows @ rows.T if m <= length else rows.T @ rows
    lower, failed = torch.linalg.cholesky_ex(square)
    pivots = lower.diagonal()
    # Because of rounding, a singular matrix may also have a decomposition, with pivots near √ε.
    if failed or pivots.min() <= SINGULAR_BELOW * pivots.max():
        left, values, right = torch.linalg.svd(rows, full_matrices=False)
        kept = values > values[0] * max(m, length) * torch.finfo(rows.dtype).eps
        return right[kept], left[:, kept].T / values[kept, None]
    if m <= length:
        inverse = torch.linalg.solve_triangular(lower, torch.eye(m).to(rows), upper=False)
        return inverse @ rows, inverse
    return torch.eye(length).to(rows), torch.cholesky_solve(rows.T, lower)


class Algorithm(base.Algorithm):
    """A batch of splittings in float64; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``centre``, Z, and ``estimate``, Y. The measurements are written out and decomposed once per ensemble and m,
    in two arrays of m × d(d+1)/2 numbers; a step reads one of the arrays twice and takes one eigendecomposition.
    """

    ensemble: Measurements
    requires = frozenset({"gradient", "single measurements"})
    error = "anyhow"

    def __init__(
        self, ensemble: Measurements, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int
    ) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.shifts = self.steps.double() * torch.eye(ensemble.d).to(labels.device)
        groups = {}
        for number, run in enumerate(runs):
            groups.setdefault(run["m"], []).append(number)
        self.groups = []
        for m, members in groups.items():
            rows, solver = self._fitting(m)
            index = torch.tensor(members, device=labels.device)
            self.groups.append((index, rows, labels[index, :m].double() @ solver.T))

    def _fitting(self, m: int) -> tuple[torch.Tensor, torch.Tensor]:
        known = self.ensemble.derived
        if ("fitting", m) not in known:
            numbers = torch.arange(m, device=self.labels.device).split(256)
            units = (one_hot(part, self.ensemble.m).to(self.labels) for part in numbers)
            rows = torch.cat([svec(self.ensemble.adjoint(part)) for part in units])
            known["fitting", m] = fitting(rows.double())
        return known["fitting", m]

    def initial(self) -> base.State:
        """Return Z = Y = 0 of every run, shape (B, D) and (B, d, d), float64."""
        d, place = self.ensemble.d, self.labels.device
        estimate = torch.zeros(len(self.runs), d, d, dtype=torch.float64, device=place)
        return {"centre": svec(estimate), "estimate": estimate}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        centre, estimate = state["centre"], state["estimate"]
        fit = torch.empty_like(centre)
        for _ in range(count):
            for index, rows, goals in self.groups:
                own = centre[index]
                fit[index] = own + (goals - own @ rows.T) @ rows
            estimate = self.proximal(smat(2 * fit - centre, self.ensemble.d))
            centre = centre + svec(estimate) - fit
        return {"centre": centre, "estimate": estimate}

    def proximal(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the minimiser over Y ⪰ 0 of γ tr Y + ‖Y − W‖²/2 for matrices W, shape (B, d, d)."""
        return project(matrices - self.shifts)

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return Y of every run."""
        return state["estimate"].to(self.labels)
