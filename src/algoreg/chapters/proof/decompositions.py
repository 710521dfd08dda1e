"""How the proofs split an iterate into signal and error [LMZ18, Sections 3 and 4]."""

import torch

from algoreg.numerics.diagnostics import spectral_norm


def rank_one_split(factors, directions):
    """Return r = Uᵀu and E = (I − uuᵀ)U, so that U = u rᵀ + E [LMZ18, Section 3].

    Parameters
    ----------
    factors : torch.Tensor, shape (B, d, k)
    directions : torch.Tensor, shape (B, d, 1)
        Unit vectors u.

    Returns
    -------
    tuple of torch.Tensor, shapes (B, k) and (B, d, k)

    Raises
    ------
    ValueError
        If the target has another rank than one, or an iterate is not finite (its run diverged).
    """
    if directions.shape[-1] != 1:
        raise ValueError(f"a rank-one split of a target of rank {directions.shape[-1]}: track its subspace instead")
    _refuse_diverged(factors)
    signal = (directions.mT @ factors)[:, 0]
    return signal, factors - directions * signal[:, None]


def _refuse_diverged(factors):
    if not torch.isfinite(factors).all():
        raise ValueError("an iterate is not finite: a diverged run has no decomposition")


class SignalSubspace:
    """The subspace S_t = (I − ηM_{t−1})S_{t−1}, S_0 = span(U*), along runs, and the splits U_t = Z_t + E_t by it.

    [LMZ18, Section 4]. The basis is made orthonormal at each step, which does not change its span.

    Parameters
    ----------
    basis : torch.Tensor, shape (B, d, r)
        Columns that span S_0.
    """

    def __init__(self, basis):
        self.basis = torch.linalg.qr(basis)[0]

    @classmethod
    def of(cls, basis):
        """Return the subspace of a basis that is orthonormal already."""
        subspace = cls.__new__(cls)
        subspace.basis = basis
        return subspace

    def advance(self, matrices, step):
        """Take a step: S ← (I − ηM)S, with M of shape (B, d, d)."""
        self.basis = torch.linalg.qr(self.basis - step * (matrices @ self.basis))[0]

    def split(self, factors):
        """Return QᵀU, the signal Z = QQᵀU in the basis Q of S, and the error E = U − Z.

        Returns
        -------
        tuple of torch.Tensor, shapes (B, r, k) and (B, d, k)

        Raises
        ------
        ValueError
            If an iterate is not finite.
        """
        _refuse_diverged(factors)
        inner = self.basis.mT @ factors
        return inner, factors - self.basis @ inner

    def largest_sine(self, frame):
        """Return the sine of the largest principal angle between S and the span of an orthonormal frame (B, d, r).

        From the part of S outside that span, not from √(1 − cos²), which loses half the digits of a small angle.
        """
        return spectral_norm(self.basis - frame @ (frame.mT @ self.basis))
