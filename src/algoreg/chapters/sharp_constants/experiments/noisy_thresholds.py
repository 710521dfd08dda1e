"""The squared error of least squares at rank r, and of penalised least trace, on noisy labels beside predictions."""

import math

import torch
from pydantic import PositiveFloat, PositiveInt

from algoreg.algorithms import hard_thresholding, penalised_trace
from algoreg.chapters.sharp_constants.predictions import penalty, squared_error
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[PositiveInt]
    rank: PositiveInt
    m_over_dr: PositiveFloat
    # x = σ√(d/(2m)): half of the noise's edge in (1/m) Σ ξ_iA_i over X*'s eigenvalues.
    noise: Different[PositiveFloat]
    iterations: PositiveInt


KEYS = {
    "d": None,
    "method": (
        "the method",
        "`least_squares`: over the matrices of rank r; `penalised`: by the trace, with the penalty that shrinks by the "
        "Wigner matrix's edge",
    ),
    "noise": ("the noise x", "x = σ√(d/(2m)), σ the labels' noise: half the noise's edge over X*'s eigenvalues"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "rank": None,
    "m": None,
    "error": ("the squared error per eigenvalue", "‖X − X*‖²_F / r"),
    "predicted": "what theory says of it; empty where X*'s eigenvalues do not leave the bulk",
    "over": ("the squared error over the prediction", "`error` / `predicted`"),
    "over_noise": (
        "the squared error over the prediction of noise alone",
        "`error` over the same formula without the error that is left in the Wigner matrix",
    ),
    "change": "how far the last tenth of the iterations moved X, over ‖X*‖_F",
}
# A run has converged where its last tenth moved X by less than this, over ‖X*‖_F.
SETTLED = 1e-6
MOMENTUM = 0.8


class FixedPenalty(penalised_trace.Algorithm):
    """Proximal descent with each run's own ``penalty`` from the first step to the last."""

    def initial(self):
        """Return X_0 = Z_0 = 0 and the penalties."""
        return super().initial() | {"penalty": self.numbers("penalty")}


class Settling(Ends):
    """What runs end with, and where they were at a tenth of the iterations before: memory ``before`` (B, d, d)."""

    def __init__(self, iteration):
        self.iterations = [iteration]

    def prepare(self, batch):
        """Make room for both."""
        super().prepare(batch)
        self.memory["before"] = torch.zeros_like(batch.targets)

    def observe(self, snapshot):
        """Keep the estimates."""
        if snapshot.iteration == self.iterations[0]:
            self.memory["before"][torch.from_numpy(snapshot.active)] = snapshot.estimate


def measure(options, context, number, d):
    """Return one row per d, method, noise and draw of target, measurements and noise."""
    rank, ratio = options["rank"], options["m_over_dr"]
    m = round(ratio * d * rank)
    ensemble = context.draw(Ensemble, d, m, number)
    target = draw_targets(spectrum_target(rank, 1), d, rank, context, 1, first=number)
    normal = torch.from_numpy(stream("sharp-noise", d=d, m=m, seed=context.seed, draw=number).standard_normal(m))
    targets = target.expand(len(options["noise"]), d, d)
    sizes = torch.tensor([noise * math.sqrt(2 * m / d) for noise in options["noise"]], dtype=torch.float64)
    labels = ensemble.label(targets) + (sizes[:, None] * normal).to(context.device, context.dtype)
    # The Hessian's largest eigenvalue is about (1 + √(D/m))².
    step = 1 / (1 + math.sqrt(symmetric_dimension(d) / m)) ** 2
    own = {"m": m, "rank": rank, "target": number, "iterations": options["iterations"]}
    thresholding = {"keep": None, "rule": "adaptive", "momentum": 0.0, "step": 1.0}
    proximal = {"momentum": MOMENTUM, "decay": 1.0, "step": step}
    methods = {
        "least_squares": (hard_thresholding.Algorithm, [own | thresholding for _ in options["noise"]]),
        "penalised": (
            FixedPenalty,
            [own | proximal | {"penalty": _penalty(noise, d, rank, ratio)} for noise in options["noise"]],
        ),
    }
    for method, (algorithm, runs) in methods.items():
        seen = Settling(options["iterations"] * 9 // 10)
        context.run(ensemble, algorithm, runs, targets, [seen], labels=labels, diverges_above=math.inf)
        ends, before = seen.memory["estimates"], seen.memory["before"]
        errors = (ends - targets).square().sum((1, 2)) / rank
        changes = torch.linalg.matrix_norm(ends - before) / math.sqrt(rank)
        for noise, error, change in zip(options["noise"], errors.tolist(), changes.tolist(), strict=True):
            predicted, alone = squared_error(method, noise, ratio), squared_error(method, noise, math.inf)
            yield {
                "d": d,
                "method": method,
                "noise": noise,
                "target": number,
                "ensemble": number,
                "rank": rank,
                "m": m,
                "error": error,
                "predicted": predicted,
                "over": error / predicted,
                "over_noise": error / alone,
                "change": change,
                "status": "diverged" if not math.isfinite(error) else "converged" if change < SETTLED else "budget",
            }


def _penalty(noise, d, rank, m_over_dr):
    """Return the penalty of :func:`penalty`, that of the noise's own edge where theory has no s."""
    found = penalty(noise, d, rank, m_over_dr)
    return found if math.isfinite(found) else 2 * noise
