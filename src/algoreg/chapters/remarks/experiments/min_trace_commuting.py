"""The same comparison with diagonal measurement matrices, which commute: there Gunasekar et al.
prove their conjecture.
"""

from functools import partial

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.base import Algorithm
from algoreg.chapters.diagonals import Diagonals
from algoreg.chapters.remarks.experiments.min_trace import compared_on
from algoreg.numerics.problems import draw_flat_target
from algoreg.numerics.trace_minimisation import minimum_trace_diagonal
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m: PositiveInt
    support: int = Field(ge=2)
    alpha: Several[PositiveFloat]
    targets: int = Field(ge=2)
    step: PositiveFloat
    iterations: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m >= self.d:
            raise misfit(self, "m below d: d diagonal matrices say all that diagonal matrices can say", "m", "d")
        if self.support > self.d:
            raise misfit(self, "support at most d", "support", "d")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "m_over_dr": None,
    "method": "`descent` from αI, or the solver of the linear programme: `clarabel` or `scs`",
    "alpha": "initialisation scale α: U₀ = αI (0 for the solvers)",
    "target": None,
    "ensemble": None,
}
VALUES = {"distance_to_min_trace": None, "distance_to_target": None, "train_error": None, "trace": None}


class DiagonalDescent(Algorithm):
    """Factored descent from αI on :class:`Diagonals`. State: ``diagonal``, u with U = diag(u), shape (B, d).

    Diagonal A_i keep U diagonal, and (I − ηM)U is u − η·Aᵀ(Au² − y)/m·u: no matrices are needed.
    """

    requires = frozenset({"single measurements"})

    def initial(self):
        """Return u = α of every run."""
        alphas = torch.tensor([run["alpha"] for run in self.runs], dtype=self.labels.dtype)
        return {"diagonal": alphas[:, None].repeat(1, self.ensemble.d)}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        factor, vectors, labels = (x.numpy() for x in (state["diagonal"].clone(), self.ensemble.vectors, self.labels))
        rates = self.steps.view(-1, 1).numpy() / self.ensemble.m
        # No warning if a diverging run overflows, because its error already shows the divergence.
        with np.errstate(all="ignore"):
            for _ in range(count):
                factor -= rates * ((factor**2 @ vectors.T - labels) @ vectors) * factor
        return {"diagonal": torch.from_numpy(factor)}

    def estimate(self, state):
        """Return X = diag(u²) of every run."""
        return torch.diag_embed(state["diagonal"] ** 2)


def _solve(vectors, labels, solver):
    diagonal, status = minimum_trace_diagonal(vectors, labels, solver)
    return None if diagonal is None else np.diag(diagonal), status


def measure(options, context, number):
    """Return rows like those of :mod:`algoreg.chapters.remarks.experiments.min_trace`, of rank-1 targets.

    The PSD matrices of least trace are those with the linear programme's solution on the diagonal; the nearest one to a
    diagonal matrix, such as descent's end, is the diagonal one, so distances to it are distances to the set.
    """
    d, m, targets = options["d"], options["m"], range(options["targets"])
    drawn = np.stack([draw_flat_target(d, options["support"], context.seed, target) for target in targets])
    known = Diagonals.draw(d, m, context.seed, number)
    solve = partial(_solve, known.vectors.numpy())
    rows = compared_on(context, known, DiagonalDescent, solve, torch.from_numpy(drawn), options)
    return [{"d": d, "rank": 1, "m": m, "m_over_dr": m / d, "ensemble": number, **row} for row in rows]
