"""What two factors conserve: √(PᵀP) − √(QᵀQ) under polar steps, PᵀP − QᵀQ under descent."""

from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat

from algoreg.chapters.optimised import descend, known_target
from algoreg.chapters.optimisers.methods import small_steps
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.eigen import spectral
from algoreg.numerics.problems import haar_basis
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    method: Several[Literal["polar", "descent"]] = Field(["polar", "descent"])
    step: Several[PositiveFloat]
    # η·t of every run.
    time: PositiveFloat = 1.0
    descent_time: PositiveFloat = 5.0
    # Of what is measured where the target is not known, over d(d+1)/2.
    share: float = Field(0.75, gt=0, lt=1)


KEYS = {
    "method": "optimiser",
    "start": ("the start", "`aligned`: P and Q have the eigenvectors of X* and one right basis; `random`: Gaussian"),
    "measured": ("what is measured", "`all`: every entry, M = X − X*; `some`: Gaussian measurements"),
    "step": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "root_drift": (
        "the drift of √(PᵀP) − √(QᵀQ)",
        "largest change of √(PᵀP) − √(QᵀQ) from the start over every fifth iteration, Frobenius norm",
    ),
    "square_drift": ("the drift of PᵀP − QᵀQ", "the same of PᵀP − QᵀQ"),
}
# Eigenvalues of X*, largest over smallest; and of the factors at the start, least and largest.
KAPPA, SPREAD = 3.0, (0.1, 0.3)


def _root(matrices):
    return spectral(matrices, lambda values: values.clamp(min=0).sqrt())


def differences(factors):
    """Return √(PᵀP) − √(QᵀQ) and PᵀP − QᵀQ of pairs of factors (B, 2, d, k)."""
    first, second = (factor.mT @ factor for factor in factors.unbind(1))
    return _root(first) - _root(second), first - second


class Drift(Observer):
    """How far both differences move: memory ``root`` and ``square`` (B,), the largest over iterations.

    Parameters
    ----------
    start : torch.Tensor, shape (B, 2, d, d)
    """

    stride = 5
    per_run = begins(root=0.0, square=0.0)

    def __init__(self, start):
        self.begun = differences(start)

    def observe(self, snapshot):
        """Take in the differences."""
        index = torch.from_numpy(snapshot.active)
        for name, begun, now in zip(self.per_run, self.begun, differences(snapshot.state["factors"]), strict=True):
            moved = torch.linalg.matrix_norm(now - begun[index]).cpu().numpy()
            self.memory[name][snapshot.active] = np.maximum(self.memory[name][snapshot.active], moved)


def drawn(d, seed, number):
    """Return X* of full rank, and aligned and random pairs of factors, (2, d, d) each, float64."""
    generator = stream("conserved", d=d, seed=seed, draw=number)
    vectors, right = (haar_basis(generator.standard_normal((d, d))) for _ in range(2))
    target = (vectors * np.geomspace(1, 1 / KAPPA, d)) @ vectors.T
    aligned = [(vectors * generator.uniform(*SPREAD, d)) @ right.T for _ in range(2)]
    random = generator.standard_normal((2, d, d)) * SPREAD[1] / d**0.5
    return target, {"aligned": np.array(aligned), "random": random}


def measure(options, context, number):
    """Return one row per method, start, kind of measurements, step and draw: P and Q are d × d, X = PQᵀ."""
    d = options["d"]
    target, starts = drawn(d, context.seed, number)
    target = torch.from_numpy(target).to(context.device, context.dtype)
    some = context.draw(Ensemble, d, round(options["share"] * symmetric_dimension(d)), number)
    rows = []
    for measured, ensemble in (("all", known_target(d, context)), ("some", some)):
        settings = list(product(options["method"], starts, options["step"]))
        runs = [
            small_steps(method, step, round(options["time" if method == "polar" else "descent_time"] / step))
            | {"alpha": 1.0, "target": number, "parametrisation": "product"}
            for method, _, step in settings
        ]
        factors = torch.stack([torch.from_numpy(starts[start]) for _, start, _ in settings]).to(target)
        zeros = torch.zeros_like(factors)
        state = {"factors": factors, "momentum": zeros, "squares": zeros, "covariances": zeros}
        seen = Drift(factors)
        status = descend(context, ensemble, runs, target.expand(len(runs), d, d), [seen], start=state)
        drifts = zip(*(seen.memory[name].tolist() for name in seen.per_run), strict=True)
        for (method, start, step), end, (root, square) in zip(settings, status, drifts, strict=True):
            names = {"method": method, "start": start, "measured": measured, "step": step}
            rows.append(
                {**names, "target": number, "ensemble": number, "d": d, "m": ensemble.m}
                | {"root_drift": root, "square_drift": square, "status": end}
            )
    return rows
