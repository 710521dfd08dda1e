"""Gaps of a table filled by a matrix of low rank."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from algoreg.recover.completion import MatrixCompleter

# A column whose spread is below this share of its size counts as constant.
CONSTANT = 1e-10
# Number of rows that are filled together: the memory for them grows as rows times the rank's square.
BLOCK_ROWS = 1024


class LowRankImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill the gaps (NaN) of a table by :class:`algoreg.recover.MatrixCompleter`; the rank need not be known.

    Columns are standardised. The factors of the completed table describe how columns vary together: a row is z = Rl + ε
    with l ~ N(0, C) and ε ~ N(0, σ²). A gap is filled with its mean given the row's known numbers, which also works for
    new rows; a row without any number gets the columns' means.

    Parameters
    ----------
    hold_out, folds, max_iter, random_state
        See :class:`algoreg.recover.LowRankMatrixRegressor`.

    Attributes
    ----------
    mean_, scale_ : numpy.ndarray, shape (p,)
        Mean and standard deviation of each column's known numbers; the scale of a constant column is 1.
    loadings_ : numpy.ndarray, shape (p, r)
        R, whose number of columns is the rank that was found.
    score_variance_ : numpy.ndarray, shape (r,)
        The diagonal of C.
    noise_variance_ : float
        σ², from the held-out error, or from the training error if nothing is held out.
    n_iter_ : int
    """

    def __init__(self, *, hold_out: float = 0.1, folds: int = 5, max_iter: int = 3000, random_state: Any = 0) -> None:
        self.hold_out, self.folds, self.max_iter, self.random_state = hold_out, folds, max_iter, random_state

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: gaps are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn how the columns of a table, shape (n, p), vary together.

        Raises
        ------
        ValueError
            If a column has no number, or numbers are infinite.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        known = ~np.isnan(X)
        if not known.any(axis=0).all():
            empty = np.flatnonzero(~known.any(axis=0))
            names = getattr(self, "feature_names_in_", np.arange(X.shape[1]))
            raise ValueError(f"X: column {names[empty[0]]} has no number; {len(empty)} of {X.shape[1]} have none")
        self.mean_ = np.nanmean(X, axis=0)
        spread, size = np.nanstd(X, axis=0), np.nanmax(np.abs(X), axis=0)
        self.scale_ = np.where(spread > CONSTANT * size, spread, 1.0)
        positions = np.argwhere(known)
        values = ((X - self.mean_) / self.scale_)[known]
        self.loadings_, self.score_variance_ = np.zeros((X.shape[1], 0)), np.zeros(0)
        self.noise_variance_, self.n_iter_ = float(np.mean(values**2)), 1
        if np.abs(values).max() > CONSTANT:
            options = {name: getattr(self, name) for name in ("hold_out", "folds", "max_iter", "random_state")}
            found = MatrixCompleter(shape=X.shape, center=False, biases=False, **options).fit(positions, values)
            self.loadings_, self.n_iter_ = found.factors_[1], found.n_iter_
            self.score_variance_ = np.square(found.factors_[0]).sum(axis=0) / len(X)
            error = found.path_.get("holdout_error", found.path_["train_error"])[-1]
            self.noise_variance_ *= float(error) ** 2
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the table with its gaps filled; known numbers are not changed."""
        check_is_fitted(self, "loadings_")
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", copy=True)
        for start in range(0, len(X), BLOCK_ROWS):
            block = X[start : start + BLOCK_ROWS]
            gaps = np.isnan(block)
            block[gaps] = (self.mean_ + self.scale_ * self._standardized(block, ~gaps))[gaps]
        return X

    def _standardized(self, rows: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the expected rows given their known numbers, in standardised columns."""
        rank = self.loadings_.shape[1]
        if not rank:
            return np.zeros(rows.shape)
        z = np.where(known, (rows - self.mean_) / self.scale_, 0)
        squares = (self.loadings_[:, :, None] * self.loadings_[:, None, :]).reshape(len(self.loadings_), -1)
        # In units of the scores' spread, which avoids dividing by a variance.
        root = np.sqrt(self.score_variance_)
        normal = (known.astype(float) @ squares).reshape(-1, rank, rank) * root[:, None] * root
        least = np.finfo(float).eps * np.square(self.loadings_ * root).sum()
        normal += max(self.noise_variance_, least) * np.eye(rank)
        scores = root * np.linalg.solve(normal, ((z @ self.loadings_) * root)[:, :, None])[:, :, 0]
        return scores @ self.loadings_.T
