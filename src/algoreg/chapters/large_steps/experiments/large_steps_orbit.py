"""Beyond the edge of stability: whether X repeats every second iteration, and what becomes of the factors' imbalance.

Two factors on a known target, and UUᵀ in matrix sensing, at steps around 2 over the sharpness of the balanced minimum.
"""

import numpy as np
import torch
from pydantic import Field, PositiveFloat

from algoreg.chapters.optimised import constant_steps, descend, known_target
from algoreg.engine.observers import Observer
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import haar_basis
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Different, ExperimentOptions


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=3)
    # Of X* on the known target, falling; in sensing it has the first alone.
    eigenvalues: Different[PositiveFloat] = Field([1.0, 0.6, 0.3])
    m_over_d: PositiveFloat = 3.0
    ratio: Different[PositiveFloat]
    iterations: int = Field(ge=3)


KEYS = {
    "problem": ("the problem", "`known`: PQᵀ, every entry measured; `sensing`: UUᵀ, Gaussian measurements"),
    "ratio": ("the step times half the sharpness", "η times half the sharpness at the balanced minimum: 1 at the edge"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "step": None,
    "period_1": ("the change of X in an iteration", "‖X_T − X_{T−1}‖_F / ‖X*‖_F at the last iteration T"),
    "period_2": ("the change of X in two iterations", "‖X_T − X_{T−2}‖_F / ‖X*‖_F"),
    "orbit": (
        "the share of runs of period 2",
        "1 if X changes by more than 0.05 in one iteration and by less than 0.001 in two",
    ),
    "gap": (
        "the gap that is left",
        "|‖Pᵀv‖² − ‖Qᵀv‖²| at the end over that at the start, v the first eigenvector of X*; 1 for UUᵀ, which has none",
    ),
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F"),
}
OSCILLATES, REPEATS = 0.05, 1e-3
# The factors start at √λ·e^{±u}, u in this range, and P a hundredth longer.
IMBALANCE, LONGER = (0.1, 0.2), 1.01
# Least gap that is written: below it is rounding.
ROUNDING = 1e-16


class Orbit(Observer):
    """The last three X of every run: memory ``last`` (3, B, d, d), the newest first."""

    def prepare(self, batch):
        """Allocate the memory."""
        super().prepare(batch)
        self.memory["last"] = batch.targets.new_full((3, *batch.targets.shape), torch.nan)
        self.memory["factors"] = batch.start["factors"].clone()

    def observed_iterations(self, last):
        """Return the last three."""
        return range(last - 2, last + 1)

    def observe(self, snapshot):
        """Take in X and the factors."""
        index, last = torch.from_numpy(snapshot.active), self.memory["last"]
        last[2, index], last[1, index] = last[1, index], last[0, index]
        last[0, index] = snapshot.estimate
        self.memory["factors"][index] = snapshot.state["factors"]


def sharpness(ensemble, factor):
    """Return the largest eigenvalue of U's Hessian at a fit, in M-form: of Δ ↦ (2/m) Σ ⟨A_iU, Δ⟩A_iU."""
    pulled = (ensemble.unpacked() @ factor).flatten(1)
    return 2 * float(torch.linalg.matrix_norm(pulled, 2)) ** 2 / ensemble.m


def known_start(d, values, seed, number):
    """Return V, its eigenvalues' factors P and Q near balance (2, d, d), float64."""
    generator = stream("large-steps", d=d, seed=seed, draw=number)
    vectors, right = (haar_basis(generator.standard_normal((d, d))) for _ in range(2))
    scale = np.exp(generator.uniform(*IMBALANCE, len(values)))
    roots = np.sqrt(values)
    sides = (LONGER * roots * scale, roots / scale)
    return vectors[:, : len(values)], np.array(
        [(vectors[:, : len(values)] * s) @ right[:, : len(values)].T for s in sides]
    )


def sensing_start(d, seed, number):
    """Return U* with one column and d − 1 of 0, and a start near it, (d, d) each, float64."""
    generator = stream("large-steps-sensing", d=d, seed=seed, draw=number)
    factor = np.zeros((d, d))
    factor[:, 0] = haar_basis(generator.standard_normal((d, 1)))[:, 0]
    return factor, LONGER * factor + 0.01 * generator.standard_normal((d, d)) / d**0.5


def measure(options, context, number):
    """Return one row per problem, step and draw."""
    d, values = options["d"], options["eigenvalues"]
    vectors, start = known_start(d, values, context.seed, number)
    factor, near = (
        torch.from_numpy(array).to(context.device, context.dtype) for array in sensing_start(d, context.seed, number)
    )
    some = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    vectors, start = (torch.from_numpy(array).to(factor) for array in (vectors, start))
    known = (vectors * torch.tensor(values).to(factor)) @ vectors.mT
    problems = {
        "known": (known_target(d, context), known, start, values[0], {"parametrisation": "product"}),
        "sensing": (some, factor @ factor.mT, near[None], sharpness(some, factor) / 2, {}),
    }
    rows = []
    for problem, (ensemble, target, begun, unit, own) in problems.items():
        runs = [
            constant_steps(ratio / unit, options["iterations"], alpha=1.0, target=number, ratio=ratio, **own)
            for ratio in options["ratio"]
        ]
        factors = begun.expand(len(runs), *begun.shape).clone()
        zeros = torch.zeros_like(factors)
        state = {"factors": factors, "momentum": zeros, "squares": zeros, "covariances": zeros}
        seen = Orbit()
        goals = target.expand(len(runs), d, d)
        status = descend(context, ensemble, runs, goals, [seen], start=state, diverges_above=1e3)
        rows += _rows(problem, runs, status, seen.memory, (begun, target, vectors[:, 0]), number, ensemble)
    return rows


def _gaps(factors, vector):
    """Return |‖Pᵀv‖² − ‖Qᵀv‖²| of pairs of factors (…, 2, d, k)."""
    lengths = (factors.mT @ vector).square().sum(-1)
    return (lengths[..., 0] - lengths[..., 1]).abs()


def _rows(problem, runs, status, memory, given, number, ensemble):
    begun, target, vector = given
    norm = torch.linalg.matrix_norm(target)
    newest, before, first = memory["last"]
    one, two, error = (torch.linalg.matrix_norm(newest - other) / norm for other in (before, first, target))
    gaps = torch.ones(len(runs))
    if problem == "known":
        gaps = (_gaps(memory["factors"], vector) / _gaps(begun, vector)).clamp(min=ROUNDING)
    rows = []
    for k, (run, end) in enumerate(zip(runs, status, strict=True)):
        there = end != "diverged"
        found = {
            "period_1": one[k].item(),
            "period_2": two[k].item(),
            "gap": gaps[k].item(),
            "end_error": error[k].item(),
        }
        orbit = there and found["period_1"] > OSCILLATES and found["period_2"] < REPEATS
        rows.append(
            {"problem": problem, "ratio": run["ratio"], "target": number, "ensemble": number, "d": ensemble.d}
            | {"m": ensemble.m, "step": run["step"], "orbit": float(orbit), "status": end}
            | {name: value if there else float("nan") for name, value in found.items()}
        )
    return rows
