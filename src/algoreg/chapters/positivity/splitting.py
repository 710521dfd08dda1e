"""The point of a feasible set nearest to a given one, by Douglas–Rachford splitting [lions1979].

The set {X ⪰ 0 : ⟨A_i, X⟩ = y_i} is convex. With R = X* + t(I − P), t > 0, P the projection on the range of X*, ⟨R − X*,
X − X*⟩ is t·tr((I − P)X), above 0 for every other X of the set but those whose range is X*'s own: at rank 1
measurements that see X* leave none. So X* is the point nearest to R if and only if it is the only one that fits. A far
point anywhere else may have X* nearest although others fit: X* is a vertex of the set, and points in a whole cone have
it nearest. R = 0 gives the solution of least Frobenius norm. No convex solver is asked, and no maximum is sought: with
few Gaussian measurements the set is unbounded.
"""

import torch

from algoreg.algorithms import least_trace
from algoreg.numerics.eigen import project


def far_point(target, rank, far):
    """Return R = X* + t(I − P), t‖I − P‖_F = far·‖X*‖_F.

    Parameters
    ----------
    target : torch.Tensor, shape (d, d)
        X*, a multiple of a projection.
    rank : int
        That of X* as a real matrix, below d.
    far : float
    """
    size, d = torch.linalg.matrix_norm(target), len(target)
    beside = torch.eye(d).to(target) - target * (rank**0.5 / size)
    return target + (far * size / (d - rank) ** 0.5) * beside


class Algorithm(least_trace.Algorithm):
    """A batch of projections of R on feasible sets; see :class:`algoreg.algorithms.least_trace.Algorithm`.

    X = Z + A⁺(y − A(Z)), Y = P((2X − Z + γR)/(1 + γ)), Z ← Z + Y − X: γ is the step, and multiplies ‖Y − R‖²/2. A run's
    ``point`` is R, shape (d, d).
    """

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        self.points = torch.stack([run["point"] for run in runs]).to(self.shifts)

    def proximal(self, matrices):
        """Return the minimiser over Y ⪰ 0 of γ‖Y − R‖²/2 + ‖Y − W‖²/2 for matrices W, shape (B, d, d)."""
        steps = self.steps.double()
        return project((matrices + steps * self.points) / (1 + steps))
