"""Estimates of full rank of a quantum state: RρR maximum likelihood and weighted least squares."""

import numpy as np

# Least squares ends where ρ changes by less than this in an iteration, or after so many.
STILL, STEPS = 1e-9, 2000


def likelihood(matrices, y, shots):
    """Yield the iterates of RρR [Řeháček, Hradil, Ježek 2001]: ρ ← RρR, R the sum of outcomes over their probabilities.

    Parameters
    ----------
    matrices : numpy.ndarray, shape (m, d, d)
        Pauli strings.
    y, shots : numpy.ndarray, shape (m,)
        Expectations that were seen, and by how many shots of each.
    """
    d = matrices.shape[1]
    flat, rho = matrices.reshape(len(y), -1), np.eye(d) / d
    while True:
        seen = (flat.conj() @ rho.ravel()).real.clip(-1 + 1e-12, 1 - 1e-12)
        up, down = shots * (1 + y) / (1 + seen), shots * (1 - y) / (1 - seen)
        root = ((up - down) / 2 @ flat).reshape(d, d) + (up + down).sum() / 2 * np.eye(d)
        rho = root @ rho @ root
        rho /= np.trace(rho).real
        yield rho


def least_squares(matrices, y, shots, steps=STEPS):
    """Return the state of least Σ (tr Pρ − y)²/variance, by accelerated projected gradient; see :func:`likelihood`."""
    d = matrices.shape[1]
    # A string that came out the same each time has been seen too rarely to have no variance at all.
    weights = shots / (1 - np.square(y * shots / (shots + 1)))
    weights = weights / weights.mean()
    flat, rate = matrices.reshape(len(y), -1), 1 / (weights.max() * d)
    rho = ahead = np.eye(d) / d
    for step in range(steps):
        gradient = ((weights * ((flat.conj() @ ahead.ravel()).real - y)) @ flat).reshape(d, d)
        values, vectors = np.linalg.eigh(ahead - rate * gradient)
        following = (vectors * simplex(values)) @ vectors.conj().T
        ahead, before, rho = following + step / (step + 3) * (following - rho), rho, following
        if step and np.linalg.norm(rho - before) < STILL:
            break
    return rho


def simplex(values):
    """Return the nearest point of the simplex to values in rising order."""
    falling = values[::-1]
    levels = (np.cumsum(falling) - 1) / np.arange(1, len(values) + 1)
    return (values - levels[np.flatnonzero(falling > levels)[-1]]).clip(0)
