"""Three convex programmes over the positive semidefinite fits of the labels: the flattest,
that of least trace, and another.
"""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.ensembles.gaussian import packed_rows
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.trace_minimisation import FAILED, flat_weight, minimum_trace
from algoreg.settings.base import ExperimentOptions, Several, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(1.0, ge=1)
    m_over_dr: Several[PositiveFloat]
    # Of the random weight.
    condition: float = Field(100.0, ge=1)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_determined(self, max(self.m_over_dr), self.rank)
        return self


KEYS = {
    "programme": (
        "the programme",
        "least ⟨W, X⟩ over X ⪰ 0 that fits: `flattest` (W = (1/m) Σ Aᵢ²), `trace` (W = I), `random` (W drawn at random)",
    ),
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "condition": "condition number of W",
    "test_error": "‖X − X*‖_F / ‖X*‖_F (empty: the solver has nothing)",
}
SOLVER = "clarabel"
# The relative error below which X* is found.
RECOVERED = 1e-3


def random_weight(d, condition, seed, ensemble):
    """Return a positive definite d × d matrix:
    eigenvalues from 1 to ``condition`` in equal ratios, Haar eigenvectors.
    """
    basis, _ = np.linalg.qr(stream("weight", d=d, seed=seed, ensemble=ensemble).standard_normal((d, d)))
    return (basis * np.geomspace(1, condition, d)) @ basis.T


def measure(options, context, number):
    """Return one row per programme, m, target and ensemble; ``converged`` where X* is found to 10⁻³.

    Where UUᵀ fits the labels, the trace of the Hessian of (1/4m) Σ (⟨A_i, UUᵀ⟩ − y_i)² is 2⟨W, UUᵀ⟩ with W = (1/m) Σ
    A_i²: the flattest fit is that of least ⟨W, X⟩ [ding2024].
    """
    d, rank = options["d"], options["rank"]
    counts = [round(ratio * d * rank) for ratio in options["m_over_dr"]]
    packed = np.concatenate(list(packed_rows(d, max(counts), context.seed, number)))
    drawn = random_weight(d, options["condition"], context.seed, number)
    found = []
    for target in range(options["targets"]):
        factor = draw_factor(spectrum_target(rank, options["kappa"]), d, rank, context.seed, target)
        goal = factor @ factor.T
        packed_goal = svec(torch.from_numpy(goal)).numpy()
        for m in counts:
            rows = packed[:m]
            weights = {
                "flattest": flat_weight(smat(torch.from_numpy(rows), d).numpy()),
                "trace": np.eye(d),
                "random": drawn,
            }
            for name, weight in weights.items():
                # The scale of a weight does not matter, and solvers want it near 1.
                solution, status = minimum_trace(rows, d, rows @ packed_goal, SOLVER, weight * d / np.trace(weight))
                error = np.nan if solution is None else np.linalg.norm(solution - goal) / np.linalg.norm(goal)
                # What is solved exactly need not be X*: only then it counts as recovered.
                status = status if status == FAILED or error < RECOVERED else "budget"
                names = {"programme": name, "m": m, "target": target, "ensemble": number, "status": status}
                found.append(names | {"d": d, "rank": rank, "condition": np.linalg.cond(weight), "test_error": error})
    return found
