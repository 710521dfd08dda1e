"""How long optimisers take by the condition number of a target that they see entry by entry."""

from itertools import product
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import descend, known_target
from algoreg.chapters.optimisers.experiments.optimiser_order import LEARNED
from algoreg.chapters.optimisers.methods import METHODS, MethodName, run_of
from algoreg.engine.observers import Observer, begins
from algoreg.numerics.problems import draw_factor, spectrum_target
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=3)
    kappa: Several[Annotated[float, Field(ge=1)]]
    alpha: PositiveFloat = 1e-3
    methods: Several[MethodName]
    # The first steps that are tried, and the lengths of annealed runs, rising.
    step: Several[PositiveFloat]
    lengths: Different[PositiveInt]


KEYS = {"method": "optimiser", "kappa": None, "target": None, "ensemble": "number of the draw"}
VALUES = {
    "d": None,
    "step": "first step of the shortest run that learned all eigenvalues",
    "passes": (
        "the iterations",
        "least iterations after which each eigenvalue of X* is learned to within 10 %, over steps and, of annealed "
        "runs, their lengths (empty: none)",
    ),
}
# How far an annealed step falls.
FALL = 1e-6


class AllLearned(Observer):
    """When each u_kᵀXu_k is within 10 % of λ_k: memory ``first`` and ``last`` (B,), whether it is so at the end.

    Parameters
    ----------
    vectors : torch.Tensor, shape (B, d, r)
    values : numpy.ndarray, shape (B, r)
    """

    stride = 1
    per_run = begins(first=np.nan, last=0.0)

    def __init__(self, vectors, values, leaves):
        self.vectors, self.values, self.leaves = vectors, values, leaves

    def observe(self, snapshot):
        """Take in u_kᵀXu_k; constant steps leave where they have learned all."""
        runs = snapshot.active
        vectors = self.vectors[torch.from_numpy(runs)]
        heights = (vectors * (snapshot.estimate @ vectors)).sum(1).cpu().numpy()
        all_learned = (np.abs(heights / self.values[runs] - 1) <= 1 - LEARNED).all(axis=1)
        first = self.memory["first"][runs]
        self.memory["first"][runs] = np.where(np.isnan(first) & all_learned, snapshot.iteration, first)
        self.memory["last"][runs] = all_learned
        return all_learned & self.leaves[runs]


def measure(options, context, number):
    """Return one row per method, κ and draw: X* has the eigenvalues 1, 1/√κ and 1/κ; full width, from αG.

    Gradient descent has constant steps, and its iterations are those to the first at which all is learned. The others
    anneal exponentially over each of the ``lengths``, by a factor of 10⁻⁶, and the length counts.
    """
    d, settings, factors = options["d"], [], []
    for kappa, method, step in product(options["kappa"], options["methods"], options["step"]):
        constant = METHODS[method][2][1] is None
        lengths = [max(options["lengths"])] if constant else options["lengths"]
        own = {"alpha": options["alpha"], "start": "gaussian", "target": number, "step": step, "kappa": kappa}
        own["last_step"] = None if constant else step * FALL
        settings += [run_of(method, length, **own) for length in lengths]
        factors += [draw_factor(spectrum_target(3, kappa), d, 3, context.seed, number)] * len(lengths)
    factors = np.array(factors)
    values = np.square(factors).sum(axis=1)
    targets, vectors = (
        torch.from_numpy(array).to(context.device, context.dtype)
        for array in (factors @ factors.transpose(0, 2, 1), factors / np.sqrt(values)[:, None])
    )
    constant = np.array([run["last_step"] is None for run in settings])
    seen = AllLearned(vectors, values, constant)
    descend(context, known_target(d, context), settings, targets, [seen], diverges_above=1e3)
    took = np.where(constant, seen.memory["first"], [run["iterations"] for run in settings])
    took = np.where(constant | (seen.memory["last"] == 1), took, np.nan)
    rows = []
    for method, kappa in product(options["methods"], options["kappa"]):
        own = [k for k, run in enumerate(settings) if (run["method"], run["kappa"]) == (method, kappa)]
        best = min(own, key=lambda k: (np.isnan(took[k]), took[k]))
        found = not np.isnan(took[best])
        names = {"method": method, "kappa": kappa, "target": number, "ensemble": number, "d": d}
        rows.append(
            {**names, "step": settings[best]["step"] if found else None, "passes": float(took[best])}
            | {"status": "converged" if found else "budget"}
        )
    return rows
