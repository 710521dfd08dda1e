"""Descents that go on moving where the data are fitted: with weight decay, label noise and sharpness-aware steps.

U_0 is what a batch is given as its start, or αI. M is the gradient in X, as in factored descent.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from algoreg.algorithms import base, factored, signed
from algoreg.algorithms.stochastic import samples
from algoreg.ensembles.base import Measurements
from algoreg.numerics.seeds import stream

# Iterations whose noise is drawn together.
CHUNK = 512
# Added to the residuals that give an inner step its direction: at an exact fit rounding alone would decide it.
ABOVE_ROUNDING = 1e-9


class WeightDecay(signed.Algorithm):
    """Signed descent with weight decay: U ← (1 − ηλ)U − ηM·U·diag(s); λ is a run's ``decay``."""

    def __init__(self, ensemble: Any, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.decay = self.numbers("decay")

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        factor, signs, kept = state["factor"], state["signs"], 1 - self.steps * self.decay
        signed_steps = self.steps * signs
        for _ in range(count):
            x = torch.bmm(factor * signs, factor.mT)
            moved = torch.bmm(self.ensemble.gradient(x, self.labels), factor)
            factor = torch.addcmul(kept * factor, signed_steps, moved, value=-1)
        return {"factor": factor, "signs": signs}


@lru_cache(maxsize=64)
def _chunk(seed: int, draw: int, m: int, number: int) -> torch.Tensor:
    drawn = stream("label-noise-steps", seed=seed, draw=draw, m=m, chunk=number).integers(0, 2, (CHUNK, m))
    return torch.from_numpy(2.0 * drawn - 1.0)


def noise_signs(seed: int, draw: int, m: int, iteration: int) -> torch.Tensor:
    """Return the signs ±1 of the labels' noise in an iteration, shape (m,), float64: a function of its number."""
    return _chunk(seed, draw, m, iteration // CHUNK)[iteration % CHUNK]


class LabelNoise(factored.Algorithm):
    """Factored descent whose observations are y + σε at every iteration, ε fresh random signs; σ is ``noise``.

    Runs of one ensemble and one m see the same signs.
    """

    ensemble: Measurements
    requires = frozenset({"gradient", "single measurements"})

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        factor, scale = state["factor"], self.numbers("noise")[:, 0]
        for step in range(iteration, iteration + count):
            noise = torch.zeros_like(self.labels)
            for place, run in enumerate(self.runs):
                noise[place, : run["m"]] = noise_signs(self.seed, self.ensemble.number, run["m"], step)
            moved = self.ensemble.factored_gradient(factor, self.labels + scale * noise)
            factor = torch.addcmul(factor, self.steps, moved, value=-1)
        return {"factor": factor}


class SharpnessAware(factored.Algorithm):
    """Sharpness-aware descent: the step is that of the gradient at U + ρG/‖G‖, G the gradient at U; ρ is ``radius``.

    A step sees one measurement (``single``), drawn as by stochastic descent, or all of them. At an exact fit, where
    G = 0, it takes the direction of ΣA_iU over the measurements that it sees.
    """

    ensemble: Measurements
    requires = frozenset({"gradient", "single measurements"})

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        factor = state["factor"].clone()
        for single, m in {(run["single"], run["m"]) for run in self.runs}:
            places = [n for n, run in enumerate(self.runs) if (run["single"], run["m"]) == (single, m)]
            index = torch.tensor(places, device=factor.device)
            drawn = np.arange(m)[None].repeat(count, axis=0)
            if single:
                drawn = samples(self.seed, self.ensemble.number, iteration, iteration + count, m)[:, None]
            factor[index] = self._moved(factor[index], index, torch.from_numpy(drawn).to(factor.device))
        return {"factor": factor}

    def _moved(self, factor: torch.Tensor, index: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Return the factors of some runs after a step per row of ``order``."""
        labels, radius = self.labels[index], self.numbers("radius")[index]
        for drawn in order:
            seen, wanted = self.ensemble.select(drawn), labels[:, drawn]
            slope = seen.factored_gradient(factor, wanted - ABOVE_ROUNDING)
            norm = torch.linalg.matrix_norm(slope, keepdim=True).clamp(min=torch.finfo(slope.dtype).tiny)
            moved = seen.factored_gradient(factor + radius * (slope / norm), wanted)
            factor = torch.addcmul(factor, self.steps[index], moved, value=-1)
        return factor
