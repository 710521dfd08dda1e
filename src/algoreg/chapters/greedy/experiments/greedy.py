"""Where methods from ever smaller starts end: beside the end of greedy low-rank learning, and beside the least trace.

Greedy low-rank learning [li2021] adds one column to U at a time. From U = 0: u is the top eigenvector of −M,
U ← [U, εu], and gradient flow of UUᵀ goes to its end; then the next column, until the labels are fitted or −M has no
positive eigenvalue.
"""

import math
from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, mirror
from algoreg.engine.observers import Ends, Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: PositiveFloat
    method: Several[Literal["descent", "mirror"]]
    alpha: Different[Annotated[float, Field(ge=1e-12, le=1)]] = Field(min_length=2)
    targets: int = Field(ge=2)
    step: float = Field(gt=0, le=0.5)
    iterations: PositiveInt
    greedy_iterations: PositiveInt = Field(200000, description="the most steps of a column")

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.m_over_dr * self.rank > self.d + 1:
            allowed = "m = m_over_dr·d·r at most d(d+1)/2: beyond it X* is the only solution"
            raise misfit(self, allowed, "m_over_dr", "rank", "d")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "m_over_dr": None,
    "method": "`descent` on U, `mirror` descent, or `greedy` low-rank learning",
    "alpha": ("α", "size of the start: X₀ = α²·I (0 for `greedy`)"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "log_smallness": ("ln(1/s₀)", "natural logarithm of 1/s₀, X₀ = s₀·I (empty for `greedy`)"),
    "distance_to_greedy": (
        "the distance to the end of greedy low-rank learning",
        "‖X − X_G‖_F / ‖X*‖_F, X_G being the end of greedy low-rank learning (0 for `greedy`)",
    ),
    "distance_to_min_trace": None,
    "distance_to_target": None,
    "train_error": None,
    "columns": "columns that greedy low-rank learning took on this draw",
    "gap": ("the gap of −M(0)", "1 − λ₂/λ₁, λ₁ and λ₂ the largest eigenvalues of −M(0) = (1/m)Σ yᵢAᵢ"),
}
# A run leaves at this training error. One that is above UNFITTED at the end has status budget.
FITTED, UNFITTED = 1e-9, 1e-3
# Of greedy low-rank learning: the size ε of a new column; the column is learned, and flow at its end, when its norm is
# above GROWN and ‖MU‖_F below STILL; −M has no positive eigenvalue if none is above NONE.
NEW, GROWN, STILL, NONE = 1e-7, 1e-3, 1e-9, 1e-7
# Steps between two looks.
EVERY = 100
ALGORITHMS = {"descent": factored.Algorithm, "mirror": mirror.Algorithm}
# Where matrices commute the paths of the two agree if mirror descent has twice the step. Its end is the same at every
# step that converges, and it bears longer ones than descent, whose last column may never come to rest at those.
STEPS = {"descent": 1, "mirror": 4}


class Fitted(Ends):
    """The estimate of every run when it fits its labels, or at its end: memory ``estimates`` and ``errors``."""

    reads_train_error = True
    stride, from_start = EVERY, False
    per_run = begins(errors=np.inf)

    def observe(self, snapshot):
        """Take in errors, and let the runs go that fit."""
        self.memory["errors"][snapshot.active] = np.where(snapshot.diverged, np.inf, snapshot.train_error)
        return snapshot.train_error < FITTED


class Settled(Observer):
    """The factor of every run when its last column has grown and flow has come to its end:
    memory ``factors`` and ``settled``.
    """

    stride, from_start = EVERY, False
    per_run = begins(settled=False)

    def __init__(self, width):
        self.width = width

    def prepare(self, batch):
        """Allocate the memory."""
        super().prepare(batch)
        self.memory["factors"] = batch.targets.new_zeros(*batch.targets.shape[:2], self.width)

    def observe(self, snapshot):
        """Keep the factors, and let the runs go that have settled."""
        factors = snapshot.algorithm.factor(snapshot.state)
        pulled = snapshot.algorithm.ensemble.gradient(snapshot.estimate, snapshot.algorithm.labels)
        still = torch.linalg.matrix_norm(torch.bmm(pulled, factors)) < STILL
        done = (still & (torch.linalg.vector_norm(factors[..., -1], dim=1) > GROWN)).cpu().numpy()
        self.memory["factors"][torch.from_numpy(snapshot.active)] = factors
        self.memory["settled"][snapshot.active] = done
        return done


def descents(ensemble, top, labels):
    """Return top eigenvalues of −M at X = UUᵀ, falling, shape (T, d), the first's eigenvectors (T, d),
    for factors (T, d, k).
    """
    values, vectors = torch.linalg.eigh(ensemble.gradient(torch.bmm(top, top.mT), labels))
    return -values, vectors[..., 0]


