"""When optimisers learn each eigenvalue of a target that they see entry by entry, at small constant steps."""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import descend, known_target
from algoreg.chapters.optimisers.methods import METHODS, MethodName, small_steps
from algoreg.engine.observers import Observer
from algoreg.numerics.problems import draw_factor
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    # Of X*, falling.
    eigenvalues: Different[PositiveFloat] = Field(min_length=3)
    alpha: PositiveFloat = 1e-3
    methods: Several[MethodName]
    # Of descent and momentum; the others move by the step itself.
    step: PositiveFloat = 0.02
    unit_step: PositiveFloat = 0.002
    iterations: PositiveInt


KEYS = {
    "method": "optimiser",
    "eigenvalue": ("λ_k", "eigenvalue λ_k of X*"),
    "target": None,
    "ensemble": "number of the draw; every entry is measured",
}
VALUES = {
    "d": None,
    "alpha": None,
    "step": None,
    "learned": (
        "the iterations to 90 % of λ_k",
        "first iteration at which u_kᵀXu_k is 0.9·λ_k, u_k the eigenvector of X*",
    ),
}
LEARNED = 0.9


class Learned(Observer):
    """The first iteration at which each eigenvalue is learned: memory ``learned`` (B, r); runs leave with the last.

    Parameters
    ----------
    vectors : torch.Tensor, shape (B, d, r)
        Of X*.
    values : sequence of float
    """

    stride = 1

    def __init__(self, vectors, values):
        self.vectors, self.values = vectors, np.asarray(values)

    def prepare(self, batch):
        """Begin with nothing learned."""
        self.memory = {"learned": np.full((len(batch.runs), len(self.values)), np.nan)}

    def observe(self, snapshot):
        """Take in u_kᵀXu_k."""
        vectors = self.vectors[torch.from_numpy(snapshot.active)]
        heights = (vectors * (snapshot.estimate @ vectors)).sum(1).cpu().numpy()
        known = self.memory["learned"][snapshot.active]
        known = np.where(np.isnan(known) & (heights >= LEARNED * self.values), snapshot.iteration, known)
        self.memory["learned"][snapshot.active] = known
        return ~np.isnan(known).any(axis=1)


def step_of(method, options):
    """Return a method's step: gradients shrink with the factors, directions of one length do not."""
    geometry = METHODS[method][1].get("geometry", "descent")
    return options["step"] if geometry == "descent" else options["unit_step"]


def measure(options, context, number):
    """Return one row per method, eigenvalue and draw, from αG, G iid N(0, 1/d), at full width."""
    d, values = options["d"], options["eigenvalues"]
    rank, own = len(values), {"alpha": options["alpha"], "start": "gaussian", "target": number}
    factor = draw_factor({"kind": "spectrum", "eigenvalues": values}, d, rank, context.seed, number)
    runs = [small_steps(name, step_of(name, options), options["iterations"], **own) for name in options["methods"]]
    target = torch.from_numpy(factor @ factor.T).to(context.device, context.dtype)
    vectors = torch.from_numpy(factor / np.sqrt(values)).to(target)
    seen = Learned(vectors.expand(len(runs), d, rank), values)
    status = descend(context, known_target(d, context), runs, target.expand(len(runs), d, d), [seen])
    return [
        {"method": run["method"], "eigenvalue": value, "target": number, "ensemble": number, "d": d}
        | {"alpha": run["alpha"], "step": run["step"], "learned": float(time), "status": end}
        for run, end, times in zip(runs, status, seen.memory["learned"], strict=True)
        for value, time in zip(values, times, strict=True)
    ]
