"""Networks x ↦ ‖Uᵀx‖² − ‖U‖² under weight decay, the convex problem of X = UUᵀ, and its error in theory [erba2025].

The activation is centred, so that ⟨A_i, X⟩ with A_i = (x_ix_iᵀ − I)/√2 has mean 0 and variance ‖X‖_F², as with the
Gaussian measurements of :mod:`algoreg.ensembles.gaussian`. The loss is (1/2m) Σ (⟨A_i, UUᵀ⟩ − y_i)² + λ‖U‖_F², and
‖U‖_F² = tr X: with d units it is the convex problem of least squares with the trace as penalty, over X ⪰ 0.
"""

import functools
import math

import numpy as np
import torch

from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec

# Of the gradient, and of the loss's relative change, at which L-BFGS ends; and its most iterations.
GRADIENT, LOSS, MOST = 1e-9, 1e-15, 10_000
# The status of scipy's L-BFGS-B for a run that has used up its iterations or evaluations.
USED_UP = 1
# The convex iteration ends where X moves by less than this; its most iterations.
MOVED, ITERATIONS = 1e-10, 20_000
# Draws of the Wigner matrix behind the prediction.
DRAWS = 64
# Units of the narrow teacher.
NARROW = 2


def teacher_rank(teacher, d):
    """Return how many units a ``narrow`` or ``wide`` teacher has: 2, or d/2."""
    return NARROW if teacher == "narrow" else d // 2


def trained(vectors, labels, penalty, start):
    """Return U where L-BFGS ends, shape (d, k), from a start of that shape, and its status.

    Parameters
    ----------
    vectors : numpy.ndarray, shape (m, d)
        The x_i.
    labels : numpy.ndarray, shape (m,)
    penalty : float
        λ.
    start : numpy.ndarray, shape (d, k)
    """
    # Loaded here: scipy takes a fifth of a second to load.
    from scipy.optimize import minimize

    def loss(point):
        factor = point.reshape(start.shape)
        seen = vectors @ factor
        residuals = (np.sum(seen**2, 1) - np.sum(factor**2)) / math.sqrt(2) - labels
        slope = vectors.T @ (residuals[:, None] * seen) - residuals.sum() * factor
        value = residuals @ residuals / (2 * len(labels)) + penalty * np.sum(factor**2)
        return value, (math.sqrt(2) * slope / len(labels) + 2 * penalty * factor).ravel()

    options = {"maxiter": MOST, "maxfun": 2 * MOST, "gtol": GRADIENT, "ftol": LOSS, "maxcor": 20}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape), "budget" if found.status == USED_UP else "converged"


def centred_rows(vectors):
    """Return the A_i = (x_ix_iᵀ − I)/√2, packed, shape (m, d(d+1)/2)."""
    outer = vectors[:, :, None] * vectors[:, None, :] - np.eye(vectors.shape[1])
    return svec(torch.from_numpy(outer)).numpy() / math.sqrt(2)


def convex_minimiser(rows, labels, d, penalty):
    """Return the X ⪰ 0 of least (1/2m) Σ (⟨A_i, X⟩ − y_i)² + λ tr X, by proximal steps.

    They are accelerated, and begin anew where the momentum points uphill.

    Parameters
    ----------
    rows : numpy.ndarray, shape (m, d(d+1)/2)
        The packed A_i.
    labels : numpy.ndarray, shape (m,)
    d : int
    penalty : float
        λ.
    """
    m, identity = len(labels), svec(torch.eye(d, dtype=torch.float64)).numpy()
    # The Hessian's largest eigenvalue, by power iteration from a sum of measurements; it comes from below.
    vector = rows.sum(0)
    for _ in range(100):
        vector = rows.T @ (rows @ vector) / m
        largest = np.linalg.norm(vector)
        vector /= largest
    step, weight = 1 / (1.05 * largest), 1.0
    current = ahead = np.zeros(rows.shape[1])
    for _ in range(ITERATIONS):
        slope = rows.T @ (rows @ ahead - labels) / m + penalty * identity
        values, bases = np.linalg.eigh(smat(torch.from_numpy(ahead - step * slope), d).numpy())
        kept = torch.from_numpy((bases * np.maximum(values, 0)) @ bases.T)
        following = svec(kept).numpy()
        moved = following - current
        if (ahead - following) @ moved > 0:
            weight = 1.0
        heavier = (1 + math.sqrt(1 + 4 * weight**2)) / 2
        ahead, current, weight = following + (weight - 1) / heavier * moved, following, heavier
        if np.linalg.norm(moved) < MOVED:
            break
    return smat(torch.from_numpy(current), d).numpy()


@functools.cache
def predicted_error(d, rank, m, noise, penalty):
    """Return ‖X − X*‖²_F of the convex minimiser in theory, X* with ``rank`` eigenvalues 1; nothing is fitted.

    The minimiser is like the soft threshold at θ of X* + τG, G a GOE matrix with E⟨G, X⟩² = ‖X‖²_F: with e its squared
    error and ``df`` its degrees of freedom, the trace of its derivative, τ² = (σ² + e)/m and θ = λ/(1 − df/m). Means
    over G are those of some draws at this d.

    Parameters
    ----------
    d, rank, m : int
    noise : float
        σ, the standard deviation of the labels' noise.
    penalty : float
        λ.
    """
    # Loaded here: scipy takes a fifth of a second to load.
    from scipy.optimize import brentq

    normal = stream("regularised-wigner", d=d).standard_normal((DRAWS, d, d))
    wigner = (normal + normal.transpose(0, 2, 1)) / 2
    star = np.diag(np.repeat([1.0, 0.0], [rank, d - rank]))
    upper = np.triu_indices(d)

    def error(spread):
        values, bases = np.linalg.eigh(star + spread * wigner)
        gaps = values[:, :, None] - values[:, None, :] + np.eye(d)

        def excess(threshold):
            kept = np.maximum(values - threshold, 0)
            # Divided differences of the threshold: its derivative in the eigenbasis, whose diagonal is 0 or 1.
            slopes = (kept[:, :, None] - kept[:, None, :]) / gaps + (kept > 0)[:, :, None] * np.eye(d)
            return threshold * (1 - np.mean(slopes[:, *upper].sum(1)) / m) - penalty

        # Beyond the largest eigenvalue df is 0.
        kept = np.maximum(values - brentq(excess, penalty, penalty + values.max()), 0)
        made = (bases * kept[:, None, :]) @ bases.transpose(0, 2, 1)
        return float(np.mean(np.sum((made - star) ** 2, (1, 2))))

    # For large τ the left side is larger: the threshold keeps at most df·τ² of the noise, and df < m.
    highest = math.sqrt((noise**2 + rank) / m)
    while m * highest**2 <= noise**2 + error(highest):
        highest *= 2
    # Not from τ = 0, where X* has equal eigenvalues, without divided differences.
    lowest = 1e-6 * highest
    return error(brentq(lambda spread: m * spread**2 - noise**2 - error(spread), lowest, highest, rtol=1e-9))
