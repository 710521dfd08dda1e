"""Matrix sensing by spectral networks, plain factors and linear descent, from starts of one size [chu2024]."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.base import Algorithm
from algoreg.chapters.spectral.ends import LongEnds
from algoreg.chapters.spectral.layers import pulled_back, spectral
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dof: Several[PositiveFloat]
    start: Several[Annotated[float, Field(gt=0, le=1)]] = Field(description="tanh saturates beyond")
    step: float = Field(0.1, gt=0, le=0.2)
    iterations: int = Field(ge=10)
    tolerance: float = Field(0.01, gt=0, lt=1)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.m_over_dof) * self.rank * (2 * self.d - self.rank) >= self.d**2:
            raise misfit(self, "m below d², from where on one matrix alone fits", "m_over_dof", "rank", "d")
        return self


KEYS = {
    "network": (
        "the network",
        "`spectral`, with tanh on singular values, `plain`, UVᵀ, or `linear`, X itself from 0",
    ),
    "m_over_dof": ("m over the degrees of freedom", "measurements over the degrees of freedom r(2d − r)"),
    "start": ("the size of the start", "U and V start with iid N(0, 1/d) entries times this (0: X starts as 0)"),
    "target": None,
    "ensemble": None,
}
VALUES = {"d": None, "rank": None, "m": None, "test_error": None, "train_error": None}


def draw_target(d, rank, seed, number):
    """Return a projection on a Haar subspace, shape (d, d)."""
    basis, _ = np.linalg.qr(
        stream("target", kind="projection", d=d, rank=rank, seed=seed, target=number).standard_normal((d, rank))
    )
    return basis @ basis.T


def draw_rows(d, m, seed, ensemble):
    """Return the flattened A_i, shape (m, d²)."""
    return stream("ensemble", kind="rectangular gaussian", d=d, seed=seed, ensemble=ensemble).standard_normal(
        (m, d * d)
    )


def draw_factors(d, seed, target):
    """Return U and V, each of shape (d, d)."""
    return stream("start", kind="blocks", d=d, seed=seed, target=target).standard_normal((2, d, d)) / d**0.5


STATE = ("left", "right", "weight")


class Plain(Algorithm):
    """Descent on U and V of X = UVᵀ. State: ``left`` and ``right``, U and V, shape (B, d, d), and ``weight``, 1, shape
    (B, 1, 1).
    """

    requires = frozenset({"single measurements"})
    shaped = False

    def initial(self):
        """Return the factors that every run starts from."""
        left, right = (np.stack(part) for part in zip(*(run["factors"] for run in self.runs), strict=True))
        return _state(left, right, np.ones((len(left), 1, 1)))

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        left, right, weight = (state[name].numpy() for name in STATE)
        rows, labels, step = self.ensemble.rows.numpy(), self.labels.numpy(), self.steps.numpy()
        for _ in range(count):
            whole = left @ right.mT
            layers, decomposition = spectral(whole) if self.shaped else (whole, None)
            residual = (weight * layers).reshape(len(left), -1) @ rows.T - labels
            gradient = (residual @ rows / len(rows)).reshape(left.shape)
            pull = pulled_back(weight * gradient, decomposition) if self.shaped else weight * gradient
            left, right = left - step * pull @ right, right - step * pull.mT @ left
            if self.shaped:
                weight = weight - step * (gradient * layers).sum((1, 2), keepdims=True)
        return _state(left, right, weight)

    def estimate(self, state):
        """Return X of every run."""
        left, right, weight = (state[name].numpy() for name in STATE)
        whole = left @ right.mT
        return torch.from_numpy(weight * (spectral(whole)[0] if self.shaped else whole))


class Spectral(Plain):
    """The same of X = a·Γ(UVᵀ), tanh on the singular values; ``weight`` is a, which is trained, too."""

    shaped = True


def _state(*parts):
    return dict(zip(STATE, map(torch.from_numpy, parts), strict=True))


def measure(options, context, number, m_over_dof):
    """Return one row per network, m, start, target and ensemble.

    X* is a projection of rank r. A_i has iid N(0, 1) entries and is not symmetric. Spectral and plain networks start
    from the same U and V; the spectral one trains its weight a, from 1, too. A run is
    ``converged`` if its relative training error is below ``tolerance`` at its end.
    """
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    m = round(m_over_dof * rank * (2 * d - rank))
    rows = draw_rows(d, m, context.seed, number)
    goals = np.stack([draw_target(d, rank, context.seed, target) for target in range(count)])
    labels = goals.reshape(count, -1) @ rows.T
    places = [(start, target) for start in options["start"] for target in range(count)]
    runs = [
        {"factors": start * draw_factors(d, context.seed, target), "target": target, "m": m}
        | {"step": options["step"], "iterations": options["iterations"]}
        for start, target in places
    ]
    own = [target for _, target in places]
    known, planted = Ensemble(torch.from_numpy(rows), d, number=number), torch.from_numpy(goals[own])
    # Descent on X from 0 ends at the fit of least Frobenius norm.
    least = (labels @ np.linalg.pinv(rows).T).reshape(count, d, d)
    ends = {}
    for network, algorithm in (("spectral", Spectral), ("plain", Plain)):
        seen = LongEnds()
        context.run(
            known, algorithm, runs, planted, [seen], labels=torch.from_numpy(labels[own]), diverges_above=np.inf
        )
        ends[network] = places, seen.memory["estimates"].numpy()
    ends["linear"] = [(0.0, target) for target in range(count)], least
    found = []
    for network, (named, estimates) in ends.items():
        for (start, target), estimate in zip(named, estimates, strict=True):
            error = float(np.linalg.norm(estimate - goals[target]) / np.linalg.norm(goals[target]))
            left = float(np.linalg.norm(rows @ estimate.ravel() - labels[target]) / np.linalg.norm(labels[target]))
            status = "converged" if left < options["tolerance"] else "budget" if np.isfinite(error) else "diverged"
            found.append(
                {"network": network, "m_over_dof": m_over_dof, "start": start, "target": target, "ensemble": number}
                | {"d": d, "rank": rank, "m": m, "test_error": error, "train_error": left, "status": status}
            )
    return found
