"""Predictions of theory about matrices and measurements."""

import numpy as np


def symmetric_dimension(d):
    """Return D(d) = d(d+1)/2, the dimension of the symmetric d×d matrices."""
    return d * (d + 1) // 2


def psd_statistical_dimension(d, rank) -> float:
    """Return how many Gaussian measurements identify a rank-r PSD matrix through positivity alone: D(d) − D(d−r)/2.

    This is the statistical dimension of the cone of directions that keep X* + tH positive semidefinite,
    {H : P⊥HP⊥ ⪰ 0} with P⊥ the projection on the kernel of X*. Of the D(d) = d(d+1)/2 dimensions all are free except
    those of the kernel's block; the block is restricted to a self-dual cone, which counts half. With high probability,
    X* is the only PSD matrix that fits m generic measurements if m is above this number, and is not if m is below
    (Amelunxen, Lotz, McCoy & Tropp, 2014).

    Parameters
    ----------
    d, rank : int
        0 ≤ rank ≤ d.

    Raises
    ------
    ValueError
        If the rank is outside that range.
    """
    if not 0 <= rank <= d:
        raise ValueError(f"rank = {rank}: allowed is 0 to d = {d}")
    return symmetric_dimension(d) - symmetric_dimension(d - rank) / 2


def first_errors_of_the_identity(d: int, rank: int) -> tuple[float, float]:
    """Return the relative training error of X = I under Gaussian and under rank-one measurements xxᵀ, x ~ N(0, I).

    The values are for X* with r eigenvalues 1 at large m, where Δ = I − X* has ‖Δ‖_F² = tr Δ = d − r. The mean square
    of Gaussian measurements of Δ is ‖Δ‖_F², so their training error equals the test error; the mean square of rank-one
    measurements is 2‖Δ‖_F² + (tr Δ)².
    """
    rest = d - rank
    return (rest / rank) ** 0.5, ((2 * rest + rest**2) / (2 * rank + rank**2)) ** 0.5


def goe_density(n, points):
    """Return the density of the eigenvalues of an n×n GOE matrix at P points, shape (P,); it integrates to n.

    The symmetric matrix has N(0, 1) on its diagonal and N(0, 1/2) off it: iid N(0, 1) svec entries. With φ_j the
    oscillator functions, the density at x is Σ_{j<n} φ_j(x)² + √(n/2)·φ_{n−1}(x)·½∫sign(x − t)φ_n(t)dt; odd n adds
    φ_{n−1}(x)/∫φ_{n−1} (Mehta, Random Matrices, 2004, chapter 7).

    Parameters
    ----------
    n : int
        At least 1.
    points : numpy.ndarray, shape (P,)
        Equally spaced, rising, and reaching at least 6 beyond ±√(2n), because integrals are sums over these points.
    """
    spacing = points[1] - points[0]
    functions = [np.pi**-0.25 * np.exp(-(points**2) / 2)]
    functions.append(np.sqrt(2.0) * points * functions[0])
    for j in range(1, n):
        functions.append(np.sqrt(2 / (j + 1)) * points * functions[j] - np.sqrt(j / (j + 1)) * functions[j - 1])
    top, last = functions[n], functions[n - 1]
    # ½∫sign(x − t)φ(t)dt is the integral up to x minus half of the whole integral; up_to is the trapezoid rule.
    up_to = (np.cumsum(top) - top / 2) * spacing
    density = np.sum(np.square(functions[:n]), axis=0) + np.sqrt(n / 2) * last * (up_to - top.sum() * spacing / 2)
    return density + last / (last.sum() * spacing) if n % 2 else density


def trace_statistical_dimension(d, rank) -> float:
    """Return how many Gaussian measurements make a rank-r PSD matrix the one of least trace among those that fit them.

    This is the statistical dimension of the cone of directions in which the trace does not grow and positivity is not
    lost: r(r+1)/2 + r(d−r) + min_τ {τ²r + E Σ(λ_i − τ)₊²}, where λ_i are the eigenvalues of a (d−r)×(d−r) GOE matrix
    with off-diagonal variance ½ (Amelunxen, Lotz, McCoy & Tropp, 2014). With high probability, least trace finds X* if
    m is above this number, and misses it if m is below.

    Parameters
    ----------
    d, rank : int
        1 ≤ rank ≤ d.

    Raises
    ------
    ValueError
        If the rank is outside that range.
    """
    # scipy is imported here because it takes a fifth of a second to load, and most jobs that use a formula do not need
    # it.
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


def least_examples(d, rank):
    """Return n_c = d(r + 1) − r(r + 1)/2, the degrees of freedom at rank r + 1.

    As we read [saraomannelli2020], with more examples xxᵀ than this X* is the only zero of the loss over PSD X.
    """
    return degrees_of_freedom(d, rank + 1)


def geometric_spectrum(rank, kappa) -> list[float]:
    """Return r eigenvalues that fall from 1 to 1/κ in equal ratios; κ is at least 1, and is 1 for rank 1.

    Raises
    ------
    ValueError
        If there is no such spectrum.
    """
    if kappa < 1 or (rank == 1 and kappa != 1):
        raise ValueError(f"kappa = {kappa}: allowed is at least 1, and 1 alone for rank 1 (rank = {rank})")
    return [kappa ** (-k / max(rank - 1, 1)) for k in range(rank)]