def greedy(context, ensemble, planted, labels, step, most):
    """Return where greedy low-rank learning ends, for every target.

    Parameters
    ----------
    context : algoreg.engine.experiment.Context
    ensemble : algoreg.ensembles.base.Ensemble
    planted : torch.Tensor, shape (T, d, d)
    labels : torch.Tensor, shape (T, m)
    step : float
        η.
    most : int
        Steps of a column at most.

    Returns
    -------
    tuple
        X, shape (T, d, d); the columns that each took; whether each came to its end, both shape (T,).
    """
    count, d, _ = planted.shape
    factor = planted.new_zeros(count, d, 0)
    columns, ended = np.zeros(count, int), np.ones(count, bool)
    for width in range(1, d + 1):
        values, vectors = descents(ensemble, factor, labels)
        error = ensemble.train_error(torch.bmm(factor, factor.mT), labels)
        goes_on = ((error >= FITTED) & (values[:, 0] > NONE)).cpu().numpy() & ended
        if not goes_on.any():
            break
        places = torch.from_numpy(np.flatnonzero(goes_on))
        factor = torch.nn.functional.pad(factor, (0, 1))
        factor[places, :, -1] = NEW * vectors[places]
        run = {"m": ensemble.m, "step": step, "iterations": most, "alpha": NEW, "start": "identity"}
        runs = [run | {"target": target, "width": width} for target in places.tolist()]
        seen, start = Settled(width), {"factor": factor[places].clone()}
        own = {"labels": labels[places], "start": start}
        context.run(ensemble, factored.Algorithm, runs, planted[places], [seen], **own)
        factor[places] = seen.memory["factors"]
        columns[goes_on] = width
        ended[goes_on] = seen.memory["settled"]
    return torch.bmm(factor, factor.mT), columns, ended


def run_method(context, ensemble, method, planted, labels, options):
    """Return where a method ends from every α: X, shape (A, T, d, d), and training errors, shape (A, T)."""
    alphas, count = options["alpha"], len(planted)
    shared = {"m": ensemble.m, "step": STEPS[method] * options["step"], "start": "identity"}
    runs = [
        shared | {"iterations": options["iterations"], "alpha": alpha, "target": target}
        for alpha, target in product(alphas, range(count))
    ]
    seen = Fitted()
    goals, together = planted.repeat(len(alphas), 1, 1), labels.repeat(len(alphas), 1)
    context.run(ensemble, ALGORITHMS[method], runs, goals, [seen], labels=together)
    shape = (len(alphas), count)
    return seen.memory["estimates"].unflatten(0, shape), seen.memory["errors"].reshape(shape)


def least_traces(ensemble, labels, like):
    """Return the PSD matrices of least trace that fit each target's labels,
    NaN where there is none, shape (T, d, d).
    """
    rows = ensemble.rows.double().cpu().numpy()
    found = [minimum_trace(rows, ensemble.d, own.double().cpu().numpy(), "clarabel")[0] for own in labels]
    none = torch.full_like(like[0], torch.nan)
    return torch.stack([none if one is None else torch.as_tensor(one).to(like) for one in found])


def _status(error, known):
    """Return how a run ended; ``known``: whether both points of comparison are known."""
    if not (known and math.isfinite(error)):
        return "diverged"
    return "converged" if error < UNFITTED else "budget"


def measure(options, context, number):
    """Return one row per method, α, target and ensemble, and one of the method ``greedy``, α = 0.

    The first m Gaussian measurements of an ensemble, m = m_over_dr·d·r. Descent goes from U = αI, mirror descent from
    X = α²I with four times the step. Rows of an ensemble on one of whose draws greedy low-rank learning or the solver
    failed have status ``diverged`` there, and no distances.
    """
    d, rank = options["d"], options["rank"]
    m = round(options["m_over_dr"] * d * rank)
    planted = draw_targets({"kind": "columns"}, d, rank, context, options["targets"])
    ensemble = context.draw(Ensemble, d, m, number)
    labels, norms = ensemble.label(planted), torch.linalg.matrix_norm(planted)
    end, columns, ended = greedy(context, ensemble, planted, labels, options["step"], options["greedy_iterations"])
    least = least_traces(ensemble, labels, planted)
    values, _ = descents(ensemble, planted[..., :0], labels)
    known = ended & torch.isfinite(least).all(dim=(1, 2)).cpu().numpy()
    reached = [("greedy", [0.0], end[None], ensemble.train_error(end, labels).cpu().numpy()[None])]
    for method in options["method"]:
        reached.append((method, options["alpha"], *run_method(context, ensemble, method, planted, labels, options)))
    shared = {"d": d, "rank": rank, "m": m, "m_over_dr": options["m_over_dr"], "ensemble": number}
    rows = []
    for method, alphas, estimates, errors in reached:
        goals = {"distance_to_greedy": end, "distance_to_min_trace": least, "distance_to_target": planted}
        apart = {name: torch.linalg.matrix_norm(estimates - goal) / norms for name, goal in goals.items()}
        for (place, alpha), target in product(enumerate(alphas), range(len(planted))):
            status = _status(errors[place, target], known[target])
            found = {name: values[place, target].item() for name, values in apart.items()}
            found["train_error"] = float(errors[place, target])
            lost = status == "diverged"
            rows.append(
                {**shared, "method": method, "alpha": alpha, "target": target, "status": status}
                | {name: None if lost else value for name, value in found.items()}
                | {"log_smallness": -2 * math.log(alpha) if alpha else None, "columns": int(columns[target])}
                | {"gap": 1 - (values[target, 1] / values[target, 0]).item()}
            )
    return rows
