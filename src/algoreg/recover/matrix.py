"""A low-rank matrix from linear measurements, y ≈ ⟨A, M⟩, or y ≈ xᵀMz."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from algoreg.recover.base import MatrixEstimator, checked_weights, refuse_complex_or_masked, two_sizes, unit_labels
from algoreg.recover.fitting import recover
from algoreg.recover.measurements import Matrices, Vectors
from algoreg.recover.plan import refuse_unlisted

KINDS = ("psd", "symmetric", "rectangular")


def most_square(features: int) -> tuple[int, int]:
    """Return (d1, d2) with d1·d2 = features, d1 ≤ d2, as near to each other as possible."""
    rows = next(rows for rows in range(int(features**0.5), 0, -1) if features % rows == 0)
    return rows, features // rows


@dataclass(eq=False, repr=False)
class LowRankMatrixRegressor(MatrixEstimator):
    """Recover M from observations y ≈ ⟨A, M⟩ by factored gradient descent of full width; the rank need not be known.

    Parameters
    ----------
    kind : {"psd", "symmetric", "rectangular"}
        What M is: positive semidefinite, symmetric of any sign, or any matrix.
    shape : (int, int), optional
        Shape of M, if X has a row of numbers per measurement; by default the most square one.
    vectors : bool
        Whether X has vectors instead of matrices: a row x measures xᵀMx, and a row (x, z) of d1 + d2 numbers measures
        xᵀMz. ``shape`` decides between the two; a rectangular M needs pairs. No matrix xzᵀ is formed.
    method : str
        An algorithm of the package whose estimates are of the kind; "auto" is ``factored``, and ``signed`` for
        symmetric matrices.
    method_options : dict, optional
        Further options of the algorithm, and prior knowledge that it needs. A trace, θ and τ are in the units of M (for
        a rectangular M the trace is the nuclear norm), a truncation in those of y; all others are in those of
        ``alpha``.
    alpha : float or "auto"
        Size of the initialisation, U_0 = αI in units in which the largest eigenvalue of (1/m) Σ y_i A_i is 1. "auto"
        compares 0.1, 0.01, 0.001 and 1e-6 by the held-out error; if nothing is held out, it is 1e-6.
    stop : {"auto", "hold-out", "folds", "noise", "budget"}
        Which iterate is kept. "hold-out": the one with the least error on held-out measurements. "folds": all
        measurements are fitted for the number of iterations that was best on average over the folds. "noise": the first
        iterate whose residual is at most σ√(1 − df/m), what a fit of its effective rank leaves of the noise. "budget":
        the last. "auto" is "noise" if ``noise`` is given, else "hold-out" if at least 30 measurements are held out,
        else "folds"; with fewer measurements than twice the folds it is "budget", with a warning.
    noise : float, optional
        Standard deviation of the noise in y; the root mean square if it differs between measurements.
    hold_out : float
        Share of the measurements to hold out.
    folds : int
    max_iter : int
    tol : float
        Relative error at which a fit ends early.
    step : float, optional
        η in the units of ``alpha``; by default half of the largest stable step, estimated by power iterations, and
        halved if errors rise.
    dtype : {"float64", "float32"}
    device : {"cpu", "cuda", "auto"}
    random_state : int, RandomState or None
        Decides which measurements are held out.
    verbose : bool or callable
        Whether to print progress, or a function that is called with each line.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (d1, d2)
    factors_ : tuple of numpy.ndarray
        (V, W) with M = VVᵀ − WWᵀ, or (L, R) with M = LRᵀ for a rectangular M; one column per eigenvalue.
    eigenvalues_ : numpy.ndarray
        The largest in absolute value first; singular values for a rectangular M.
    effective_rank_ : float
        exp(entropy) of the absolute eigenvalues divided by their sum.
    path_ : dict
        ``iteration``, ``train_error``, ``holdout_error``, ``eigenvalues``, ``effective_rank`` by snapshot; the last two
        are NaN at most snapshots where the matrix is larger than 200.
    n_iter_, alpha_, step_, stop_, method_
        The iterations, initialisation, step, stop and method that were chosen.
    rank_test_ : dict or None
        If ``noise`` is given: χ² of the best fit within the r leading directions, for r = 1, 2, …, its degrees of
        freedom and p-value, and the least rank ``accepted`` at 5 %. The noise is assumed to be normal, so outliers make
        p-values too small; the directions are treated as known, which makes p-values too large. None with ``vectors``,
        because the test often rejects the true rank there.
    warnings_ : list of str
        The warnings issued; docs/use_it_on_your_data.md explains each of them.
    """

    kind: str = "psd"
    shape: tuple[int, int] | None = None
    _: KW_ONLY
    vectors: bool = False
    alpha: float | str = 1e-3
    max_iter: int = 5000

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: its checks assume a linear function of a row, which xᵀMz is not."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.vectors
        tags.input_tags.three_d_array = not self.vectors
        return tags

    def _table(self, X: Any) -> tuple[Any, tuple[int, int] | None]:
        """Return X with a row per measurement, and the shape of M if X determines it, else None."""
        refuse_complex_or_masked(X=X)
        if getattr(X, "ndim", 2) != 3 and not (isinstance(X, list | tuple) and np.ndim(X) == 3):
            return X, None
        if self.vectors:
            raise ValueError(f"vectors = True: X has shape {np.shape(X)}; allowed is a row of numbers per measurement")
        X = check_array(X, allow_nd=True, dtype=(np.float64, np.float32), ensure_min_samples=0, input_name="X")
        if 0 in X.shape:
            raise ValueError(f"X has shape {X.shape}: at least one measurement of a non-empty matrix is needed")
        return X.reshape(len(X), -1), X.shape[1:]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit M.

        Parameters
        ----------
        X : array, shape (m, d1, d2) or (m, d1·d2)
            The measurement matrices, in the second case row by row. A symmetric M is measured by (A + Aᵀ)/2 alone. With
            ``vectors``, the vectors, shape (m, d) or (m, d1 + d2).
        y : array, shape (m,)
        sample_weight : array, shape (m,), optional
            Weights of the squared residuals; ``noise`` is then that of an observation of mean weight.

        Returns
        -------
        LowRankMatrixRegressor

        Raises
        ------
        ValueError
            If numbers are not finite, shapes disagree, all observations are 0, or a parameter is not allowed.
        """
        refuse_unlisted("kind", self.kind, KINDS)
        X, shape = self._table(X)
        refuse_complex_or_masked(y=y)
        X, y = validate_data(self, X, y, y_numeric=True, dtype=(np.float64, np.float32), ensure_min_samples=2)
        y = y.astype(np.float64)
        shape = self._shape(shape, X.shape[1])
        device, dtype, seed = self._prepare()
        design: Matrices | Vectors = (Vectors if self.vectors else Matrices)(X, shape)
        numbers = design.numbers(self.kind == "rectangular", sample_weight is not None)
        d = sum(shape) if self.kind == "rectangular" else shape[0]
        self._refuse_beyond_memory(f"X: {len(y)} measurements of a {shape[0]} × {shape[1]} matrix", d, numbers)
        weights, labels = checked_weights(sample_weight, len(y)), y
        if sample_weight is not None:
            design, y = design.weighted(np.sqrt(weights)), y * np.sqrt(weights)
        unit = unit_labels(y)
        ensemble, scale = design.ensemble(self.kind == "rectangular", device, dtype)
        noise = None if self.noise is None else self.noise / unit
        rows = shape[0] if self.kind == "rectangular" else None
        # Products of two very small vectors underflow to 0.
        size = unit / scale if scale else np.inf
        units = {"trace_unit": size / (2 if rows else 1), "label_unit": unit}
        fitted = recover(ensemble, y / unit, self._plan(self.kind, seed, noise, rows=rows, **units))
        matrix = fitted.matrix if rows is None else fitted.matrix[:rows, rows:]
        self._keep(fitted, self.kind, matrix * size, size)
        # For xᵀMz the estimated directions are too far from the true ones: the test often rejects the true rank.
        noise = None if self.vectors else self.noise
        self._test_ranks(design.between, y, noise, self.kind != "rectangular")
        self._warn(self.kind, len(y), self.matrix_.shape)
        self._remember(X, labels, weights, self.kind, self.matrix_.shape)
        return self

    def _shape(self, given: tuple[int, int] | None, features: int) -> tuple[int, int]:
        """Return the shape of M, from that of three-dimensional X, the parameter, or the number of features."""
        if self.vectors:
            return self._shape_by_vectors(features)
        parameter = None if self.shape is None else two_sizes(self.shape)
        if given and parameter not in (None, given):
            raise ValueError(f"shape = {parameter}: X has matrices of shape {given}")
        shape = given or parameter or most_square(features)
        if shape[0] * shape[1] != features:
            raise ValueError(f"shape = {shape}: X has {features} numbers per measurement, not {shape[0] * shape[1]}")
        if self.kind != "rectangular" and shape[0] != shape[1]:
            raise ValueError(
                f"kind = {self.kind}: X has {features} features, {shape[0]} × {shape[1]}; a {self.kind} matrix has d·d. "
                f"{'Use' if given or parameter else 'Give the shape and'} kind = rectangular"
            )
        return shape

    def _shape_by_vectors(self, features: int) -> tuple[int, int]:
        """Return the shape of M if X has vectors, or pairs of them, with so many numbers in a row."""
        if self.shape is None and self.kind == "rectangular":
            raise ValueError(
                f"kind = rectangular: give the shape (d1, d2) of M; X has d1 + d2 = {features} numbers a row"
            )
        shape = (features, features) if self.shape is None else two_sizes(self.shape)
        if self.kind != "rectangular" and shape[0] != shape[1]:
            raise ValueError(f"shape = {shape}: a {self.kind} matrix is square; any other is kind = rectangular")
        single = f"{shape[0]} (x) or " if self.kind != "rectangular" else ""
        if features != sum(shape) and not (single and features == shape[0]):
            raise ValueError(
                f"shape = {shape}: X has {features} numbers a row; allowed are {single}{sum(shape)} (x and z)"
            )
        return shape

    def _fitted(self) -> np.ndarray:
        return (Vectors if self.vectors else Matrices)(self._training[0], self.matrix_.shape).measure(self.matrix_)

    def _again(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Self:
        return super()._again(X if self.vectors else X.reshape(-1, *self.matrix_.shape), y, weights)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return ⟨A, M⟩, or xᵀMz, for new measurements, shape (m,).

        Parameters
        ----------
        X : array
            As in ``fit``.
        return_std : bool
            Whether to return standard errors of the predictions too, by the bootstrap of :meth:`replicas`.

        Raises
        ------
        ValueError
            If the matrices are not of the shape of M.
        """
        check_is_fitted(self, "matrix_")
        X, shape = self._table(X)
        if shape not in (None, self.matrix_.shape):
            raise ValueError(f"X has matrices of shape {shape}, but M has shape {self.matrix_.shape}")
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        found = (Vectors if self.vectors else Matrices)(X, self.matrix_.shape).measure(self.matrix_)
        return self._with_spread(X, found, return_std)
