"""Linear convolutional networks on separable data: the Fourier margin that they end at [gunasekar2018b]."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.algorithms.base import Algorithm
from algoreg.chapters.spectral.ends import LongEnds
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=4)
    m: int = Field(ge=2)
    network: Several[Literal["convolutional", "fully_connected", "linear"]]
    start: float = Field(0.1, gt=0, le=1)
    step: float = Field(0.1, gt=0, le=0.5)
    iterations: int = Field(ge=10)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.m > self.d:
            raise misfit(self, "at most d: random labels of more points need not be separable", "m")
        return self


KEYS = {
    "network": (
        "the network",
        "`convolutional` and `fully_connected` have two layers, `linear` one: x is given a number ⟨β, x⟩",
    ),
    "target": "the draw of labels",
    "ensemble": "the draw of points",
}
VALUES = {
    "d": None,
    "m": "points",
    "fourier_margin": (
        "the Fourier margin over the largest",
        "min_i y_i⟨β, x_i⟩/‖β̂‖₁ over the largest that any β has, β̂ the unitary Fourier transform",
    ),
    "euclidean_margin": (
        "the Euclidean margin over the largest",
        "min_i y_i⟨β, x_i⟩/‖β‖₂ over the largest that any β has",
    ),
    "sparsity": "‖β̂‖₁/‖β̂‖₂",
}
# Steps fall as 1/√(1 + t/EASE).
EASE = 2000


def draw_points(options, seed, ensemble):
    """Return the points, shape (m, d), and every draw of labels, shape (T, m)."""
    d, m = options["d"], options["m"]
    points = stream("points", d=d, seed=seed, ensemble=ensemble).standard_normal((m, d))
    labels = [stream("labels", d=d, seed=seed, ensemble=ensemble, target=k) for k in range(options["targets"])]
    return points, np.stack([drawn.choice([-1.0, 1.0], m) for drawn in labels])


def draw_start(options, network, seed, target):
    """Return the parameters of a network at its start, a list of arrays."""
    d = options["d"]
    shapes = {"convolutional": [(d,), (d,)], "fully_connected": [(d, d), (d,)], "linear": [(d,)]}[network]
    drawn = stream("start", kind=network, d=d, seed=seed, target=target)
    scales = [options["start"] / (d**0.5 if len(shape) > 1 else 1) for shape in shapes]
    return [scale * drawn.standard_normal(shape) for shape, scale in zip(shapes, scales, strict=True)]


def vector(network, parameters):
    """Return β of a batch of networks, shape (T, d)."""
    if network == "convolutional":
        first, second = (np.fft.rfft(filters) for filters in parameters)
        return np.fft.irfft(first * second, parameters[0].shape[1])
    if network == "fully_connected":
        return np.einsum("tij,ti->tj", *parameters)
    return parameters[0]


def pulled(network, parameters, gradient):
    """Return the gradient in every parameter from that in β, shape (T, d)."""
    if network == "convolutional":
        seen = np.fft.rfft(gradient)
        return [np.fft.irfft(np.conj(np.fft.rfft(other)) * seen, gradient.shape[1]) for other in reversed(parameters)]
    if network == "fully_connected":
        first, second = parameters
        return [second[:, :, None] * gradient[:, None], np.einsum("tij,tj->ti", first, gradient)]
    return [gradient]


STATE = ("first", "second")


class Classifiers(Algorithm):
    """Descent of one network's parameters on Σ_i exp(−y_i⟨β, x_i⟩),
    points being the rows of a rectangular ensemble of one column.

    Steps have a length of their own. State: the parameters, ``first`` and, of two layers, ``second``. X is β,
    shape (B, d, 1).
    """

    requires = frozenset({"single measurements"})

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        self.network = runs[0]["network"]
        self.signed = labels.numpy()[:, :, None] * ensemble.rows.numpy()

    def initial(self):
        """Return the parameters that every run starts from."""
        return _state([np.stack(part) for part in zip(*(run["parameters"] for run in self.runs), strict=True)])

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        parameters, steps = _layers(state), self.steps[:, 0, 0].numpy()
        for moment in range(iteration, iteration + count):
            scores = -np.einsum("tmd,td->tm", self.signed, vector(self.network, parameters))
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            changes = pulled(self.network, parameters, -np.einsum("tm,tmd->td", shares, self.signed))
            size = np.sqrt(sum((change.reshape(len(shares), -1) ** 2).sum(axis=1) for change in changes))
            lengths = steps / (1 + moment / EASE) ** 0.5 / size
            parameters = [
                one - lengths.reshape(-1, *[1] * (one.ndim - 1)) * change
                for one, change in zip(parameters, changes, strict=True)
            ]
        return _state(parameters)

    def estimate(self, state):
        """Return β of every run."""
        return torch.from_numpy(vector(self.network, _layers(state)))[:, :, None]


def _state(parameters):
    return dict(zip(STATE, map(torch.from_numpy, parameters), strict=False))


def _layers(state):
    return [state[name].numpy() for name in STATE if name in state]


class Directions(LongEnds):
    """Keeps the β that every run ends with. No β is the right one."""

    reads_train_error = True


def largest_margins(signed):
    """Return the largest Fourier and Euclidean margins of points times labels (m, d), by Clarabel."""
    import cvxpy

    d = signed.shape[1]
    transform = np.fft.fft(np.eye(d)) / d**0.5
    found = []
    for norm in (
        lambda beta: cvxpy.sum(cvxpy.norm(cvxpy.vstack([transform.real @ beta, transform.imag @ beta]), 2, axis=0)),
        lambda beta: cvxpy.norm(beta, 2),
    ):
        beta = cvxpy.Variable(d)
        problem = cvxpy.Problem(cvxpy.Minimize(norm(beta)), [signed @ beta >= 1])
        problem.solve(solver="CLARABEL")
        found.append(1 / problem.value)
    return found


def measure(options, context, number, network):
    """Return one row per network, target and ensemble.

    Points are iid N(0, 1), labels ±1 at random. Steps of descent on the exponential loss have a length of their own,
    η/√(1 + t/2000), whatever the gradient's: with a fixed η they would die with the loss. β of a convolutional
    network is the circular convolution of two filters of full width, of a fully connected one W₁ᵀw₂. A row is
    ``converged`` if all points are classified.
    """
    d, (points, labels) = options["d"], draw_points(options, context.seed, number)
    runs = [
        {"parameters": draw_start(options, network, context.seed, target), "network": network, "target": target}
        | {"step": options["step"], "iterations": options["iterations"], "m": options["m"]}
        for target in range(options["targets"])
    ]
    known, ends = Ensemble(torch.from_numpy(points), d, number=number), Directions()
    nowhere = torch.zeros(len(runs), d, 1, dtype=torch.float64)
    context.run(known, Classifiers, runs, nowhere, [ends], labels=torch.from_numpy(labels), diverges_above=np.inf)
    signed, found = labels[:, :, None] * points, []
    for target, beta in enumerate(ends.memory["estimates"][:, :, 0].numpy()):
        fourier, euclidean = largest_margins(signed[target])
        spectrum = np.abs(np.fft.fft(beta)) / d**0.5
        least = float((signed[target] @ beta).min())
        found.append(
            {"network": network, "target": target, "ensemble": number, "d": d, "m": options["m"]}
            | {"fourier_margin": least / spectrum.sum() / fourier}
            | {"euclidean_margin": least / float(np.linalg.norm(beta)) / euclidean}
            | {"sparsity": float(spectrum.sum() / np.linalg.norm(spectrum))}
            | {"status": "converged" if least > 0 else "budget"}
        )
    return found
