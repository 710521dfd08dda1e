"""A picture from squared magnitudes (aᵢᵀx)²: descent of full width, told nothing,
beside width 1, a spectral start and least trace.
"""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from sklearn.datasets import load_digits

from algoreg.algorithms import factored, least_trace
from algoreg.engine.observers import Ends
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    m_over_n: Several[Annotated[float, Field(ge=0.5)]]
    method: Several[
        Literal["full", "full, large start", "width 1", "width 1, large start", "spectral", "least trace"]
    ] = Field(["full", "full, large start", "width 1", "width 1, large start", "spectral", "least trace"])
    alpha: PositiveFloat = 1e-6
    large: PositiveFloat = 0.1
    step: PositiveFloat = 0.06
    time: PositiveFloat
    trace_steps: PositiveInt = 200
    targets: int = Field(ge=2, le=10)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.step > self.time:
            raise misfit(self, "step at most time", "step", "time")
        return self


KEYS = {
    "m_over_n": ("m/n", "squared magnitudes per pixel, m/n"),
    "method": (
        "the method",
        "`full`, α·I and told nothing; `width 1`, told the rank; both also from a `large start`: 0.1·I, or a vector of the picture's "
        "size; `spectral`, the leading eigenvector of (1/m) Σ yᵢaᵢaᵢᵀ with the labels' mean as its square; `least trace`",
    ),
    "target": "number of the picture: an image of this digit",
    "ensemble": None,
}
VALUES = {
    "m": None,
    "error": (
        "the picture's error",
        "min(‖x − x*‖, ‖x + x*‖) / ‖x*‖ of x = √λ₁·v₁ of the estimate, whose sign nobody knows",
    ),
    "recovered": ("the share of pictures recovered", "1 where `error` is below 0.25, else 0"),
    "first_share": "the leading eigenvalue's share of the estimate's trace",
}
RECOVERED = 0.25
# Of the splitting: the weight of the trace.
TRACE_STEP = 0.3
# The norm of a start of width 1 that is as large as the picture.
PICTURE_SIZE = 1.0


def pictures(count, seed):
    """Return one image each of the first digits, drawn from scikit-learn's, of norm 1: shape (count, 64), float64."""
    images, digits = load_digits(return_X_y=True)
    drawn = [stream("digit", seed=seed, target=digit).choice(np.flatnonzero(digits == digit)) for digit in range(count)]
    return torch.from_numpy(images[drawn] / np.linalg.norm(images[drawn], axis=1, keepdims=True))


def spectral(ensemble, labels, counts):
    """Return xxᵀ of the spectral start of runs that know the first ``counts`` labels each, shape (B, n, n)."""
    found = []
    for row, m in zip(labels, counts, strict=True):
        pulled = (ensemble.vectors[:m].mT * row[:m]) @ ensemble.vectors[:m] / m
        first = torch.linalg.eigh(pulled.double()).eigenvectors[:, -1]
        found.append(row[:m].double().mean() * torch.outer(first, first))
    return torch.stack(found)


def vectors_of(estimates, stars):
    """Return √λ₁·v₁ of estimates (B, n, n), of the sign that is nearer to ``stars`` (B, n), and λ₁/tr X,
    shapes (B, n) and (B,).
    """
    values, vectors = torch.linalg.eigh(estimates.cpu().double())
    found = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()
    signs = torch.where((found * stars).sum(1, keepdim=True) < 0, -1.0, 1.0)
    return found * signs, values[:, -1] / values.sum(1)


def _run(options, method):
    """Return the algorithm and the options of a run of a method that descends."""
    if method == "least trace":
        return least_trace, {"step": TRACE_STEP, "iterations": options["trace_steps"]}
    large = method.endswith("large start")
    own = {"step": options["step"], "iterations": round(options["time"] / options["step"])}
    if method.startswith("full"):
        return factored, {**own, "alpha": options["large" if large else "alpha"], "start": "identity", "width": None}
    return factored, {**own, "alpha": PICTURE_SIZE if large else options["alpha"], "start": "gaussian", "width": 1}


def estimates_of(options, context, number):
    """Yield (method, names of its runs, estimates, statuses) for every method on the ensemble of a number."""
    stars = pictures(options["targets"], context.seed).to(context.device)
    n = stars.shape[1]
    # The largest m first: a run knows a prefix of the ensemble.
    names = [(ratio, target) for ratio in sorted(options["m_over_n"], reverse=True) for target in range(len(stars))]
    counts = [round(ratio * n) for ratio, _ in names]
    ensemble = context.draw(Ensemble, n, counts[0], number)
    planted = stars[[target for _, target in names]].to(context.dtype)
    labels = (planted @ ensemble.vectors.mT).square()
    for method in options["method"]:
        if method == "spectral":
            yield method, names, spectral(ensemble, labels, counts), ["converged"] * len(names)
            continue
        module, own = _run(options, method)
        runs = [{**own, "m": m, "target": target} for m, (_, target) in zip(counts, names, strict=True)]
        seen = Ends()
        targets = planted[:, :, None] * planted[:, None, :]
        descent = context.run(ensemble, module.Algorithm, runs, targets, [seen], labels=labels)
        yield method, names, seen.memory["estimates"], descent.status


def measure(options, context, number):
    """Return one row per m/n, method, picture and ensemble: the error of the picture found from m squared magnitudes.

    Pictures are scikit-learn's digits, 8 × 8 pixels, of norm 1. Measurements aᵢ ~ N(0, I) of one ensemble are the same
    for all pictures and methods; fewer are the first of more. Factored runs take η = ``step`` until η·t = ``time``.
    """
    stars = pictures(options["targets"], context.seed)
    rows = []
    for method, names, estimates, statuses in estimates_of(options, context, number):
        planted = stars[[target for _, target in names]]
        found, shares = vectors_of(estimates, planted)
        errors = torch.linalg.vector_norm(found - planted, dim=1)
        for (ratio, target), error, share, status in zip(
            names, errors.tolist(), shares.tolist(), statuses, strict=True
        ):
            own = {"m_over_n": ratio, "method": method, "target": target, "ensemble": number}
            values = {"m": round(ratio * stars.shape[1]), "error": error, "recovered": int(error < RECOVERED)}
            rows.append({**own, **values, "first_share": share, "status": status})
    return rows
