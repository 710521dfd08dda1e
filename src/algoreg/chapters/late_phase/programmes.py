"""Matrices that late phases are compared with: the penalised fit, and the flattest fit."""

import numpy as np

# A relative change in a step at which the penalised fit has been reached.
SETTLED = 1e-13


def shrunk(matrix, by):
    """Return the symmetric matrix whose eigenvalues are nearer to 0 by so much."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * (np.sign(values) * np.maximum(np.abs(values) - by, 0))) @ vectors.T


def penalised_fit(gradient, d, penalty, step, count=20_000):
    """Return the minimiser of f(X) + λ‖X‖_* over symmetric X, by accelerated proximal steps from 0.

    It is what descent on UUᵀ − VVᵀ with weight decay λ has as its minimum: ‖U‖² + ‖V‖² is at least ‖UUᵀ − VVᵀ‖_*.

    Parameters
    ----------
    gradient : callable
        That of f, of X (d, d).
    d : int
    penalty, step : float
        λ, and the step, at most 1 over the largest eigenvalue of f's Hessian.
    """
    x = ahead = np.zeros((d, d))
    momentum = 1.0
    for _ in range(count):
        following = shrunk(ahead - step * gradient(ahead), step * penalty)
        # Momentum that has overshot begins again (O'Donoghue and Candès).
        if np.sum((ahead - following) * (following - x)) > 0:
            momentum = 1.0
        after = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / after * (following - x)
        moved = np.linalg.norm(following - x)
        x, momentum = following, after
        if moved <= SETTLED * np.linalg.norm(x):
            break
    return x
