"""Batches of factored descents that studies follow step by step: ensembles, starts, steps, and runs that leave."""

import numpy as np
import torch

from algoreg.algorithms.factored import Algorithm, start_matrix
from algoreg.ensembles import gaussian, wishart
from algoreg.numerics.isometry import isometry_excess
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import geometric_spectrum, symmetric_dimension

# How much of the target a planted start holds: U_0 = αI + 0.3·X*.
PLANTED_SHARE = 0.3
# Power steps for the curvature at X*; what they miss of its largest value is within a few percent.
CURVATURE_STEPS = 60


def count_of(m_per_dr, d, rank):
    """Return m, the whole number nearest to ``m_per_dr``·dr and at least 1."""
    return max(round(m_per_dr * d * rank), 1)


def ensembles_of(d, counts, context, number):
    """Yield ensembles of one number, each with the counts of measurements that it serves, falling.

    All m below D = d(d+1)/2 are prefixes of one Gaussian ensemble. From D on, descent needs only the ensemble's Gram matrix, which
    is drawn from its law, one for each m.

    Parameters
    ----------
    d : int
    counts : iterable of int
    context : algoreg.engine.study.Context
    number : int

    Yields
    ------
    tuple of ensemble and list of int
    """
    falling = sorted(set(counts), reverse=True)
    few = [m for m in falling if m < symmetric_dimension(d)]
    if few:
        drawn = gaussian.Ensemble.draw(d, few[0], context.seed, number, context.device, context.dtype)
        yield drawn, few
    for m in falling[: len(falling) - len(few)]:
        yield wishart.Ensemble.draw(d, m, context.seed, number, context.device, context.dtype), [m]


def isometry_bounds(ensemble, m, rank, seed):
    """Return bounds of the restricted isometry constant δ_4r of an ensemble's first m measurements, from below and above.

    From below by :func:`algoreg.numerics.diagnostics.isometry_excess`; from above by ‖G − I‖ where the ensemble is a Gram matrix, which
    bounds the constant of every rank, else None: nothing certifies it.

    Returns
    -------
    tuple of float
    """
    d = ensemble.d
    noise = stream("isometry", d=d, rank=rank, m=m, seed=seed, ensemble=ensemble.number).standard_normal((d, d))
    start = torch.from_numpy(noise + noise.T).to(ensemble.device, ensemble.dtype)
    low = isometry_excess(ensemble.shared_by([m]), 4 * rank, start)
    if not hasattr(ensemble, "isometry_deviation"):
        return low, None
    high = ensemble.isometry_deviation()
    return min(low, high), high


def draw_planted(d, rank, kappa, seed, targets, context):
    """Return the factors of targets with eigenvalues from 1 to 1/κ in equal ratios, shape (T, d, r)."""
    kind = {"kind": "spectrum", "eigenvalues": geometric_spectrum(rank, kappa)}
    factors = [torch.from_numpy(draw_factor(kind, d, rank, seed, target)) for target in range(targets)]
    return torch.stack(factors).to(context.device, context.dtype)


def initial_factor(kind, alpha, planted, seed, target):
    """Return U_0 = αB (d × d), or another start that is no multiple of an orthonormal matrix.

    Parameters
    ----------
    kind : str
        ``identity``; ``orthonormal``, Haar; ``gaussian``, iid N(0, 1/d) entries; ``low_rank``, the first r − 1 columns of the
        orthonormal one; ``planted``, αI + 0.3·X*.
    alpha : float
    planted : torch.Tensor, shape (d, r)
        The target's factor.
    seed, target : int

    Returns
    -------
    torch.Tensor, shape (d, d)
    """
    d, rank = planted.shape
    if kind == "planted":
        return alpha * torch.eye(d).to(planted) + PLANTED_SHARE * planted @ planted.T
    start = alpha * start_matrix("orthonormal" if kind == "low_rank" else kind, d, seed, target).to(planted)
    if kind == "low_rank":
        start[:, rank - 1 :] = 0
    return start


def largest_stable_step(ensemble, factors, seed):
    """Return 2/λ per run, λ the largest curvature at X* = U*U*ᵀ: the step above which X* repels gradient descent.

    λ is the largest eigenvalue of H ↦ 𝒢(U*Hᵀ + HU*ᵀ)U* with 𝒢X = (1/m) Σ ⟨A_i, X⟩ A_i, by power steps. It knows the target, so it
    is a diagnostic and not an algorithm.

    Parameters
    ----------
    ensemble : ensemble as the runs know it (``shared_by``)
    factors : torch.Tensor, shape (B, d, k)
        Columns of zeros do not matter.
    seed : int

    Returns
    -------
    torch.Tensor, shape (B,)
    """
    shape = factors.shape
    noise = stream("curvature", d=shape[1], rank=shape[2], seed=seed).standard_normal(shape[1:])
    direction = torch.from_numpy(noise).to(factors).expand(shape)
    nothing = ensemble.label(torch.zeros(shape[0], shape[1], shape[1]).to(factors))
    for _ in range(CURVATURE_STEPS):
        direction = direction / torch.linalg.matrix_norm(direction, keepdim=True)
        change = torch.bmm(factors, direction.mT)
        direction = torch.bmm(ensemble.gradient(change + change.mT, nothing), factors)
    return 2 / torch.linalg.matrix_norm(direction)


def recorded(last, points):
    """Return about ``points`` iterations from 1 to ``last``, evenly spaced in their logarithm, both ends included."""
    return sorted({round(x) for x in np.geomspace(1, last, points)})


class Batch:
    """Factored descents that share an ensemble and advance together; a run leaves when it is done.

    Parameters
    ----------
    ensemble : ensemble with all its measurements
    runs : list of mapping
        ``step`` and ``m`` of each run, by falling m.
    labels : torch.Tensor, one row per run
    initial : torch.Tensor, shape (B, d, d)

    Attributes
    ----------
    alive : list of int
        The places in ``runs`` of those that are still here.
    iteration : int
    """

    def __init__(self, ensemble, runs, labels, initial):
        self._ensemble, self._runs, self._labels, self._iterate = ensemble, runs, labels, initial.clone()
        self.alive, self.iteration = list(range(len(runs))), 0
        self._gather()

    def _gather(self):
        runs = [self._runs[i] for i in self.alive]
        known = self._ensemble.shared_by([run["m"] for run in runs]) if runs else self._ensemble
        self._algorithm = Algorithm(known, self._labels[self.alive], runs, None) if runs else None

    def estimates(self):
        """Return X = UUᵀ of the runs that are here, in the order of ``alive``."""
        return torch.bmm(self._iterate, self._iterate.mT)

    def advance(self, count=1):
        """Take ``count`` steps."""
        self._iterate = self._algorithm.advance(self._iterate, self.iteration, count)
        self.iteration += count

    def leave(self, done):
        """Take out the runs for which ``done``, a list of bool in the order of ``alive``, says so."""
        if any(done):
            kept = [i for i, gone in enumerate(done) if not gone]
            self.alive = [self.alive[i] for i in kept]
            self._iterate = self._iterate[kept]
            self._gather()
