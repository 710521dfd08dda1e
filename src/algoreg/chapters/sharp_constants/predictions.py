"""Predictions for sensing without a free constant: errors under noise, and the spectral start's overlap.

X* has r eigenvalues 1, c = m/(dr), and the labels have noise of standard deviation σ; x = σ√(d/(2m)). With many
Gaussian measurements an estimate is a threshold of X* plus a Wigner matrix of edge 2s [agterberg2025]. The Wigner
matrix has the noise and the error that is left, so that s² = x² + e/(2c), e the squared error per eigenvalue. An
eigenvalue 1 of X* is one of 1 + s² there, and its eigenvector has the squared overlap 1 − s² with X*'s
[benaych2011], so that to keep it as it is costs 2s² + 3s⁴, and to shrink it by the edge 6s² − 8s³ + 3s⁴.
"""

import functools
import math

import numpy as np

from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import degrees_of_freedom

COSTS = {
    "least_squares": lambda s: 2 * s**2 + 3 * s**4,
    "penalised": lambda s: 6 * s**2 - 8 * s**3 + 3 * s**4,
}
# The equation for s is iterated so often; it contracts where c is well above what recovery needs.
ROUNDS = 2000
# Draws behind a mean that has no closed form: its standard error is some 0.05 measurements. Grid of τ.
DRAWS, THRESHOLDS = 10_000, 200


def spread(method, noise, m_over_dr):
    """Return s, half of the Wigner matrix's edge, at a noise x; NaN where X*'s eigenvalues do not leave the bulk.

    Parameters
    ----------
    method : str
        ``least_squares`` over the matrices of rank r, or ``penalised`` by the trace.
    noise : float
        x.
    m_over_dr : float
        c; infinite for the noise alone, without the error that is left.
    """
    s = noise
    for _ in range(ROUNDS):
        s = math.sqrt(noise**2 + COSTS[method](s) / (2 * m_over_dr))
        if s >= 1:
            return math.nan
    return s


def squared_error(method, noise, m_over_dr):
    """Return the squared error per eigenvalue of X*; NaN where :func:`spread` is."""
    return COSTS[method](spread(method, noise, m_over_dr))


def penalty(noise, d, rank, m_over_dr):
    """Return the λ of ½·MSE + λ tr X that shrinks by the edge 2s: λ = 2s(1 − df/m), df that of the soft threshold.

    The threshold's degrees of freedom are r(r + 1)/2 within X*'s space and (1 − s)² of the r(d − r) beside it.
    """
    s = spread("penalised", noise, m_over_dr)
    freedom = rank * (rank + 1) / 2 + rank * (d - rank) * (1 - s) ** 2
    return 2 * s * (1 - freedom / (m_over_dr * d * rank))


def overlap(m_over_d):
    """Return the squared overlap of (1/m) Σ y_iA_i's first eigenvector with X*'s, X* of rank 1: 0 up to m = d/2."""
    return max(1 - 1 / (2 * m_over_d), 0.0)


@functools.cache
def mean_first_count(d, rank):
    """Return the mean of the first m from which on the least trace is at X*: exact at every d, but for the draws.

    It is ½ above the statistical dimension of the cone of directions in which the trace does not grow and positivity is
    not lost, as the cone's intrinsic volumes of odd and of even order each sum to ½ [amelunxen2014]. The dimension is
    the mean squared distance of a GOE matrix from the polar cone: the degrees of freedom of X* and E min_τ {τ²r −
    2τ·tr G + Σ(λ_i − τ)₊²} over τ ≥ 0, G the r × r block at X*, λ_i the eigenvalues of the one of size d − r
    beside it. Where the mean is taken before the minimum, the formula has an upper bound
    (:func:`algoreg.numerics.theory.trace_statistical_dimension`).
    """
    generator, n = stream("sharp-dimension", d=d, rank=rank), d - rank
    normal = generator.standard_normal((DRAWS, n, n))
    eigenvalues = np.linalg.eigvalsh((normal + normal.transpose(0, 2, 1)) / 2)
    trace = math.sqrt(rank) * generator.standard_normal(DRAWS)
    least = np.zeros(DRAWS) + np.inf
    for tau in np.linspace(0, eigenvalues.max(), THRESHOLDS):
        distance = tau**2 * rank - 2 * tau * trace + np.square(np.maximum(eigenvalues - tau, 0)).sum(1)
        least = np.minimum(least, distance)
    return degrees_of_freedom(d, rank) + float(least.mean()) + 0.5
