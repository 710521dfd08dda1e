"""A low-rank matrix from some of its entries."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from algoreg.recover import growing
from algoreg.recover.base import (
    MatrixEstimator,
    checked_weights,
    refuse_complex_or_masked,
    refuse_constant,
    root_mean_square,
    two_sizes,
    unit_labels,
)
from algoreg.recover.fitting import recover
from algoreg.recover.io.refusals import refuse_beyond_memory, refuse_repeated
from algoreg.recover.measurements import Entries
from algoreg.recover.plan import refuse_unlisted
from algoreg.recover.watching import entropy

KINDS = ("rectangular", "symmetric", "psd")
IDS = ("auto", "positions", "names")
# Initial size of a new direction, relative to the residual's largest singular value; power iterations that estimate it.
NEW_DIRECTION, POWER_ROUNDS = 0.1, 15
# A bias is shrunk as if its row or column had so many more entries equal to the mean; held-out entries decide.
DAMPINGS, BIAS_ROUNDS = (0.5, 2.0, 8.0, 32.0), 10
# Biases are kept if they lower the held-out error by this share; with fewer than SMALL entries five folds decide.
BIASES_LOWER_BY, SMALL = 0.02, 1000
NO_DIRECTION = (
    "no direction predicts held-out entries better than their mean, so the mean was fitted; use more entries, unless "
    "they are noise alone"
)
# Numbers that L-BFGS keeps for a row or column at a usual rank, and numbers kept for an entry.
KEPT_NUMBERS, NUMBERS_OF_AN_ENTRY = 25 * 10, 16


class EntriesModel(growing.Model):
    """A model of entries, μ + b_i + c_j + (LRᵀ)_ij, with the parameters L, R, and with biases b and c.

    Parameters
    ----------
    positions : numpy.ndarray of int, shape (m, 2)
    y : numpy.ndarray, shape (m,)
        The entries, from which the mean μ was subtracted.
    weights : numpy.ndarray, shape (m,)
    shape : (int, int)
    damping : float or None
        The initial bias of a row or column is shrunk as if by so many further entries of 0; None without biases.
    """

    def __init__(
        self,
        positions: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        shape: tuple[int, int],
        damping: float | None,
    ) -> None:
        # Sorted by rows, the order in which a sparse matrix stores its residuals.
        order = np.lexsort(positions.T[::-1])
        self.rows, self.columns = positions[order].T
        self.y, self.weights, self.shape, self.damping = y[order], weights[order], shape, damping
        self.m, self.size, self.largest_rank = len(y), root_mean_square(y * np.sqrt(weights)), min(shape)
        ends = np.append(0, np.cumsum(np.bincount(self.rows, minlength=shape[0])))
        self._sparse = sparse.csr_array((np.zeros(self.m), self.columns, ends), shape=shape)

    def start(self) -> np.ndarray:
        """Return the parameters of rank 0, which are the biases."""
        if self.damping is None:
            return np.zeros(0)
        return np.concatenate(damped_means(self.rows, self.columns, self.y, self.weights, self.shape, self.damping))

    def parts(self, x: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return L, R, b and c; b and c are 0 in a model without biases."""
        first, second = self.shape
        ends = np.cumsum([first * rank, second * rank])
        left, right, biases = np.split(x, ends)
        biases = biases if len(biases) else np.zeros(first + second)
        return left.reshape(first, rank), right.reshape(second, rank), biases[:first], biases[first:]

    def _residual(self, x: np.ndarray, rank: int) -> np.ndarray:
        left, right, row, column = self.parts(x, rank)
        return predicted(self.rows, self.columns, left, right, row, column) - self.y

    def loss(self, x: np.ndarray, rank: int) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient; see :class:`algoreg.recover.growing.Model`."""
        left, right, _, _ = self.parts(x, rank)
        residual = self._residual(x, rank)
        weighted = self.weights * residual / self.m
        self._sparse.data = weighted
        gradient = [(self._sparse @ right).ravel(), (self._sparse.T @ left).ravel()]
        if self.damping is not None:
            gradient.append(np.bincount(self.rows, weighted, self.shape[0]))
            gradient.append(np.bincount(self.columns, weighted, self.shape[1]))
        return float(residual @ weighted) / 2, np.concatenate(gradient)

    def mean_square(self, x: np.ndarray, rank: int) -> float:
        """Return the weighted mean of the squared residuals."""
        return float(np.mean(self.weights * np.square(self._residual(x, rank))))

    def widened(self, x: np.ndarray, rank: int, variant: int) -> np.ndarray:
        """Return parameters with a further direction: the residual's leading singular vectors, by power iterations."""
        left, right, _, _ = self.parts(x, rank)
        self._sparse.data = -self.weights * self._residual(x, rank)
        v = np.random.default_rng(rank).standard_normal(self.shape[1])
        for _ in range(POWER_ROUNDS):
            u = self._sparse @ (v / (np.linalg.norm(v) or 1.0))
            v = self._sparse.T @ (u / (np.linalg.norm(u) or 1.0))
        value = np.linalg.norm(v)
        # If a share of the entries is known, the residual's singular values are about that share of the full
        # residual's.
        root = np.sqrt(NEW_DIRECTION * value * self.shape[0] * self.shape[1] / self.m)
        u, v = u / (np.linalg.norm(u) or 1.0), v / (value or 1.0)
        factors = [np.column_stack([left, root * u]).ravel(), np.column_stack([right, root * v]).ravel()]
        return np.concatenate([*factors, x[(self.shape[0] + self.shape[1]) * rank :]])

    def degrees_of_freedom(self, rank: int, variant: int) -> int:
        """Return the degrees of freedom of a matrix of a rank, the biases and the mean."""
        biases = 0 if self.damping is None else sum(self.shape) - 1
        return min(rank * (sum(self.shape) - rank) + biases + 1, self.shape[0] * self.shape[1])

    def values(self, x: np.ndarray, rank: int) -> np.ndarray:
        """Return the singular values of LRᵀ, the largest first."""
        left, right, _, _ = self.parts(x, rank)
        return balanced(left, right)[2] if rank else np.zeros(0)


