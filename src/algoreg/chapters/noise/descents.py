"""Descents of full width on noisy labels beside the least-squares fits of neighbouring ranks,
and where they are near them.
"""

from dataclasses import dataclass

import numpy as np

from algoreg.algorithms import factored
from algoreg.chapters.noise.fits import NoisyProblem, fitted_factor, noisy_problems, spectral_factor
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factors, spectrum_target, stacked

# Ranks of the fits that a descent is compared with, less that of X*.
EXCESS = (0, 1, -1)


@dataclass(frozen=True)
class Fitted:
    """A noisy problem and its fits.

    Attributes
    ----------
    problem : NoisyProblem
    fits : dict of int to numpy.ndarray
        The least-squares fits X̂, shape (d, d), by rank less r; empty without noise, where X̂ is X*.
    """

    problem: NoisyProblem
    fits: dict

    @property
    def error(self):
        """‖X̂_r − X*‖_F: the unit of distances."""
        factor = self.problem.factor
        return float(np.linalg.norm(self.fits[0] - factor @ factor.T))


def drawn(options, context, number, label_noise, excess=EXCESS):
    """Return the Gaussian ensemble of a number and its problems with their fits, one for each target.

    All eigenvalues of X* are 1. Fits start from the spectrum of (1/m) Σ y_iA_i, and know the rank alone.
    """
    d, rank = options["d"], options["rank"]
    ensemble = context.draw(Ensemble, d, options["m"], number)
    factors = draw_factors(spectrum_target(rank, 1), d, rank, context, options["targets"])
    problems = noisy_problems(ensemble, factors, label_noise, context.seed)
    return ensemble, [Fitted(problem, _fits(problem, rank, excess) if label_noise else {}) for problem in problems]


def _fits(problem, rank, excess):
    matrices, labels, fits = problem.matrices, problem.labels, {}
    for more in excess:
        factor, _ = fitted_factor(matrices, labels, spectral_factor(matrices, labels, rank + more))
        fits[more] = factor @ factor.T
    return fits


class Beside(Observer):
    """Distances to the fits, residual sums of squares and test errors along every run.

    Memory: ``distances`` (K, B, F) over ‖X̂_r − X*‖_F, ``residuals`` and ``errors`` (K, B); K looks, F fits.

    Parameters
    ----------
    fitted : list of Fitted
        Of every run.
    every : int
        Iterations between two snapshots.
    """

    reads_train_error = True
    per_snapshot = begins(residuals=np.nan, errors=np.nan)

    def __init__(self, fitted, every):
        self.fitted, self.every = fitted, every

    def prepare(self, batch):
        """Begin without values: runs that have diverged keep none."""
        self.iterations = list(range(self.every, int(batch.budgets.max()) + 1, self.every))
        super().prepare(batch)
        shape = (len(self.iterations), len(batch.runs), len(self.fitted[0].fits))
        self.memory["distances"] = np.full(shape, np.nan)

    def observe(self, snapshot):
        """Take in what every run is near to."""
        k = self.iterations.index(snapshot.iteration)
        self.memory["errors"][k, snapshot.active] = snapshot.test_error
        sizes = np.array([np.sum(self.fitted[run].problem.labels ** 2) for run in snapshot.active])
        self.memory["residuals"][k, snapshot.active] = snapshot.train_error**2 * sizes
        for run, x in zip(snapshot.active, snapshot.estimate.cpu().numpy(), strict=True):
            own = self.fitted[run]
            distances = [np.linalg.norm(x - fit) / own.error for fit in own.fits.values()]
            self.memory["distances"][k, run] = distances


def descended(options, context, ensemble, fitted):
    """Descend from every αI on every problem's labels; return the runs, (α, target's number),
    their :class:`Beside` and statuses.

    Options are ``alpha`` (a list), ``step``, ``time`` and ``snapshot``, η·t of the end and between two looks.
    """
    runs = [(alpha, target) for alpha in options["alpha"] for target in range(len(fitted))]
    stride = max(round(options["look"] / options["step"]), 1)
    last = stride * max(round(options["time"] / (stride * options["step"])), 1)
    timed = {"m": ensemble.m, "step": options["step"], "iterations": last, "start": "identity"}
    of_runs = [fitted[target] for _, target in runs]
    factors = stacked((one.problem.factor for one in of_runs), context)
    labels = stacked((one.problem.labels for one in of_runs), context)
    seen = Beside(of_runs, stride)
    complete = [{**timed, "alpha": alpha, "target": target} for alpha, target in runs]
    descent = context.run(ensemble, factored.Algorithm, complete, factors @ factors.mT, [seen], labels)
    return runs, seen, descent.status
