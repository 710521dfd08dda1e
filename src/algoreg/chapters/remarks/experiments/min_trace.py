"""Where factored descent from ever smaller starts ends,
beside the PSD matrix of least trace that fits the same labels.
"""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_targets
from algoreg.numerics.trace_minimisation import FAILED, SOLVERS, minimum_trace
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: Several[Annotated[float, Field(ge=1)]]
    alpha: Several[PositiveFloat]
    targets: int = Field(ge=2)
    step: PositiveFloat
    iterations: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * max(self.m_over_dr) * self.rank > self.d + 1:
            raise misfit(
                self, "m = m_over_dr·d·r at most d(d+1)/2: beyond it X* is the only solution", "m_over_dr", "rank", "d"
            )
        return self


# Convex solutions, the limit that the conjecture names, have alpha = 0.
KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "m_over_dr": None,
    "method": "`descent` from αI, or the solver of the convex programme: `clarabel` or `scs`",
    "alpha": "initialisation scale α: U₀ = αI (0 for the solvers)",
    "target": None,
    "ensemble": None,
}
# Distances are Frobenius norms over that of X*; trace is over that of X*.
VALUES = {"distance_to_min_trace": None, "distance_to_target": None, "train_error": None, "trace": None}
# A fit by the paper's own standard (its text on Figure 2).
FITTED = 1e-4


def compared(methods, planted, least, train_error):
    """Return one row's values and status per estimate and target.

    Parameters
    ----------
    methods : list of (method, alpha, estimates, statuses)
        Estimates as tensors of shape (T, d, d); ``statuses`` is a list of T texts, or None for a descent, whose status
        follows from its training error.
    planted, least : torch.Tensor, shape (T, d, d)
        The targets, and the PSD matrices of least trace (NaN where there is none).
    train_error : callable
        Maps estimates to their training errors, shape (T,).
    """
    norm, trace = torch.linalg.matrix_norm(planted), planted.diagonal(dim1=1, dim2=2).sum(dim=1)
    for method, alpha, estimates, statuses in methods:
        train, away = train_error(estimates), test_error(estimates, planted)
        apart = torch.linalg.matrix_norm(estimates - least) / norm
        own = estimates.diagonal(dim1=1, dim2=2).sum(dim=1) / trace
        for target in range(len(planted)):
            fitted = float(train[target])
            reached = "converged" if fitted < FITTED else "budget" if fitted < float("inf") else FAILED
            status = statuses[target] if statuses else reached
            values = dict(zip(VALUES, (apart, away, train, own), strict=True))
            yield {
                "method": method,
                "alpha": alpha,
                "target": target,
                **{name: None if status == FAILED else float(value[target]) for name, value in values.items()},
                "status": status,
            }


def solutions(solve, labels, like):
    """Return every solver's solutions of all targets:
    {solver: (estimates (T, d, d), NaN where there is none; statuses)}.

    ``solve`` maps a target's labels and a solver's name to a d × d array or None, and a status.
    """
    found = {}
    for solver in SOLVERS:
        pairs = [solve(row.double().cpu().numpy(), solver) for row in labels]
        none = torch.full_like(like[0], torch.nan)
        estimates = [none if matrix is None else torch.as_tensor(matrix).to(like) for matrix, _ in pairs]
        found[solver] = torch.stack(estimates), [status for _, status in pairs]
    return found


def descend(context, known, algorithm, planted, labels, options):
    """Return X after ``iterations`` steps from each α, [(α, (T, d, d))], all in one batch."""
    alphas, targets, ends = options["alpha"], len(planted), Ends()
    timed = {"start": "identity", "step": options["step"], "iterations": options["iterations"], "m": known.m}
    runs = [{**timed, "alpha": alpha, "target": target} for alpha in alphas for target in range(targets)]
    goals, together = planted.repeat(len(alphas), 1, 1), labels.repeat(len(alphas), 1)
    context.run(known, algorithm, runs, goals, [ends], labels=together)
    return list(zip(alphas, ends.memory["estimates"].unflatten(0, (len(alphas), targets)), strict=True))


def compared_on(context, known, algorithm, solve, planted, options):
    """Return the values of every solver and of descent from every α on one ensemble; see :func:`compared`.

    Parameters
    ----------
    context : algoreg.engine.experiment.Context
    known : algoreg.ensembles.base.Ensemble
    algorithm : type
    solve : callable
        See :func:`solutions`.
    planted : torch.Tensor, shape (T, d, d)
    options : mapping
        ``alpha, step, iterations``.
    """
    labels = known.label(planted)
    solved = solutions(solve, labels, planted)
    methods = [(solver, 0.0, *solution) for solver, solution in solved.items()]
    ends = descend(context, known, algorithm, planted, labels, options)
    methods += [("descent", alpha, end, None) for alpha, end in ends]
    context.log(f"ensemble {known.number}, m = {known.m}: solvers say {solved['clarabel'][1]}, {solved['scs'][1]}")
    return list(compared(methods, planted, solved["clarabel"][0], partial(known.train_error, labels=labels)))


def measure(options, context, number, m_over_dr):
    """Return one row per m, target, ensemble and estimate: descent from each α, and each solver's solution.

    The solution that distances are taken to is Clarabel's; its own distance is 0, that of SCS says how far the two
    solvers agree. Measurements are Gaussian, m = m_over_dr·d·r of them, nested.
    """
    d, rank = options["d"], options["rank"]
    m = round(m_over_dr * d * rank)
    planted = draw_targets({"kind": "columns"}, d, rank, context, options["targets"])
    known = context.draw(Ensemble, d, m, number)
    solve = partial(minimum_trace, known.rows.double().cpu().numpy(), d)
    rows = compared_on(context, known, factored.Algorithm, solve, planted, options)
    return [{"d": d, "rank": rank, "m": m, "m_over_dr": m_over_dr, "ensemble": number, **row} for row in rows]
