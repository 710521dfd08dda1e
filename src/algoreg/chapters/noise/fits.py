"""Least squares over the matrices UUᵀ of a width: noisy problems, their fits,
and what is left of the labels [shapiro2021].
"""

from dataclasses import dataclass

import numpy as np
import torch

from algoreg.numerics.problems import spoil

# A fit has converged where the angle between residuals and Jacobian is this near to a right one.
TOLERANCE = 1e-8
# Steps that are tried: fits of too high a rank creep along flat valleys.
MOST = 2000
# The damping at first, the least and the most, over the mean of JᵀJ's diagonal.
DAMPING, LEAST, LARGEST = 1e-2, 1e-12, 1e12


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
    return ensemble.adjoint(torch.eye(ensemble.m, dtype=ensemble.dtype, device=ensemble.device)).double().cpu().numpy()


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
    clean = ensemble.label(factors @ factors.mT).cpu().numpy()
    asked = {"d": ensemble.d, "rank": factors.shape[2], "label_noise": label_noise}
    labels = spoil(clean, asked, seed, ensemble.number, range(len(factors)))
    matrices = dense(ensemble)
    return [
        NoisyProblem(matrices, row, row - own, label_noise * float(np.sqrt(np.mean(own**2))), factor)
        for row, own, factor in zip(labels, clean, factors.cpu().numpy(), strict=True)
    ]


def spectral_factor(matrices, labels, width):
    """Return U, shape (d, width), UUᵀ the part of (1/m) Σ y_iA_i with its largest eigenvalues;
    negative ones count as their size.
    """
    values, vectors = np.linalg.eigh(np.tensordot(labels, matrices, 1) / len(labels))
    return vectors[:, -width:] * np.sqrt(np.abs(values[-width:]))


def fitted_factor(matrices, labels, start):
    """Return U of a least-squares fit Σ(⟨A_i, UUᵀ⟩ − y_i)² by Levenberg and Marquardt's method,
    and whether it converged.

    Its damping is what takes care of the k(k−1)/2 rotations UO that change nothing, along which the Jacobian is
    singular.

    Parameters
    ----------
    matrices : numpy.ndarray, shape (m, d, d)
        m at least d·k.
    labels : numpy.ndarray, shape (m,)
    start : numpy.ndarray, shape (d, k)

    Returns
    -------
    factor : numpy.ndarray, shape (d, k)
    converged : bool
        Whether ‖Jᵀr‖ is at most ``TOLERANCE`` times ‖J‖_F‖r‖, r the residuals.
    """
    # Not scipy's least_squares. Method "lm" of scipy 1.17 does not repeat its own bits where the Jacobian is singular,
    # as here: its decomposition then takes the norm of a column's rest with a number too many, after the last column
    # one beyond the array. Method "trf" repeats and ends as low, in three to fifteen times this one's time.
    rows = matrices.reshape(len(matrices), -1)
    u, residuals, damping, moved = start, rows @ (start @ start.T).ravel() - labels, DAMPING, True
    for _ in range(MOST):
        if moved:
            jacobian = 2 * (matrices @ u).reshape(len(matrices), -1)
            normal, gradient = jacobian.T @ jacobian, jacobian.T @ residuals
            if np.linalg.norm(gradient) <= TOLERANCE * np.linalg.norm(jacobian) * np.linalg.norm(residuals):
                return u, True
        damped = normal + damping * np.mean(np.diag(normal)) * np.eye(len(normal))
        tried = u - np.linalg.solve(damped, gradient).reshape(u.shape)
        missed = rows @ (tried @ tried.T).ravel() - labels
        moved = bool(missed @ missed < residuals @ residuals)
        if moved:
            u, residuals, damping = tried, missed, max(damping / 5, LEAST)
        else:
            damping = min(4 * damping, LARGEST)
    return u, False


def residual_sum(problem, x):
    """Return Σ(⟨A_i, X⟩ − y_i)² of a problem's labels; X is (d, d)."""
    return float(np.sum((problem.matrices.reshape(len(problem.labels), -1) @ x.ravel() - problem.labels) ** 2))
