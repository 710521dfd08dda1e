"""Least squares over the matrices UUᵀ of a width: noisy problems, their fits, and what is left of the labels [shapiro2021]."""

from dataclasses import dataclass

import numpy as np
import torch

from algoreg.numerics.problems import spoil

# Relative changes of loss and factor at which a fit ends.
TOLERANCE = 1e-10
# Evaluations of the residuals: fits of too low a rank creep along flat valleys, and are rejected long before.
MOST = 60


@dataclass(frozen=True)
class NoisyProblem:
    """One target under one ensemble with noisy labels, in float64.

    Attributes
    ----------
    matrices : numpy.ndarray, shape (m, d, d)
        The symmetric A_i.
    labels : numpy.ndarray, shape (m,)
    noise : numpy.ndarray, shape (m,)
        Labels less those of X*.
    sigma : float
        The noise's standard deviation.
    factor : numpy.ndarray, shape (d, r)
        U* of X* = U*U*ᵀ.
    """

    matrices: np.ndarray
    labels: np.ndarray
    noise: np.ndarray
    sigma: float
    factor: np.ndarray


def dense(ensemble):
    """Return the symmetric matrices A_i of an ensemble, shape (m, d, d), float64."""
    return ensemble.adjoint(torch.eye(ensemble.m, dtype=ensemble.dtype)).double().numpy()


def noisy_problems(ensemble, factors, label_noise, seed):
    """Return a problem for every target, all of one ensemble.

    Parameters
    ----------
    ensemble : algoreg.ensembles.base.Measurements
    factors : torch.Tensor, shape (T, d, r)
        U* of targets 0 to T − 1.
    label_noise : float
        The noise's standard deviation over the root mean square of a target's labels; 0 for none.
    seed : int

    Returns
    -------
    list of NoisyProblem
    """
    clean = ensemble.label(factors @ factors.mT).numpy()
    asked = {"d": ensemble.d, "rank": factors.shape[2], "label_noise": label_noise}
    labels = spoil(clean, asked, seed, ensemble.number, range(len(factors)))
    matrices = dense(ensemble)
    return [
        NoisyProblem(matrices, row, row - own, label_noise * float(np.sqrt(np.mean(own**2))), factor)
        for row, own, factor in zip(labels, clean, factors.numpy(), strict=True)
    ]


def spectral_factor(matrices, labels, width):
    """Return U, shape (d, width), UUᵀ the part of (1/m) Σ y_iA_i with its largest eigenvalues; negative ones count as their size."""
    values, vectors = np.linalg.eigh(np.tensordot(labels, matrices, 1) / len(labels))
    return vectors[:, -width:] * np.sqrt(np.abs(values[-width:]))


def fitted_factor(matrices, labels, start):
    """Return U of a least-squares fit Σ(⟨A_i, UUᵀ⟩ − y_i)² by Levenberg and Marquardt's method.

    Its damping is what takes care of the k(k−1)/2 rotations UO that change nothing, along which the Jacobian is singular.

    Parameters
    ----------
    matrices : numpy.ndarray, shape (m, d, d)
        m at least d·k.
    labels : numpy.ndarray, shape (m,)
    start : numpy.ndarray, shape (d, k)

    Returns
    -------
    numpy.ndarray, shape (d, k)
    """
    from scipy.optimize import least_squares

    d, width = start.shape
    rows = matrices.reshape(len(matrices), -1)

    def residuals(point):
        u = point.reshape(d, width)
        return rows @ (u @ u.T).ravel() - labels

    def jacobian(point):
        return 2 * (matrices @ point.reshape(d, width)).reshape(len(matrices), -1)

    options = {"method": "lm", "ftol": TOLERANCE, "xtol": TOLERANCE, "gtol": TOLERANCE, "max_nfev": MOST}
    return least_squares(residuals, start.ravel(), jacobian, **options).x.reshape(d, width)


def residual_sum(problem, x):
    """Return Σ(⟨A_i, X⟩ − y_i)² of a problem's labels; X is (d, d)."""
    return float(np.sum((problem.matrices.reshape(len(problem.labels), -1) @ x.ravel() - problem.labels) ** 2))
