"""Spectral networks: a scalar function on singular values, and its pull-back [chu2024].

X = Σ_l a_l Γ(U_lV_lᵀ), Γ(ΦΣΨᵀ) = Φ tanh(Σ) Ψᵀ. The derivative of Γ is taken from the decomposition itself: automatic
differentiation of it is singular where singular values meet.
"""

import numpy as np

# Singular values nearer to one another than this have the derivative in the place of the quotient of differences.
NEAR = 1e-9


def spectral(matrices):
    """Return Γ of matrices (…, d, d), and what :func:`pulled_back` needs of them."""
    left, values, right = np.linalg.svd(matrices)
    return (left * np.tanh(values)[..., None, :]) @ right, (left, values, right)


def pulled_back(gradient, decomposition):
    """Return the gradient in M of a function of Γ(M), from its gradient in Γ, both (…, d, d).

    In the singular vectors its symmetric part is weighted with (γ(σ_i) − γ(σ_j))/(σ_i − σ_j), the other with
    (γ(σ_i) + γ(σ_j))/(σ_i + σ_j).
    """
    left, values, right = decomposition
    inner = left.mT @ gradient @ right.mT
    symmetric, other = (inner + inner.mT) / 2, (inner - inner.mT) / 2
    first, second, shaped = values[..., :, None], values[..., None, :], np.tanh(values)
    apart, together = first - second, first + second
    near = np.abs(apart) <= NEAR * np.maximum(together, NEAR)
    slopes = np.where(
        near, 1 - shaped[..., :, None] ** 2, (shaped[..., :, None] - shaped[..., None, :]) / np.where(near, 1, apart)
    )
    sums = (shaped[..., :, None] + shaped[..., None, :]) / np.where(together > 0, together, 1)
    return left @ (symmetric * slopes + other * np.where(together > 0, sums, 1.0)) @ right
