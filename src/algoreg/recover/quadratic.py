"""A quadratic function of a table's columns, as a quadratic network of full width [LMZ18, Appendix A]."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from algoreg.recover.base import (
    MatrixEstimator,
    checked_weights,
    refuse_complex_or_masked,
    refuse_constant,
    refuse_units,
    root_mean_square,
    unit_labels,
)
from algoreg.recover.fitting import recover
from algoreg.recover.measurements import products
from algoreg.recover.plan import refuse_unlisted

KINDS = ("symmetric", "psd")
# Number of rows that a prediction handles together.
BLOCK_ROWS = 4096
# Matrices of Z's size that are computed from a fit in the span of the rows.
MATRICES = 8


@dataclass(eq=False, repr=False)
class QuadraticRegressor(MatrixEstimator):
    """Fit y ≈ xᵀMx + wᵀx + c as ⟨x̃x̃ᵀ, Z⟩ with x̃ = (1, x), by factored descent of full width.

    The rank of Z need not be known. The columns of x and the labels are standardised first. The (p + 1)(p + 2)/2
    products of columns are not stored; if there are many more rows than products, their Gram matrix is.

    Parameters
    ----------
    kind : {"symmetric", "psd"}
        What Z is. A psd Z is a network with positive output weights: labels may not be negative, and are not centred.
    standardize : bool
        Whether to scale the columns to mean 0 and variance 1.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (p, p)
        M, in the units of X and y.
    coef_ : numpy.ndarray, shape (p,)
        w.
    intercept_ : float
        c.
    network_ : numpy.ndarray, shape (p + 1, p + 1)
        Z: M, w and c in standardised columns and labels. ``factors_``, ``eigenvalues_`` and ``path_`` are of Z.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.
    """

    kind: str = "symmetric"
    standardize: bool = True

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit M, w and c.

        Parameters
        ----------
        X : array, shape (n, p)
        y : array, shape (n,)
        sample_weight : array, shape (n,), optional
            Weights of the squared residuals; ``noise`` is then that of a label of mean weight.

        Returns
        -------
        QuadraticRegressor

        Raises
        ------
        ValueError
            If numbers are not finite, shapes disagree, all labels are equal, a label is negative for a psd network, or
            a parameter is not allowed.
        """
        refuse_unlisted("kind", self.kind, KINDS)
        refuse_complex_or_masked(X=X, y=y)
        X, y = validate_data(self, X, y, y_numeric=True, dtype=(np.float64, np.float32), ensure_min_samples=2)
        y = y.astype(np.float64)
        if self.kind == "psd" and y.min() < 0:
            raise ValueError(
                f"y: label {y.min():.6g} is negative, and a psd network outputs none; use kind = symmetric"
            )
        device, dtype, seed = self._prepare()
        numbers = 7 * X.size + MATRICES * (X.shape[1] + 1) ** 2
        descends = min(len(y), X.shape[1] + 1)
        self._refuse_beyond_memory(f"X: {len(y)} rows of {X.shape[1]} columns", descends, numbers)
        unit_labels(y)
        refuse_constant(y)
        self._centre, self._unit = _mean_and_size(X, self.standardize)
        weights = checked_weights(sample_weight, len(y))
        roots = np.sqrt(weights)
        offset = float(np.average(y, weights=roots**2)) if self.kind == "symmetric" else 0.0
        size = unit_labels(y - offset)
        # With very large columns M may underflow to 0, but Z, which predicts, does not.
        refuse_units(max(1.0, size / float(self._unit.min()) / float(self._unit.min())))
        vectors = self._augmented(X)
        # One unit for all of x̃ brings the numbers to the scale for which steps and initialisations are made.
        unit = 1.0 if self.standardize else root_mean_square(vectors)
        np.divide(vectors, unit, out=vectors)
        vectors *= np.sqrt(roots)[:, None]
        basis = _span(vectors)
        ensemble = products(vectors @ basis, device, dtype)
        noise = None if self.noise is None else self.noise / size
        fitted = recover(ensemble, roots * (y - offset) / size, self._plan(self.kind, seed, noise, trace_unit=unit**-2))
        self._keep(fitted, self.kind, basis @ fitted.matrix @ basis.T * unit**-2, unit**-2)
        self.network_ = self.matrix_
        # See LowRankMatrixRegressor: there is no test for measurements by vectors.
        self.rank_test_ = None
        self._warn(self.kind, len(y), self.matrix_.shape)
        self._in_units_of_data(offset, size)
        self._remember(X, y, weights, self.kind, (X.shape[1] + 1,) * 2)
        return self

    def _drawn(self, rng: np.random.Generator) -> np.ndarray:
        y = super()._drawn(rng)
        return y if self.kind == "symmetric" else y.clip(min=0)

    def _augmented(self, X: np.ndarray) -> np.ndarray:
        """Return x̃ of every row: 1, then the standardised columns."""
        found = np.ones((len(X), X.shape[1] + 1))
        np.subtract(X, self._centre, out=found[:, 1:])
        found[:, 1:] /= self._unit
        return found

    def _in_units_of_data(self, offset: float, size: float) -> None:
        """Set M, w and c from Z: x̃ = T(1, x), so the matrix of (1, x) is TᵀZT."""
        p = len(self._centre)
        change = np.zeros((p + 1, p + 1))
        change[0, 0] = 1
        change[1:, 0], change[1:, 1:] = -self._centre / self._unit, np.diag(1 / self._unit)
        full = size * change.T @ self.network_ @ change
        self.matrix_, self.coef_ = full[1:, 1:], 2 * full[0, 1:]
        self.intercept_ = float(full[0, 0]) + offset
        self._label_offset, self._label_size = offset, size

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return xᵀMx + wᵀx + c of every row, shape (n,); with ``return_std`` also standard errors by the bootstrap."""
        check_is_fitted(self, "matrix_")
        refuse_complex_or_masked(X=X)
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        found = np.empty(len(X))
        # In standardised columns, because the terms of M, w and c may cancel.
        for start in range(0, len(X), BLOCK_ROWS):
            x = self._augmented(X[start : start + BLOCK_ROWS])
            found[start : start + BLOCK_ROWS] = np.einsum("ij,ij->i", x @ self.network_, x)
        return self._with_spread(X, found * self._label_size + self._label_offset, return_std)


def _span(vectors: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the rows' span, or the identity if there are at least as many rows as columns.

    M(t) = (1/m) Σ r_i x_i x_iᵀ lies in the span, so descent from αI never leaves it, apart from α²I. 60 rows of 500
    columns therefore need a fit of size 60 only.
    """
    rows, columns = vectors.shape
    return np.eye(columns) if rows >= columns else np.linalg.qr(vectors.T)[0]


def _mean_and_size(X: np.ndarray, standardize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of every column; the latter is 1 where a column is constant."""
    if not standardize:
        return np.zeros(X.shape[1]), np.ones(X.shape[1])
    largest = np.abs(X).max(axis=0)
    largest = np.where(largest > 0, largest, 1).astype(np.float64)
    mean = (X / largest).mean(axis=0) * largest
    size = np.sqrt(np.mean(np.square((X - mean) / largest), axis=0)) * largest
    return mean, np.where(size > 1e-10 * largest, size, 1.0)