def predicted(
    rows: np.ndarray,
    columns: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    row_bias: np.ndarray,
    column_bias: np.ndarray,
) -> np.ndarray:
    """Return b_i + c_j + (LRᵀ)_ij at positions."""
    found = row_bias.take(rows) + column_bias.take(columns)
    # Taking one column of L and R at a time is far faster than gathering their short rows.
    for left_column, right_column in zip(left.T, right.T, strict=True):
        found += left_column.take(rows) * right_column.take(columns)
    return found


def damped_means(
    rows: np.ndarray,
    columns: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    shape: tuple[int, int],
    damping: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return biases of rows and columns: means of what the others leave, with ``damping`` further entries of 0."""
    row, column = np.zeros(shape[0]), np.zeros(shape[1])
    of_rows, of_columns = np.bincount(rows, weights, shape[0]), np.bincount(columns, weights, shape[1])
    for _ in range(BIAS_ROUNDS):
        row = np.bincount(rows, weights * (y - column[columns]), shape[0]) / (of_rows + damping)
        column = np.bincount(columns, weights * (y - row[rows]), shape[1]) / (of_columns + damping)
    return row, column


def chosen_damping(
    positions: np.ndarray, y: np.ndarray, weights: np.ndarray, shape: tuple[int, int], seed: int
) -> float | None:
    """Return the damping whose biases predict held-out entries best; None if they are hardly better than the mean."""
    order = np.random.default_rng(seed).permutation(len(y))
    parts = np.array_split(order, 5) if len(y) < SMALL else [order[: len(y) // 10]]
    errors = np.zeros(len(DAMPINGS) + 1)
    for held in parts:
        seen = np.ones(len(y), bool)
        seen[held] = False
        if not seen.any() or not len(held):
            continue
        mean, (rows, columns) = np.average(y[seen], weights=weights[seen] + 1e-300), positions.T
        errors[-1] += np.sum(weights[held] * np.square(y[held] - mean))
        for number, damping in enumerate(DAMPINGS):
            row, column = damped_means(rows[seen], columns[seen], y[seen] - mean, weights[seen], shape, damping)
            left = y[held] - mean - row[rows[held]] - column[columns[held]]
            errors[number] += np.sum(weights[held] * np.square(left))
    best = int(np.argmin(errors[:-1]))
    return DAMPINGS[best] if errors[best] < (1 - BIASES_LOWER_BY) ** 2 * errors[-1] else None


def balanced(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return factors of LRᵀ with orthogonal columns, of the same norms in both, and its singular values."""
    first, upper = np.linalg.qr(left)
    second, lower = np.linalg.qr(right)
    u, values, v = np.linalg.svd(upper @ lower.T)
    return first @ u * np.sqrt(values), second @ v.T * np.sqrt(values), values


@dataclass(eq=False, repr=False)
class MatrixCompleter(MatrixEstimator):
    """Complete a matrix from some of its entries; the rank need not be known.

    A rectangular matrix has entries μ + b_i + c_j + (LRᵀ)_ij. L and R grow by a column as long as this lowers the error
    on held-out entries (or until the residual is as small as the given noise). Only the known entries are read, and
    memory grows with their number and with the factors. Symmetric and psd matrices are fitted by descent of full width.

    Parameters
    ----------
    kind : {"rectangular", "symmetric", "psd"}
        What the matrix is. An entry of a symmetric matrix also determines its mirror image, which may be given too if
        it is equal.
    shape : (int, int), optional
        Shape of the matrix; by default it ends with the last row and column that have a known entry.
    center : bool
        Whether to subtract the mean of the known entries first; never done for a psd matrix.
    biases : bool
        Whether the method ``grown`` may fit biases of rows and columns. They are left out if they hardly predict
        held-out entries, and without ``center``.
    ids : {"auto", "positions", "names"}
        What X contains: rows and columns counted from 0, or their names. "auto" takes texts for names, unless all of
        them are numbers.
    method : str
        "auto" is ``grown`` for rectangular matrices. Any other algorithm of the kind descends at full width.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`. ``alpha``, ``step``, ``dtype`` and ``device`` apply to
        methods other than ``grown``.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (d1, d2)
        The completed matrix, computed on access. ``factors_`` and ``eigenvalues_`` describe it without mean and
        biases.
    mean_ : float
    row_bias_, column_bias_ : numpy.ndarray
        Zero if no biases were fitted.
    row_names_, column_names_ : numpy.ndarray or None
        The names of rows and columns, in order.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.
    """

    kind: str = "rectangular"
    shape: tuple[int, int] | None = None
    center: bool = True
    biases: bool = True
    ids: str = "auto"

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: X has positions or names, or contains the values itself (sparse, or with NaN)."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse, tags.input_tags.allow_nan, tags.input_tags.string = True, True, True
        tags.input_tags.positive_only, tags.target_tags.required = True, False
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Complete the matrix.

        Parameters
        ----------
        X : array or DataFrame, shape (m, 2); sparse matrix; or table, shape (d1, d2)
            Row and column of every known entry. Without y, a sparse matrix, whose stored entries are known, or a table
            with NaN for unknown entries.
        y : array, shape (m,), optional
        sample_weight : array, shape (m,), optional
            Weights of the known entries.

        Returns
        -------
        MatrixCompleter

        Raises
        ------
        ValueError
            If an entry appears twice or lies outside the shape, a value is not finite, all are 0 (or equal, if their
            mean is subtracted), weights are negative or all 0, or a parameter is not allowed.
        """
        refuse_unlisted("kind", self.kind, KINDS)
        refuse_unlisted("ids", self.ids, IDS)
        refuse_complex_or_masked(**({} if sparse.issparse(X) else {"X": X}), **({} if y is None else {"y": y}))
        positions, y, shape = self._entries(X, y)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
        check_consistent_length(positions, y)
        weights = checked_weights(sample_weight, len(y))
        shape = self._shape(positions, shape)
        refuse_repeated(positions, "X: ", (self.row_names_, self.column_names_))
        kept = np.arange(len(y))
        if self.kind != "rectangular":
            kept = _without_mirrors(positions, y, self.kind)
            positions, y, weights = positions[kept], y[kept], weights[kept]
        device, dtype, seed = self._prepare()
        unit_labels(y)
        self.mean_ = 0.0
        if self.center and self.kind != "psd":
            refuse_constant(y)
            self.mean_ = float(np.average(y, weights=weights))
        size = unit_labels(y - self.mean_)
        noise = None if self.noise is None else self.noise / size
        self.row_bias_, self.column_bias_ = np.zeros(shape[0]), np.zeros(shape[1])
        if self.method in ("auto", growing.NAME) and self.kind == "rectangular":
            self._fit_grown(positions, (y - self.mean_) / size, weights, shape, size, seed, noise)
        else:
            self._fit_descent(positions, (y - self.mean_) / size, weights, shape, size, noise, device, dtype, seed)
        self.held_out_ = kept[self.held_out_]
        self.warnings_ += _unknown(positions, shape, self.kind != "rectangular", (self.row_names_, self.column_names_))
        self._warn(self.kind, len(y), shape)
        self._remember(positions, y, weights, self.kind, shape, int(self.row_bias_.any()) * (sum(shape) - 1) + 1)
        return self

    def _entries(self, X: Any, y: Any) -> tuple[np.ndarray, Any, tuple[int, int] | None]:
        """Return positions, values, and the shape if X determines it, else None."""
        self.row_names_ = self.column_names_ = None
        if y is None:
            return self._known_entries(X)
        if sparse.issparse(X):
            raise ValueError("y: a sparse X holds the values already; leave y out")
        given = np.asarray(X)
        if given.ndim == 2 and given.shape[1] == 2 and self._has_names(given):
            found = [np.unique(given[:, side].astype(str), return_inverse=True) for side in (0, 1)]
            (self.row_names_, rows), (self.column_names_, columns) = found
            self.n_features_in_ = 2
            positions = np.stack([rows, columns], axis=1)
            return positions, y, (len(self.row_names_), len(self.column_names_))
        positions = _whole_positions(X)
        # Remembers a frame's column names, so that predict refuses another order.
        validate_data(self, X, skip_check_array=True)
        return positions, y, None

    def _has_names(self, given: np.ndarray) -> bool:
        return self.ids == "names" or (self.ids == "auto" and given.dtype.kind in "OUT" and not _are_numbers(given))

    def _known_entries(self, X: Any) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return positions and values of the known entries of a matrix with gaps, and its shape."""
        if sparse.issparse(X):
            found = sparse.coo_array(X)
            positions = np.stack([found.row, found.col], axis=1).astype(np.int64)
            values = found.data
        else:
            if hasattr(X, "iloc"):
                self.row_names_ = _unrepeated("row", X.index)
                self.column_names_ = _unrepeated("column", X.columns)
            found = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
            positions = np.argwhere(~np.isnan(found))
            values = found[tuple(positions.T)]
        if not len(values):
            raise ValueError("X: no entry is known")
        self.n_features_in_ = found.shape[1]
        return positions, values, found.shape

    def _fit_grown(
        self,
        positions: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        shape: tuple[int, int],
        size: float,
        seed: int,
        noise: float | None,
    ) -> None:
        """Fit factors that grow."""
        if self.device not in ("cpu", "auto") or self.dtype != "float64":
            raise ValueError(f"method = {growing.NAME}: it runs only on the cpu in float64; use method = factored")
        damping = None
        if self.biases and self.center:
            damping = chosen_damping(positions, y, weights, shape, seed)

        def build(indices: np.ndarray | None) -> EntriesModel:
            some = slice(None) if indices is None else indices
            return EntriesModel(positions[some], y[some], weights[some], shape, damping)

        self._damping = damping
        found = growing.grow(build, len(y), self._plan(self.kind, seed, noise, trace_unit=size))
        last = found.last
        self._stages = [(stage.rank, stage.variant, stage.iterations) for stage in found.stages[1:]]
        self._take(found.model, last.x, last.rank, size)
        self.alpha_ = self.step_ = None
        self.n_iter_, self.stop_, self.method_ = found.iterations_kept, found.stop, growing.NAME
        self.path_ = found.path()
        self.path_["eigenvalues"] = size * self.path_["eigenvalues"]
        self.held_out_, self.rank_test_, self.warnings_ = found.held, found.rank_test(noise), found.warnings
        self.__dict__.pop("_matrix", None)
        if not last.rank and damping is None and found.stop in ("hold-out", "folds"):
            self.warnings_.append(NO_DIRECTION)
        if found.stop == "noise" and not found.reached:
            left_over = np.sqrt(last.train) * size
            self.warnings_.append(
                f"no rank fits within the given noise: the residual at rank {last.rank} is {left_over:.3g}, and further directions lower it "
                "no more than noise would; the noise is larger, or the matrix is not of low rank"
            )

    def _take(self, model: EntriesModel, x: np.ndarray, rank: int, size: float) -> None:
        """Set factors, singular values and biases from a model's parameters."""
        left, right, row, column = model.parts(x, rank)
        left, right, values = balanced(left, right) if rank else (left, right, np.zeros(0))
        self.factors_ = (left * np.sqrt(size), right * np.sqrt(size))
        self.eigenvalues_, self.effective_rank_ = size * values, float(np.exp(entropy(values))) if rank else 0.0
        self.row_bias_, self.column_bias_ = size * row, size * column

    def _again(self, positions: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Self:
        again = copy.copy(self)
        if self.method_ != growing.NAME:
            kept = {"shape": self.matrix_.shape, "ids": "positions", "method": self.method_, "alpha": self.alpha_}
            refit = clone(self).set_params(**kept, max_iter=self.n_iter_, stop="budget", verbose=False)
            again.matrix_ = refit.fit(positions, y, sample_weight=weights).matrix_
            return again
        shape = len(self.row_bias_), len(self.column_bias_)
        size = unit_labels(y - self.mean_)
        model = EntriesModel(positions, (y - self.mean_) / size, weights, shape, self._damping)
        x = model.start()
        for rank, variant, iterations in self._stages:
            x, _ = growing.converged(model, model.widened(x, rank - 1, variant), rank, iterations)
        again._take(model, x, self._stages[-1][0] if self._stages else 0, size)
        return again

    def _fitted(self) -> np.ndarray:
        return self._at(*self._training[0].T)

    def _fit_descent(
        self,
        positions: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        shape: tuple[int, int],
        size: float,
        noise: float | None,
        device: torch.device,
        dtype: torch.dtype,
        seed: int,
    ) -> None:
        rows = shape[0] if self.kind == "rectangular" else None
        lifted = positions + np.array([0, rows or 0])
        scale = float(np.sqrt(shape[0] * shape[1]))
        roots = torch.from_numpy(np.sqrt(weights)).to(device, dtype)
        ensemble = Entries(torch.from_numpy(lifted).to(device), sum(shape) if rows else shape[0], scale * roots, dtype)
        unit = scale * size
        plan = self._plan(self.kind, seed, noise, rows=rows, trace_unit=unit / (2 if rows else 1))
        fitted = recover(ensemble, y * np.sqrt(weights), plan)
        matrix = fitted.matrix if rows is None else fitted.matrix[:rows, rows:]
        self._keep(fitted, self.kind, matrix * unit, unit)
        first, second = positions.T
        self._test_ranks(
            lambda u, v: u[first][:, :, None] * v[second][:, None, :],
            y * size,
            self.noise,
            self.kind != "rectangular",
        )
        self.matrix_ = self.matrix_ + self.mean_

    @property
    def matrix_(self) -> np.ndarray:
        """The completed matrix, shape (d1, d2)."""
        if "_matrix" in self.__dict__:
            return self._matrix
        if "factors_" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        left, right = self.factors_
        return self.mean_ + self.row_bias_[:, None] + self.column_bias_ + left @ right.T

    @matrix_.setter
    def matrix_(self, value: np.ndarray) -> None:
        self._matrix = value

    def _shape(self, positions: np.ndarray, given: tuple[int, int] | None) -> tuple[int, int]:
        rows, columns = (int(most) + 1 for most in positions.max(axis=0))
        seen, most = (rows, columns), max(rows, columns)
        least = seen if self.kind == "rectangular" else (most, most)
        if given is not None and self.shape is not None and two_sizes(self.shape) != tuple(given):
            raise ValueError(f"shape = {self.shape}: X is {given[0]} × {given[1]}; leave shape out")
        shape = given or (least if self.shape is None else two_sizes(self.shape))
        if rows > shape[0] or columns > shape[1]:
            raise ValueError(f"shape = {shape}: the entries need at least {seen[0]} × {seen[1]}")
        if self.kind != "rectangular" and shape[0] != shape[1]:
            raise ValueError(f"shape = {shape}: a {self.kind} matrix is square")
        length = sum(shape) if self.kind == "rectangular" else shape[0]
        what = f"X: {len(positions)} entries of a {shape[0]} × {shape[1]} matrix (are rows and columns numbered without gaps?)"
        kept = NUMBERS_OF_AN_ENTRY * len(positions)
        if self.method in ("auto", growing.NAME) and self.kind == "rectangular":
            refuse_beyond_memory(8 * (kept + KEPT_NUMBERS * length), f"{what}: a fit needs about")
        else:
            self._refuse_beyond_memory(what, length, kept)
        return shape

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return entries of the completed matrix, shape (m,).

        For a row's name that ``fit`` has not seen, this is the mean plus the bias of the column, and vice versa.

        Parameters
        ----------
        X : array or DataFrame, shape (m, 2), or sparse matrix
        return_std : bool
            Whether to return standard errors too, by the bootstrap of :meth:`replicas`, which takes the mean as known.

        Raises
        ------
        ValueError
            If a position is outside the matrix.
        """
        check_is_fitted(self, "factors_")
        if sparse.issparse(X):
            found = sparse.coo_array(X)
            X = np.stack([found.row, found.col], axis=1)
        if self.row_names_ is not None and self.column_names_ is not None and self._has_names(np.asarray(X)):
            rows, columns = (
                _positions_of(names, np.asarray(X)[:, side])
                for side, names in enumerate((self.row_names_, self.column_names_))
            )
        else:
            positions = _whole_positions(X)
            if self.n_features_in_ == 2 and self.row_names_ is None:
                validate_data(self, X, reset=False, skip_check_array=True)
            shape = (len(self.row_bias_), len(self.column_bias_))
            if (positions.max(axis=0) >= shape).any():
                outside = positions[(positions >= shape).any(axis=1)][0]
                raise ValueError(
                    f"X: position {tuple(map(int, outside))} is outside the {shape} matrix; give the shape"
                )
            rows, columns = positions.T
        return self._with_spread(X, self._at(rows, columns), return_std)

    def _at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return entries at rows and columns, of which −1 is a name that ``fit`` has not seen."""
        if "_matrix" in self.__dict__:
            if min(rows.min(), columns.min()) < 0:
                raise ValueError("X: it has a name that fit has not seen")
            return self._matrix[rows, columns]
        # An unknown name, −1, reads a last row, in which the bias and the factors are 0.
        left, right = (np.vstack([factor, np.zeros((1, factor.shape[1]))]) for factor in self.factors_)
        row, column = np.append(self.row_bias_, 0), np.append(self.column_bias_, 0)
        return self.mean_ + predicted(rows, columns, left, right, row, column)


def _are_numbers(given: np.ndarray) -> bool:
    try:
        given.astype(float)
    except (TypeError, ValueError):
        return False
    return True


def _unrepeated(what: str, names: Any) -> np.ndarray:
    """Return the names of a frame's rows or columns as text.

    Raises
    ------
    ValueError
        If two are equal, because predictions by name could mean either.
    """
    found, counts = np.unique(np.asarray(names).astype(str), return_counts=True)
    if (repeated := found[counts > 1]).size:
        raise ValueError(f"X: two {what}s are named {repeated[0]}")
    return np.asarray(names).astype(str)


def _positions_of(names: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the positions of ``asked`` in ``names``, −1 for those that are missing."""
    order = np.argsort(names)
    place = np.searchsorted(names, asked.astype(str), sorter=order).clip(max=len(names) - 1)
    return np.where(names[order[place]] == asked.astype(str), order[place], -1)


def _whole_positions(X: Any) -> np.ndarray:
    """Return positions as whole numbers, shape (m, 2)."""
    refuse_complex_or_masked(X=X)
    given = check_array(X, dtype=np.float64, input_name="X")
    # Numbers too large for an integer are refused below, and need no warning of numpy's before.
    with np.errstate(invalid="ignore"):
        positions = given.astype(np.int64)
    if given.shape[1] != 2 or (positions != given).any() or positions.min() < 0:
        raise ValueError("X: a row (i, j) of whole numbers of at least 0 per entry is needed")
    return positions


def _unknown(
    positions: np.ndarray, shape: tuple[int, int], symmetric: bool, called: Sequence[np.ndarray | None]
) -> list[str]:
    """Return a warning about rows and columns without a known entry; for a symmetric matrix both are the same."""
    seen = (np.unique(positions),) if symmetric else map(np.unique, positions.T)
    without = []
    for what, known, size, names in zip(("row", "column"), seen, shape, called, strict=False):
        if len(gone := np.setdiff1d(np.arange(size), known)):
            first = gone[0] if names is None else names[gone[0]]
            without.append(f"{len(gone)} {what}{'s' if len(gone) > 1 else ''} (the first is {first})")
    counted = "" if any(names is not None for names in called) else "; rows and columns are numbered from 0"
    return [f"no entry is known of {' and '.join(without)}{counted}"] if without else []


def _without_mirrors(positions: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    """Return the indices of a symmetric matrix's entries, of (i, j) and (j, i) only the first if both are given.

    Raises
    ------
    ValueError
        If both are given and have different values.
    """
    _, first, pair = np.unique(np.sort(positions, axis=1), axis=0, return_index=True, return_inverse=True)
    for at in np.flatnonzero(y != y[first[pair]])[:1]:
        i, j = map(int, positions[first[pair[at]]])
        rows, columns = (int(most) + 1 for most in positions.max(axis=0))
        then = "give their mean, once" if rows == columns else f"a {rows} × {columns} matrix is kind = rectangular"
        raise ValueError(f"X: ({i}, {j}) and ({j}, {i}) are one entry of a {kind} matrix and differ; {then}")
    return np.sort(first)
