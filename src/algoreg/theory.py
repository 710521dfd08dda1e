"""What theory predicts, as functions named after it."""

import math


def symmetric_dimension(d):
    """Return D(d) = d(d+1)/2, the dimension of the symmetric d×d matrices."""
    return d * (d + 1) // 2


def psd_statistical_dimension(d, rank):
    """Return how many Gaussian measurements identify a rank-r PSD matrix through positivity alone: D(d) − D(d−r)/2.

    This is the statistical dimension of the cone of directions that keep X* + tH positive semidefinite,
    {H : P⊥HP⊥ ⪰ 0} with P⊥ the projection on the kernel of X*: of the D(d) = d(d+1)/2 dimensions all are free but
    those of the kernel's block, a self-dual cone, which counts half. X* is the only PSD matrix that fits m generic
    measurements with high probability once m is above it, and is not below it (Amelunxen, Lotz, McCoy & Tropp, 2014).

    Parameters
    ----------
    d, rank : int
        0 ≤ rank ≤ d.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the rank is outside that range.
    """
    if not 0 <= rank <= d:
        raise ValueError(f"rank = {rank}: allowed is 0 to d = {d}")
    return symmetric_dimension(d) - symmetric_dimension(d - rank) / 2


def first_errors_of_the_identity(d, rank):
    """Return the relative training error of X = I under Gaussian and under rank-one measurements xxᵀ, x ~ N(0, I).

    For X* with r eigenvalues 1, at large m. Δ = I − X* has ‖Δ‖_F² = tr Δ = d − r. Gaussian measurements see ‖Δ‖_F² in
    the mean square, so their training error is the test error; rank-one ones see 2‖Δ‖_F² + (tr Δ)².

    Parameters
    ----------
    d, rank : int

    Returns
    -------
    tuple of float
    """
    rest = d - rank
    return (rest / rank) ** 0.5, ((2 * rest + rest**2) / (2 * rank + rank**2)) ** 0.5


def isometry_upper_bound(width, m):
    """Return (1 + (w_r + 2.6)/√m)² − 1, above the restricted isometry constant of a Gaussian ensemble for 97 draws in 100.

    By Gordon's comparison and concentration: the largest singular value of the ensemble on unit matrices of rank at most
    r is below √m + w_r + t but with probability e^(−t²/2), which is 3.4 % at t = 2.6. The lower side is smaller.

    Parameters
    ----------
    width : float
        Gaussian width w_r of these matrices, see :func:`algoreg.diagnostics.gaussian_width`.
    m : int
        Number of measurements.

    Returns
    -------
    float
    """
    return (1 + (width + 2.6) / m**0.5) ** 2 - 1


def rank_one_error_scale(delta):
    """Return δ·max(log 1/δ, 1), the scale of Theorem 3.1's error ‖UUᵀ − X*‖_F ≤ O(δ log 1/δ) [LMZ18].

    The maximum keeps it positive where δ is no longer small, which the theorem does not cover.
    """
    return delta * max(-math.log(delta), 1.0)


def rank_one_start(delta, d):
    """Return the largest start of Theorem 3.1, α = δ√(log(1/δ)/d) [LMZ18], with the logarithm at least 1."""
    return delta * (max(-math.log(delta), 1.0) / d) ** 0.5


def angle_rate(delta, rank, kappa, d, alpha):
    """Return ρ = √r·δ/(κ log(d/α)), the angle's growth per unit of η·t in Theorem 4.2 [LMZ18]."""
    return rank**0.5 * delta / (kappa * math.log(d / alpha))


def signal_time(kappa, d, alpha, step):
    """Return T₁ = κ log(d/α)/η in steps, the end of Theorem 4.2's range with its constant 1 [LMZ18]."""
    return kappa * math.log(d / alpha) / step
