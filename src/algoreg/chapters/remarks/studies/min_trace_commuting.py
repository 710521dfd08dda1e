"""The same comparison with diagonal measurement matrices, which commute: there Gunasekar et al. prove their conjecture."""

from functools import partial

import numpy as np
import torch

from algoreg.chapters.remarks.studies.min_trace import compared, solutions
from algoreg.numerics.seeds import stream
from algoreg.numerics.trace_minimisation import minimum_trace_diagonal
from algoreg.spec.base import StudyOptions, between, real, reals, whole


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    m: int = whole()
    support: int = whole(ge=2)
    alpha: list[float] = reals(gt=0)
    targets: int = whole(ge=2)
    step: float = real(gt=0)
    iterations: int = whole()

    def wrong(self):
        """Yield what does not fit together."""
        if self.m >= self.d:
            yield between("m", "d", allowed="m below d: d diagonal matrices say all that diagonal matrices can say")
        if self.support > self.d:
            yield between("support", "d", allowed="support at most d")


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "m_per_dr": None,
    "method": "`descent` from αI, or the solver of the linear programme: `clarabel` or `scs`",
    "alpha": "initialisation scale α: U₀ = αI (0 for the solvers)",
    "target": None,
    "ensemble": None,
}
VALUES = {"distance_to_min_trace": None, "distance_to_target": None, "train_error": None, "trace": None}


def draw_diagonals(d, m, seed, ensemble):
    """Return the diagonals of m measurement matrices, shape (m, d): orthogonal, and scaled so that AᵀA/m is a projection.

    They span what m iid Gaussian diagonals span. Both the programme's solution and the limit of the gradient flow
    depend on the span alone; from orthogonal ones descent gets there in fewer steps.
    """
    gaussian = stream("ensemble", kind="diagonal", d=d, seed=seed, ensemble=ensemble).standard_normal((m, d))
    return np.linalg.qr(gaussian.T)[0].T * np.sqrt(m)


def draw_flat_target(d, support, seed, target):
    """Return X* = uuᵀ with u = ±1/√s on s coordinates drawn at random, 0 elsewhere, shape (d, d).

    Diagonal measurements see its diagonal alone: with s > 1 no number of them tells X* from that diagonal.
    """
    generator = stream("target", kind="flat", d=d, support=support, seed=seed, target=target)
    factor = np.zeros(d)
    factor[generator.permutation(d)[:support]] = generator.choice([-1.0, 1.0], size=support) / np.sqrt(support)
    return np.outer(factor, factor)


def descend(vectors, labels, alphas, step, iterations):
    """Return the diagonals of X = UUᵀ after gradient descent from U = αI, shape (alphas, T, d).

    Diagonal A_i keep U diagonal, U = diag(u), and (I − ηM)U is u − η·Aᵀ(Au² − y)/m·u: no matrices are needed.

    Parameters
    ----------
    vectors : numpy.ndarray, shape (m, d)
    labels : numpy.ndarray, shape (T, m)
    alphas : list of float
    step : float
    iterations : int
    """
    m, d = vectors.shape
    factor = np.multiply.outer(np.asarray(alphas, dtype=float), np.ones((len(labels), d)))
    # Overflow of a diverging run is no warning: its training error says it.
    with np.errstate(all="ignore"):
        for _ in range(iterations):
            factor -= step / m * ((factor**2 @ vectors.T - labels) @ vectors) * factor
        return factor**2


def _solve(vectors, labels, solver):
    diagonal, status = minimum_trace_diagonal(vectors, labels, solver)
    return None if diagonal is None else np.diag(diagonal), status


def _train_error(diagonals, labels, estimates):
    residual = estimates.diagonal(dim1=1, dim2=2) @ diagonals.T - labels
    return torch.linalg.vector_norm(residual, dim=1) / torch.linalg.vector_norm(labels, dim=1)


def measure(options, context):
    """Return rows like those of :mod:`algoreg.chapters.remarks.studies.min_trace`, of rank-1 targets.

    The PSD matrices of least trace are those with the linear programme's solution on the diagonal; the nearest one to a
    diagonal matrix, such as descent's end, is the diagonal one, so distances to it are distances to the set.
    """
    d, m, alphas = options["d"], options["m"], options["alpha"]
    planted = np.stack([draw_flat_target(d, options["support"], context.seed, t) for t in range(options["targets"])])
    planted = torch.from_numpy(planted)
    for number in context.ensembles:
        vectors = draw_diagonals(d, m, context.seed, number)
        diagonals = torch.from_numpy(vectors)
        labels = planted.diagonal(dim1=1, dim2=2) @ diagonals.T

        solved = solutions(partial(_solve, vectors), labels, planted)
        train_error = partial(_train_error, diagonals, labels)
        ends = descend(vectors, labels.numpy(), alphas, options["step"], options["iterations"])
        methods = [(solver, 0.0, *solution) for solver, solution in solved.items()]
        methods += [
            ("descent", alpha, torch.diag_embed(torch.from_numpy(end)), None)
            for alpha, end in zip(alphas, ends, strict=True)
        ]
        for row in compared(methods, planted, solved["clarabel"][0], train_error):
            yield {"d": d, "rank": 1, "m": m, "m_per_dr": m / d, "ensemble": number, **row}
        context.say(f"ensemble {number}: solvers say {solved['clarabel'][1]}, {solved['scs'][1]}")
