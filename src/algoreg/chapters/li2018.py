"""The formulas of [LMZ18] that its chapters share, their constants set to 1. Free of torch."""

import math

import numpy as np


def theorem_11_isometry(d, rank, kappa):
    """Return 1/(κ³√r log²d): the (4r, δ)-RIP that [LMZ18, Theorem 1.1] asks for, its constant c set to 1."""
    return 1 / (kappa**3 * rank**0.5 * math.log(d) ** 2)


def theorem_11_constant(d, rank, kappa, alpha, step, delta) -> float:
    """Return the smallest c with which the hypothesis of [LMZ18, Theorem 1.1] holds for a run.

    The theorem asks for (4r, δ)-RIP with δ ≤ c·A, A = 1/(κ³√r log²d), for η ≤ cδ and α ≤ c·min(δ√r κ, 1/d). RIP with a
    δ is RIP with every larger one, so δ may be taken as large as c·A: what remains is c ≥ δ/A, c²A ≥ η, c²A√r κ ≥ α and
    c ≥ αd.

    Parameters
    ----------
    d, rank : int
    kappa, alpha, step : float
        Condition number, initialisation scale and step η in M-form.
    delta : float
        The isometry constant of rank 4r, or a bound of it (the result is then one of the same kind).
    """
    asked = theorem_11_isometry(d, rank, kappa)
    return max(delta / asked, (step / asked) ** 0.5, (alpha / (asked * rank**0.5 * kappa)) ** 0.5, alpha * d)


def theorem_11_window(d, kappa, alpha, step):
    """Return κ log(d/α)/η and 1/(η√(dκα)), between which [LMZ18, Theorems 1.1 and 1.2] put T, their constants set to 1.

    The window is empty where the first is above the second, as it is for large α.
    """
    return kappa * math.log(d / alpha) / step, 1 / (step * (d * kappa * alpha) ** 0.5)


def theorem_11_largest_alpha(d, kappa, factor=1.0):
    """Return the α below which the window of [LMZ18, Theorem 1.1] is not empty, to 0.1 %, its constants set to 1.

    Its lower end must fit ``factor`` times below its upper end.
    """
    low, high = 1e-300, 1.0
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        first, last = theorem_11_window(d, kappa, middle, 1.0)
        low, high = (middle, high) if factor * first <= last else (low, middle)
    return low


def theorem_11_error(d, kappa, alpha):
    """Return α√d/κ², the bound of ‖UUᵀ − X*‖_F² in [LMZ18, Theorem 1.1], its constant set to 1."""
    return alpha * d**0.5 / kappa**2


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


def theorem_42_isometry(rank, kappa, log_start):
    """Return 1/(κ³√r log²(d/α)): the δ that [LMZ18, Theorem 4.2] asks for,
    its constant set to 1; ``log_start`` is log(d/α).
    """
    return 1 / (kappa**3 * rank**0.5 * log_start**2)


def signal_time(kappa, d, alpha, step):
    """Return T₁ = κ log(d/α)/η in steps, the end of Theorem 4.2's range with its constant 1 [LMZ18]."""
    return theorem_11_window(d, kappa, alpha, step)[0]


def theorem_42_bounds(steps, step, kappa, alpha):
    """Return the least signal and the largest error that Theorem 4.2 has after some steps from αI [LMZ18].

    Parameters
    ----------
    steps : numpy.ndarray
        Numbers of steps.
    step, kappa, alpha : float
        Step η in M-form, condition number, initialisation scale.

    Returns
    -------
    signal : numpy.ndarray
        min{(1 + η/8κ)^t α, 1/(2√κ)}, of σ_min(U*ᵀZ_t).
    error : float
        4α, of ‖E_t‖.
    """
    return np.minimum((1 + step / (8 * kappa)) ** steps * alpha, 0.5 / kappa**0.5), 4 * alpha


def quadratic_network_bound(d, kappa, alpha):
    """Return dκα, the generalisation error that [LMZ18, Theorem 1.2] allows, with constant 1."""
    return d * kappa * alpha


def truncated_deviation(level):
    """Return how far the mean of a truncated rank-one sum is from its claimed value,
    in operator norm [LMZ18, Lemma A.1].

    For A = xxᵀ, x ~ N(0, I) and X = aaᵀ with ‖a‖ = 1, ⟨A, X⟩ = g² with g = aᵀx. E⟨A,X⟩A 1{⟨A,X⟩ ≤ R} − 2X − tr(X)I has
    the eigenvalues E g⁴1 − 3 along a and E g²1 − 1 across it: −3·P(χ²₅ > R) and −P(χ²₃ > R).

    Parameters
    ----------
    level : float
        R, at least 0.

    Returns
    -------
    float
        3·P(χ²₅ > R): 3 at R = 0, 0 as R grows.
    """
    from scipy.special import gammaincc

    return 3 * float(gammaincc(2.5, level / 2))


def truncation_levels(delta):
    """Return levels R of Lemma A.1 for a δ: as printed, log(1/δ), three and four times that,
    its proof's log²(1/δ), none.
    """
    printed = math.log(1 / delta)
    return {
        "printed": printed,
        "three_logs": 3 * printed,
        "four_logs": 4 * printed,
        "proof": printed**2,
        "none": math.inf,
    }
