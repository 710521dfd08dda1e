"""Descents of width 1 on rank-one measurements as paths of a vector x: its signal,
its error, and how it meets measurements.

X* is x*x*ᵀ with ‖x*‖ = 1, and known up to the sign of x*: errors are those of the nearer of ±x*.
"""

import math

import numpy as np
import torch

from algoreg.algorithms import factored
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factors

PLANTED = {"kind": "spectrum", "eigenvalues": [1.0]}
# UUᵀ is a third of the largest eigenvalue's part of (1/m) Σ yᵢaᵢaᵢᵀ [ma2020]: that eigenvalue is near 3‖x*‖².
SPECTRAL_SCALE = 1 / math.sqrt(3)
# Relative errors at which the first stage and the second have ended [chen2019].
STAGE_ONE, STAGE_TWO = 0.1, 1e-5
# Steps between which the signal's growth is measured: on all runs, as those that get through are the faster ones.
GROWTH = (5, 25)


class Vectors(Ensemble):
    """Rank-one measurements in larger blocks than full width likes: a block's arrays are of runs × rows here."""

    block_rows = 2048


def planted(d, context, count, first=0):
    """Return x* of ``count`` targets from number ``first`` on, shape (T, d)."""
    return draw_factors(PLANTED, d, 1, context, count, first)[:, :, 0]


def parts(x, stars):
    """Return the signal xᵀx*, signed, and the rest x − (xᵀx*)x* of vectors (B, d) beside x* (B, d):
    shapes (B,) and (B, d).
    """
    along = (x * stars).sum(dim=1)
    return along, x - along[:, None] * stars


def starts_of(runs, ensemble, labels, stars, seed, push):
    """Return the state that runs begin with: U, shape (B, d, 1).

    ``gaussian`` and ``spectral`` are the algorithm's own. ``coherent`` is x* + ``push``·a/‖a‖ with the a of the
    measurement whose number is the target's.
    """
    named = [run | ({"start": "gaussian"} if run["start"] == "coherent" else {}) for run in runs]
    state = factored.Algorithm(ensemble, labels, named, seed).initial()
    for place, run in enumerate(runs):
        if run["start"] == "coherent":
            a = ensemble.vectors[run["target"]]
            state["factor"][place, :, 0] = stars[place] + push * a / torch.linalg.vector_norm(a)
    return state


class Stages(Observer):
    """When a vector is within ``STAGE_ONE`` and ``STAGE_TWO`` of ±x*, how its signal grows,
    and how it meets measurements.

    Memory, each of shape (B,), NaN where it never came to it: ``first`` and ``last``, the iterations at which a stage
    had ended; ``before`` and ``after``, log of the signal over the rest at the two steps ``GROWTH``; ``incoherence`` at
    the start and ``largest`` along the run, if asked for.

    Parameters
    ----------
    stars : torch.Tensor, shape (B, d)
    incoherence : bool
        Whether to look at it: a pass through the vectors at every step.
    """

    stride = 1
    per_run = begins(first=np.nan, last=np.nan, before=np.nan, after=np.nan, incoherence=np.nan, largest=np.nan)

    def __init__(self, stars, incoherence):
        self.stars, self.incoherence = stars, incoherence

    def observe(self, snapshot):
        """Take in a step; runs at ``STAGE_TWO`` leave."""
        stars = self.stars[torch.from_numpy(snapshot.active)]
        x = snapshot.state["factor"][:, :, 0]
        along, rest = parts(x, stars)
        across = torch.linalg.vector_norm(rest, dim=1)
        error = torch.hypot(along.abs() - 1, across).cpu().numpy()
        for name, tolerance in (("first", STAGE_ONE), ("last", STAGE_TWO)):
            memory = self.memory[name]
            due = (error <= tolerance) & np.isnan(memory[snapshot.active])
            memory[snapshot.active[due]] = snapshot.iteration
        if snapshot.iteration in GROWTH:
            name = ("before", "after")[GROWTH.index(snapshot.iteration)]
            self.memory[name][snapshot.active] = (along.abs() / across).log().cpu().numpy()
        if self.incoherence:
            self._meet(snapshot, x - torch.sign(along)[:, None] * stars)
        return error <= STAGE_TWO

    def _meet(self, snapshot, gaps):
        """Take in max_i |aᵢᵀ(x ∓ x*)| / (√log d ‖x ∓ x*‖) over the measurements that a run knows."""
        seen = (snapshot.batch.ensemble.vectors @ gaps.mT).abs()
        known = torch.tensor([snapshot.batch.runs[run]["m"] for run in snapshot.active], device=seen.device)
        seen.masked_fill_(torch.arange(len(seen), device=seen.device)[:, None] >= known, 0)
        unit = math.sqrt(math.log(gaps.shape[1])) * torch.linalg.vector_norm(gaps, dim=1)
        met = (seen.amax(dim=0) / unit).cpu().numpy()
        if snapshot.iteration == 0:
            self.memory["incoherence"][snapshot.active] = met
        self.memory["largest"][snapshot.active] = np.fmax(self.memory["largest"][snapshot.active], met)
