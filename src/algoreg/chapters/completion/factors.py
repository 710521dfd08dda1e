"""Deep matrix factorisation: descent on a product of square factors whose entries are known in part [arora2019].

W_k ← W_k − η_t(W_N…W_{k+1})ᵀM(W_{k−1}…W_1)ᵀ for all k at once. W_k(0) is s₀^{1/N}·I, which is balanced, or s₀^{1/N}·G
with iid N(0, 1/d) entries, which is not: X_0 has the size of s₀ either way. η_t = η/(Nλ^{1−2/N} max(‖M‖_F, λ)), where λ
is the largest singular value of X, updated every 10th step. Steps are relative because growth from 0 takes η·t ~
s₀^{−(1−2/N)} with fixed steps, but few relative ones. With ``rule: fixed``, η_t = η.
"""

import numpy as np
import torch

from algoreg.algorithms import base
from algoreg.algorithms.deep import REFRESH, moved_product, prefixes
from algoreg.engine.observers import Ends, begins
from algoreg.numerics.eigen import eigenvalues
from algoreg.numerics.seeds import stream


def draw_target(d, rank, seed, number):
    """Return X* = UVᵀ with Gaussian U and V, entries of mean square 1, shape (d, d), float64."""
    left, right = stream("target", kind="rectangular", d=d, rank=rank, seed=seed, target=number).standard_normal(
        (2, d, rank)
    )
    whole = left @ right.T
    return whole * (d / np.linalg.norm(whole))


def gaussian_start(d, depth, seed, target):
    """Return G_1, …, G_N, iid N(0, 1/d), shape (N, d, d), float64."""
    drawn = stream("start", kind="factors", d=d, depth=depth, seed=seed, target=target).standard_normal((depth, d, d))
    return torch.from_numpy(drawn) / d**0.5


class Factors(base.Algorithm):
    """A batch of descents of one depth; see :class:`algoreg.algorithms.base.Algorithm`.

    A run has ``depth`` N, ``size`` s₀, ``begin``, `identity` or `gaussian`, and perhaps ``rule``, `relative` or
    `fixed`. State: ``factors``, shape (B, N, d, d), W_1 first, and ``largest``, λ, shape (B,). A step is one pass.
    """

    requires = frozenset({"rectangular gradient"})
    prior_knowledge = ()
    estimates = "rectangular"

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        (self.depth,) = {run["depth"] for run in runs}
        (self.rule,) = {run.get("rule", "relative") for run in runs}

    def initial(self):
        """Return the factors and λ at the start."""
        d = self.ensemble.d
        factors = torch.eye(d, dtype=torch.float64).expand(len(self.runs), self.depth, d, d).clone()
        for number, run in enumerate(self.runs):
            if run["begin"] == "gaussian":
                factors[number] = gaussian_start(d, self.depth, self.seed, run["target"])
            factors[number] *= run["size"] ** (1 / self.depth)
        factors = factors.to(self.labels)
        return {"factors": factors, "largest": largest_singular(self._whole(factors))}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        layers, largest = list(state["factors"].unbind(1)), state["largest"]
        for step in range(iteration, iteration + count):
            below = prefixes(layers, self.depth)
            if step % REFRESH == 0 and self.rule == "relative":
                largest = largest_singular(below[-1])
            gradient = self.gradient(below[-1])
            layers = moved_product(layers, below, self._lengths(gradient, largest)[:, None, None] * gradient)
        return {"factors": torch.stack(layers, 1), "largest": largest}

    def _lengths(self, gradient, largest):
        """Return η_t of every run, shape (B,)."""
        fixed = self.steps[:, 0, 0]
        if self.rule == "fixed":
            return fixed
        bound = torch.maximum(torch.linalg.matrix_norm(gradient), largest)
        return fixed / (self.depth * largest ** (1 - 2 / self.depth) * bound)

    def gradient(self, product):
        """Return the gradient of half the loss in the product of the factors, shape (B, d, d)."""
        return self.ensemble.gradient(product, self.labels)

    def estimate(self, state):
        """Return X of every run."""
        return self._whole(state["factors"])

    def _whole(self, factors):
        return prefixes(factors.unbind(1), self.depth)[-1]


def largest_singular(matrices):
    """Return the largest singular value of every matrix, shape (B,); NaN where one is not finite."""
    return eigenvalues(matrices.mT @ matrices)[:, -1].clamp(min=0).sqrt()


class Fitted(Ends):
    """Stops the runs that fit their labels, and keeps every run's final estimate and training error.

    Memory, in addition to that of :class:`algoreg.engine.observers.Ends`: ``errors`` and ``ended`` (B,).

    Parameters
    ----------
    tolerance : float
        The relative training error at which a run fits.
    stride : int
        Iterations between two snapshots.
    """

    reads_train_error = True
    from_start = False
    per_run = begins(errors=np.nan, ended=0)

    def __init__(self, tolerance, stride=100):
        self.tolerance, self.stride = tolerance, stride

    def observe(self, snapshot):
        """Record the errors, and return which runs fit their labels."""
        self.memory["errors"][snapshot.active] = snapshot.train_error
        self.memory["ended"][snapshot.active] = snapshot.iteration
        return snapshot.train_error < self.tolerance
