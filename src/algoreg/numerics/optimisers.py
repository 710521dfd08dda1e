"""What optimisers make of a gradient before it is multiplied by a step size, and maps from factors to X.

Factors and gradients have the shape (B, N, d, k): N factors of every run. A geometry maps gradients to directions: the
steepest ones in some norm, or, with a memory of the past, what Adam and Shampoo make of them.
"""

from collections.abc import Callable

import torch

from algoreg.numerics.eigen import spectral

# Of Muon's Newton–Schulz iteration s ← as + bs³ + cs⁵ of singular values: five take all but the smallest to 0.7 … 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
# What Muon adds to the norm by which it divides.
MUON_EPSILON = 1e-7


def _norms(tensors, dimensions):
    """Return Frobenius norms, 1 in place of 0, so that what is 0 stays so where it is divided by them."""
    norms = torch.linalg.vector_norm(tensors, dim=dimensions, keepdim=True)
    return torch.where(norms > 0, norms, 1.0)


def normalised(gradients: torch.Tensor) -> torch.Tensor:
    """Return gradients of norm 1, taken over all factors of a run."""
    return gradients / _norms(gradients, (1, 2, 3))


def polar(gradients: torch.Tensor) -> torch.Tensor:
    """Return the polar factor WVᵀ of every gradient WSVᵀ: its singular values become 1, those that are rounding 0.

    Gradients that are not finite give 0: LAPACK refuses them, and the factors of such a run are no longer finite.
    """
    finite = torch.isfinite(gradients).all(dim=(2, 3), keepdim=True)
    left, values, right = torch.linalg.svd(torch.where(finite, gradients, 0.0), full_matrices=False)
    rounding = max(gradients.shape[-2:]) * torch.finfo(gradients.dtype).eps * values[..., :1]
    return (left * (values > rounding)[..., None, :]) @ right


def newton_schulz(gradients: torch.Tensor) -> torch.Tensor:
    """Return what Muon takes for the polar factor: five rounds of an odd polynomial of degree 5, without an SVD."""
    first, third, fifth = QUINTIC
    x = gradients / (torch.linalg.matrix_norm(gradients, keepdim=True) + MUON_EPSILON)
    for _ in range(ROUNDS):
        square = x.mT @ x
        x = first * x + x @ (third * square + fifth * square @ square)
    return x


def whitened(gradients: torch.Tensor, covariances: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Return (C^{1/2} + εI)⁻¹G of every gradient and its covariance C (B, N, d, d): one-sided Shampoo."""
    flat = covariances.flatten(0, 1)
    added = epsilon.expand(*covariances.shape[:2], 1, 1).reshape(-1, 1)
    inverse = spectral(flat, lambda values: 1 / (values.clamp(min=0).sqrt() + added))
    return inverse.view_as(covariances) @ gradients


# Geometries without a memory of their own.
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
    """Return the symmetric part of X = F₁F₂⋯F_Nᵀ; all but the first and the last factor are their first k rows."""
    width = factors.shape[-1]
    x = factors[:, 0]
    for number in range(1, factors.shape[1] - 1):
        x = x @ factors[:, number, :width]
    x = x @ factors[:, -1].mT
    return (x + x.mT) / 2


# Maps from factors to X, and the share of the gradient that is the step of the paper's form: M·U and not 2M·U where a
# factor stands twice.
PARAMETRISATIONS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "square": (square, 0.5),
    "difference": (difference, 0.5),
    "product": (product, 1.0),
}


def pulled(name: str, factors: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the gradient in the factors of a parametrisation, by that in X, (B, d, d): M·U of UUᵀ."""
    of_factors, share = PARAMETRISATIONS[name]
    with torch.enable_grad():
        leaves = factors.detach().requires_grad_()
        (found,) = torch.autograd.grad(of_factors(leaves), leaves, gradients)
    return share * found
