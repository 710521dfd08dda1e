"""The point of a feasible set nearest to a given one, by Douglas–Rachford splitting [lions1979].

The set {X ⪰ 0 : ⟨A_i, X⟩ = y_i} is convex. A random point far off, of norm ``far`` times that of X*, has X* itself as its nearest
point if the set is {X*}, and else almost surely another. ``far`` = 0 gives the solution of least Frobenius norm. No convex solver is
asked, and no maximum is sought: with few Gaussian measurements the set is unbounded.
"""

import torch

from algoreg.algorithms import least_trace
from algoreg.ensembles.pauli_hermitian import as_real
from algoreg.numerics.eigen import project
from algoreg.numerics.seeds import stream


def far_points(ensemble, runs, seed):
    """Return the point R of every run, shape (B, d, d): ``far`` times a Wishart matrix of norm 1, of the run's own stream.

    Parameters
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
    runs : sequence of mapping
        ``target``, ``far`` and ``hermitian``: whether R is to be R(H) of a Hermitian H, as the measurements are
        (:mod:`algoreg.ensembles.pauli_hermitian`).
    seed : int
    """
    return torch.stack([run["far"] * _direction(ensemble, run, seed) for run in runs])


def _direction(ensemble, run, seed):
    d, hermitian = ensemble.d, run["hermitian"]
    generator = stream("far-point", d=d, seed=seed, ensemble=ensemble.number, target=run["target"], hermitian=hermitian)
    if hermitian:
        half = torch.complex(*torch.from_numpy(generator.standard_normal((2, d // 2, d // 2))))
        square = as_real(half @ half.mH)
    else:
        half = torch.from_numpy(generator.standard_normal((d, d)))
        square = half @ half.mT
    return square / torch.linalg.matrix_norm(square)


class Algorithm(least_trace.Algorithm):
    """A batch of projections of R on feasible sets; see :class:`algoreg.algorithms.least_trace.Algorithm`.

    X = Z + A⁺(y − A(Z)), Y = P((2X − Z + γR)/(1 + γ)), Z ← Z + Y − X: γ is the step, and multiplies ‖Y − R‖²/2.
    """

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        self.far = far_points(ensemble, runs, seed).to(self.shifts)

    def proximal(self, matrices):
        """Return the minimiser over Y ⪰ 0 of γ‖Y − R‖²/2 + ‖Y − W‖²/2 for matrices W, shape (B, d, d)."""
        steps = self.steps.double()
        return project((matrices + steps * self.far) / (1 + steps))
