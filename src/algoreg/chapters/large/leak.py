"""The leak: how far the directions without signal grow while X* is found, and the m at which that is too far.

X* has r eigenvalues 1 and U₀ = αI. With c = m/(dr) and s² = 1/(2c), N = (1/m) Σ y_iA_i has outliers near 1 + s² and a
bulk of d eigenvalues that is a semicircle on [−2s, 2s]. X* is found when α²·exp(2(1 + s²)t) = 1, at the time
t₀ = ln(1/α)/(1 + s²). By then an eigenvalue of X in the bulk is α²·exp(2·s·x·t₀), x from the semicircle on [−2, 2], and
the bulk's Frobenius norm over ‖X*‖ = √r is

    leak(c) = α²·√((d/r)·∫exp(4·s·x·t₀)ρ(x)dx) = α²·√((d/r)·I₁(2k)/k),    k = 4·s·t₀.

A threshold is the c at which the leak is a constant, which is not
predicted: it is fitted to the threshold at the smallest size.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ive

# Of c, within which thresholds are sought: below ½ no outlier leaves the bulk.
RANGE = (0.51, 1000.0)


def log_leak(c, d_over_r, alpha):
    """Return the natural logarithm of the leak at c = m/(dr)."""
    s = np.sqrt(1 / (2 * c))
    k = 4 * s * np.log(1 / alpha) / (1 + s**2)
    # ive is I₁ over its exponential growth.
    return 2 * np.log(alpha) + (np.log(d_over_r) + np.log(ive(1, 2 * k)) + 2 * k - np.log(k)) / 2


def predicted(known, size, sizes, alpha):
    """Return the thresholds c at some sizes d/r, from the one known at a size.

    Parameters
    ----------
    known : float
        c* at ``size``.
    size, sizes : float, sequence of float
        d/r.
    alpha : float
    """
    level = log_leak(known, size, alpha)
    return np.array([brentq(lambda c, at=at: log_leak(c, at, alpha) - level, *RANGE) for at in sizes])
