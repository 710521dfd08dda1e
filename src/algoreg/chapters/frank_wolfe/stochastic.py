"""Frank–Wolfe whose gradient is that of a batch, or of an earlier X:
what its asynchronous version does, in one process.

X_{k+1} = X_k + γ_k(S − X_k), S from the gradient at X_{k−τ} [zhuo2020]; see :mod:`algoreg.algorithms.frank_wolfe`. In
open loop γ_k is 2/(k+2); a line search has the γ of least loss by the residual of X_{k−τ}, which is what a worker
knows.
"""

import torch

from algoreg.algorithms import base
from algoreg.numerics.eigen import decomposed
from algoreg.numerics.seeds import stream


def vertices(gradients, thetas):
    """Return S = θvvᵀ, v of the largest eigenvalue of −M, or 0 where none is positive;
    M and S (B, d, d), θ (B, 1, 1).
    """
    values, vectors = decomposed(-gradients)
    first = vectors[:, :, -1:]
    sizes = torch.where(values[:, -1:, None] > 0, thetas, 0.0)
    return (sizes * first @ first.mT).to(gradients)


class Algorithm(base.Algorithm):
    """A batch of such descents; every run has ``delay``, ``theta``, ``batch`` (0: all measurements) and ``rule``, the
    last two shared.

    State: ``past``, the last max τ + 1 iterates, X_k in place k mod (max τ + 1). Samples are drawn with replacement;
    those of a step follow from its number, and are those of all runs.
    """

    requires = frozenset({"gradient", "single measurements"})
    prior_knowledge = ("trace",)

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        self.thetas = self.numbers("theta").double()
        self.delays = torch.tensor([run["delay"] for run in runs], device=labels.device)
        self.length = max(run["longest"] for run in runs) + 1
        (self.batch,) = {run["batch"] for run in runs}
        (rule,) = {run["rule"] for run in runs}
        self.searches = rule == "line-search"
        self.places = torch.arange(len(runs), device=labels.device)

    def initial(self):
        """Return X_0 = 0 of every run."""
        d = self.ensemble.d
        return {
            "past": torch.zeros(len(self.runs), self.length, d, d).to(self.labels),
            "now": self.labels.new_zeros(len(self.runs), 1),
        }

    def _gradient(self, matrices, number):
        if not self.batch:
            return self.ensemble.gradient(matrices, self.labels)
        names = {"seed": self.seed, "ensemble": self.ensemble.number, "batch": self.batch, "step": number}
        drawn = torch.from_numpy(stream("frank-wolfe-batch", **names).integers(self.ensemble.m, size=self.batch))
        return self.ensemble.select(drawn).gradient(matrices, self.labels[:, drawn])

    def _weight(self, direction, gradient, number):
        """Return γ of every run, shape (B, 1, 1), or that of all: the curvature of all measurements,
        the slope of the gradient.
        """
        if not self.searches:
            return 2 / (number + 2)
        curved = self.ensemble.gradient(direction, torch.zeros_like(self.labels))
        slope, curvature = (-direction * gradient).sum((1, 2)), (direction * curved).sum((1, 2))
        return torch.where(curvature > 0, slope / curvature, 0.0).clamp(0, 1)[:, None, None]

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        past = state["past"]
        for number in range(iteration, iteration + count):
            seen = past[self.places, (number - self.delays).clamp(min=0) % self.length]
            gradient = self._gradient(seen, number)
            now = past[:, number % self.length]
            direction = vertices(gradient, self.thetas) - now
            past[:, (number + 1) % self.length] = now + self._weight(direction, gradient, number) * direction
        return {"past": past, "now": torch.full_like(state["now"], iteration + count)}

    def estimate(self, state):
        """Return X of every run."""
        return state["past"][:, int(state["now"][0]) % self.length]
