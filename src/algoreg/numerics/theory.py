"""What theory predicts, as functions named after it."""

import math

import numpy as np


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


def goe_density(n, points):
    """Return the density of the eigenvalues of an n×n GOE matrix, which integrates to n.

    The symmetric matrix has N(0, 1) on its diagonal and N(0, 1/2) off it: iid N(0, 1) svec entries. With φ_j the
    oscillator functions, the density at x is Σ_{j<n} φ_j(x)² + √(n/2)·φ_{n−1}(x)·½∫sign(x − t)φ_n(t)dt, and for odd n
    φ_{n−1}(x)/∫φ_{n−1} more (Mehta, Random Matrices, 2004, chapter 7).

    Parameters
    ----------
    n : int
        At least 1.
    points : numpy.ndarray, shape (P,)
        Equally spaced and rising, and reaching at least 6 beyond ±√(2n): integrals are sums over them.

    Returns
    -------
    numpy.ndarray, shape (P,)
    """
    spacing = points[1] - points[0]
    functions = [np.pi**-0.25 * np.exp(-(points**2) / 2)]
    functions.append(np.sqrt(2.0) * points * functions[0])
    for j in range(1, n):
        functions.append(np.sqrt(2 / (j + 1)) * points * functions[j] - np.sqrt(j / (j + 1)) * functions[j - 1])
    top, last = functions[n], functions[n - 1]
    # ½∫sign(x − t)φ(t)dt is the integral up to x less half of the whole one; the trapezoid rule up to x.
    up_to = (np.cumsum(top) - top / 2) * spacing
    density = np.sum(np.square(functions[:n]), axis=0) + np.sqrt(n / 2) * last * (up_to - top.sum() * spacing / 2)
    return density + last / (last.sum() * spacing) if n % 2 else density


def trace_statistical_dimension(d, rank):
    """Return how many Gaussian measurements make a rank-r PSD matrix the one of least trace among those that fit them.

    This is the statistical dimension of the cone of directions in which neither the trace grows nor positivity is
    lost: r(r+1)/2 + r(d−r) + min_τ {τ²r + E Σ(λ_i − τ)₊²}, λ_i the eigenvalues of a (d−r)×(d−r) GOE matrix, off-diagonal
    variance ½ (Amelunxen, Lotz, McCoy & Tropp, 2014). Least trace finds X* with high probability once m is above it,
    and misses it below.

    Parameters
    ----------
    d, rank : int
        1 ≤ rank ≤ d.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the rank is outside that range.
    """
    # Here and below: scipy takes a fifth of a second to load, and most jobs that read a formula do not need it.
    from scipy.optimize import minimize_scalar

    if not 1 <= rank <= d:
        raise ValueError(f"rank = {rank}: allowed is 1 to d = {d}")
    n = d - rank
    tangent = degrees_of_freedom(d, rank)
    if n == 0:
        return float(tangent)
    edge = np.sqrt(2 * n) + 7
    points = np.linspace(-edge, edge, 4001)
    weights = goe_density(n, points) * (points[1] - points[0])

    def distance(threshold):
        return threshold**2 * rank + weights @ np.maximum(points - threshold, 0) ** 2

    return float(tangent + minimize_scalar(distance, bounds=(0, edge), method="bounded").fun)


def degrees_of_freedom(d, rank):
    """Return rd − r(r−1)/2, the dimension of the symmetric d×d matrices of rank r."""
    return rank * d - rank * (rank - 1) // 2


def geometric_spectrum(rank, kappa):
    """Return r eigenvalues from 1 down to 1/κ in equal ratios.

    Parameters
    ----------
    rank : int
    kappa : float
        At least 1, and 1 for rank 1.

    Returns
    -------
    list of float

    Raises
    ------
    ValueError
        If there is no such spectrum.
    """
    if kappa < 1 or (rank == 1 and kappa != 1):
        raise ValueError(f"kappa = {kappa}: allowed is at least 1, and 1 alone for rank 1 (rank = {rank})")
    return [kappa ** (-k / max(rank - 1, 1)) for k in range(rank)]


def theorem_11_isometry(d, rank, kappa):
    """Return 1/(κ³√r log²d): the (4r, δ)-RIP that [LMZ18, Theorem 1.1] asks for, its constant c set to 1."""
    return 1 / (kappa**3 * rank**0.5 * math.log(d) ** 2)


def theorem_11_constant(d, rank, kappa, alpha, step, delta):
    """Return the smallest c with which the hypothesis of [LMZ18, Theorem 1.1] holds for a run.

    The theorem asks for (4r, δ)-RIP with δ ≤ c·A, A = 1/(κ³√r log²d), for η ≤ cδ and α ≤ c·min(δ√r κ, 1/d). RIP with a δ is RIP
    with every larger one, so δ may be taken as large as c·A: what remains is c ≥ δ/A, c²A ≥ η, c²A√r κ ≥ α and c ≥ αd.

    Parameters
    ----------
    d, rank : int
    kappa, alpha, step : float
        Condition number, initialisation scale and step η in M-form.
    delta : float
        The isometry constant of rank 4r, or a bound of it (the result is then one of the same kind).

    Returns
    -------
    float
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

    Parameters
    ----------
    d : int
    kappa : float
    factor : float
        How many times its lower end must fit below its upper end.
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


def isometry_upper_bound(width, m):
    """Return (1 + (w_r + 2.6)/√m)² − 1, above the restricted isometry constant of a Gaussian ensemble for 97 draws in 100.

    By Gordon's comparison and concentration: the largest singular value of the ensemble on unit matrices of rank at most
    r is below √m + w_r + t but with probability e^(−t²/2), which is 3.4 % at t = 2.6. The lower side is smaller.

    Parameters
    ----------
    width : float
        Gaussian width w_r of these matrices, see :func:`algoreg.numerics.diagnostics.gaussian_width`.
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
    from scipy.special import gammaincc

    return 3 * float(gammaincc(2.5, level / 2))


def truncation_levels(delta):
    """Return levels R of Lemma A.1 for a δ: as printed, log(1/δ), three and four times that, its proof's log²(1/δ), none."""
    printed = math.log(1 / delta)
    return {
        "printed": printed,
        "three_logs": 3 * printed,
        "four_logs": 4 * printed,
        "proof": printed**2,
        "none": math.inf,
    }
