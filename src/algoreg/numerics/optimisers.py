"""Geometries, which map gradients to the directions of steps, and parametrisations, which map factors to X.

Factors and gradients have the shape (B, N, d, k): N factors of every run. A geometry gives the steepest direction in
some norm or, with a memory of earlier gradients, the direction of Adam or Shampoo.
"""

from collections.abc import Callable

import torch

from algoreg.numerics.eigen import spectral

# Coefficients a, b, c of Muon's Newton–Schulz iteration s ← as + bs³ + cs⁵ on singular values: five rounds bring all
# but the smallest to between 0.7 and 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
# Muon adds this to the norm that it divides by.
MUON_EPSILON = 1e-7


def _norms(tensors, dimensions):
    """Return Frobenius norms with 1 in place of 0, so that zeros stay 0 when they are divided by them."""
    norms = torch.linalg.vector_norm(tensors, dim=dimensions, keepdim=True)
    return torch.where(norms > 0, norms, 1.0)


def normalised(gradients: torch.Tensor) -> torch.Tensor:
    """Return gradients scaled to norm 1, where the norm is taken over all factors of a run."""
    return gradients / _norms(gradients, (1, 2, 3))


def polar(gradients: torch.Tensor) -> torch.Tensor:
    """Return the polar factor WVᵀ of every gradient WSVᵀ: singular values become 1, or 0 if they are mere rounding.

    Gradients that are not finite give 0, because LAPACK refuses them; the factors of such a run are no longer finite.
    """
    finite = torch.isfinite(gradients).all(dim=(2, 3), keepdim=True)
    left, values, right = torch.linalg.svd(torch.where(finite, gradients, 0.0), full_matrices=False)
    rounding = max(gradients.shape[-2:]) * torch.finfo(gradients.dtype).eps * values[..., :1]
    return (left * (values > rounding)[..., None, :]) @ right


def newton_schulz(gradients: torch.Tensor) -> torch.Tensor:
    """Return Muon's approximation of the polar factor: five rounds of an odd polynomial of degree 5, without an SVD."""
    first, third, fifth = QUINTIC
    x = gradients / (torch.linalg.matrix_norm(gradients, keepdim=True) + MUON_EPSILON)
    for _ in range(ROUNDS):
        square = x.mT @ x
        x = first * x + x @ (third * square + fifth * square @ square)
    return x


def whitened(gradients: torch.Tensor, covariances: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Return (C^{1/2} + εI)⁻¹G, one-sided Shampoo, for every gradient G and its covariance C (B, N, d, d)."""
    flat = covariances.flatten(0, 1)
    added = epsilon.expand(*covariances.shape[:2], 1, 1).reshape(-1, 1)
    inverse = spectral(flat, lambda values: 1 / (values.clamp(min=0).sqrt() + added))
    return inverse.view_as(covariances) @ gradients


# The geometries that keep no memory.
GEOMETRIES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "descent": lambda gradients: gradients,
    "normalised": normalised,
    "sign": torch.sign,
    "polar": polar,
    "newton_schulz": newton_schulz,
}


def square(factors: torch.Tensor) -> torch.Tensor:
    """Return X = UUᵀ."""
    return factors[:, 0] @ factors[:, 0].mT


def difference(factors: torch.Tensor) -> torch.Tensor:
    """Return X = UUᵀ − VVᵀ."""
    return square(factors) - square(factors[:, 1:])


def product(factors: torch.Tensor) -> torch.Tensor:
    """Return the symmetric part of X = F₁F₂⋯F_Nᵀ; only the first k rows of the factors between the ends are used."""
    width = factors.shape[-1]
    x = factors[:, 0]
    for number in range(1, factors.shape[1] - 1):
        x = x @ factors[:, number, :width]
    x = x @ factors[:, -1].mT
    return (x + x.mT) / 2


# Maps from factors to X, and the share of the gradient that gives a step in the paper's form: where a factor occurs
# twice, M·U instead of 2M·U.
PARAMETRISATIONS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "square": (square, 0.5),
    "difference": (difference, 0.5),
    "product": (product, 1.0),
}


def pulled(name: str, factors: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the gradient in a parametrisation's factors, such as M·U for UUᵀ, from the gradient M in X (B, d, d)."""
    of_factors, share = PARAMETRISATIONS[name]
    with torch.enable_grad():
        leaves = factors.detach().requires_grad_()
        (found,) = torch.autograd.grad(of_factors(leaves), leaves, gradients)
    return share * found
