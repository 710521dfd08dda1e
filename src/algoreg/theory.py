"""What theory predicts, as functions named after it."""

import math

from scipy.special import gammaincc


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


def quadratic_network_window(d, kappa, alpha, step):
    """Return the ends of the window of T of [LMZ18, Theorem 1.2] with all constants 1: κ log(d/α)/η and 1/(η√(dκα)).

    The window is empty where the first is above the second, as it is for large α.

    Parameters
    ----------
    d : int
    kappa, alpha, step : float
        Condition number of X*, initialisation scale, step size η.

    Returns
    -------
    tuple of float
    """
    return kappa * math.log(d / alpha) / step, 1 / (step * math.sqrt(d * kappa * alpha))


def quadratic_network_bound(d, kappa, alpha):
    """Return dκα, the generalisation error that [LMZ18, Theorem 1.2] allows, with constant 1."""
    return d * kappa * alpha


def truncated_deviation(level):
    """Return how far the mean of a truncated rank-one sum is from its claimed value, in operator norm [LMZ18, Lemma A.1].

    For A = xxᵀ, x ~ N(0, I) and X = aaᵀ with ‖a‖ = 1, ⟨A, X⟩ = g² with g = aᵀx. E⟨A,X⟩A 1{⟨A,X⟩ ≤ R} − 2X − tr(X)I has the
    eigenvalues E g⁴1 − 3 along a and E g²1 − 1 across it: −3·P(χ²₅ > R) and −P(χ²₃ > R).

    Parameters
    ----------
    level : float
        R, at least 0.

    Returns
    -------
    float
        3·P(χ²₅ > R): 3 at R = 0, 0 as R grows.
    """
    return 3 * float(gammaincc(2.5, level / 2))
