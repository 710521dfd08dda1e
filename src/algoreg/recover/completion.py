"""A low-rank matrix from some of its entries."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from algoreg.recover.base import MatrixEstimator, refuse_complex_or_masked, refuse_constant, two_sizes, unit_labels
from algoreg.recover.fitting import recover
from algoreg.recover.io.refusals import refuse_repeated
from algoreg.recover.measurements import Entries
from algoreg.recover.plan import refuse_unlisted
from algoreg.settings.options import MEMORY_LIMIT_BYTES, gib

KINDS = ("rectangular", "symmetric", "psd")


@dataclass(eq=False, repr=False)
class MatrixCompleter(MatrixEstimator):
    """Complete a matrix of which some entries are known, by factored descent of full width from a small start.

    X has a row (i, j) per known entry and y its value, so that ``predict`` and ``score`` are those of a regressor.

    Parameters
    ----------
    kind : {"rectangular", "symmetric", "psd"}
        What the matrix is. Of a symmetric one an entry counts for its mirror, too, which may stand beside it if it is
        the same.
    shape : (int, int), optional
        Otherwise as many rows and columns as the entries show.
    center : bool
        Whether the mean of the known entries is taken off first; never for a psd matrix.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (d1, d2)
        The completed matrix; ``factors_`` and ``eigenvalues_`` are those of it less ``mean_``.
    mean_ : float
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.
    """

    kind: str = "rectangular"
    shape: tuple[int, int] | None = None
    center: bool = True

    def fit(self, X, y):
        """Complete the matrix.

        Parameters
        ----------
        X : array of int, shape (m, 2)
            Row and column of every known entry, from 0.
        y : array, shape (m,)

        Returns
        -------
        MatrixCompleter

        Raises
        ------
        ValueError
            If an entry stands twice or outside the shape, a value is not finite, all are 0 (or equal, where their mean
            is taken off), or a parameter is not allowed.
        """
        refuse_unlisted("kind", self.kind, KINDS)
        places = _places(X)
        refuse_complex_or_masked(y=y)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
        check_consistent_length(places, y)
        # A frame's names, so that predict takes its columns in no other order.
        validate_data(self, X, skip_check_array=True)
        shape = self._shape(places)
        refuse_repeated(places, "X: ")
        kept = np.arange(len(y))
        if self.kind != "rectangular":
            kept = _without_mirrors(places, y, self.kind)
            places, y = places[kept], y[kept]
        device, dtype, seed = self._prepare()
        unit_labels(y)
        self.mean_ = 0.0
        if self.center and self.kind != "psd":
            refuse_constant(y)
            self.mean_ = float(y.mean())
        size = unit_labels(y - self.mean_)
        rows = shape[0] if self.kind == "rectangular" else None
        lifted = places + np.array([0, rows or 0])
        weight = float(np.sqrt(shape[0] * shape[1]))
        ensemble = Entries(torch.from_numpy(lifted).to(device), sum(shape) if rows else shape[0], weight, dtype)
        noise = None if self.noise is None else self.noise / size
        unit = weight * size
        plan = self._plan(self.kind, seed, noise, rows=rows, trace_unit=unit / (2 if rows else 1))
        fitted = recover(ensemble, (y - self.mean_) / size, plan)
        matrix = fitted.matrix if rows is None else fitted.matrix[:rows, rows:]
        self._keep(fitted, self.kind, matrix * weight * size, unit)
        first, second = places.T
        symmetric = self.kind != "rectangular"
        self._test_ranks(
            lambda u, v: u[first][:, :, None] * v[second][:, None, :], y - self.mean_, self.noise, symmetric
        )
        self.held_out_ = kept[self.held_out_]
        self.warnings_ += _unknown(places, shape, symmetric)
        self._warn(self.kind, len(y))
        self.matrix_ = self.matrix_ + self.mean_
        return self

    def _shape(self, places):
        seen = tuple(int(most) + 1 for most in places.max(axis=0))
        least = seen if self.kind == "rectangular" else (max(seen),) * 2
        shape = least if self.shape is None else two_sizes(self.shape)
        if any(most > size for most, size in zip(seen, shape, strict=True)):
            raise ValueError(f"shape = {shape}: the entries need at least {seen[0]} × {seen[1]}")
        if self.kind != "rectangular" and shape[0] != shape[1]:
            raise ValueError(f"shape = {shape}: a {self.kind} matrix is square")
        length = sum(shape) if self.kind == "rectangular" else shape[0]
        if 8 * length**2 > MEMORY_LIMIT_BYTES:
            raise ValueError(
                f"X: its places are of a {shape[0]} × {shape[1]} matrix, whose fit would take {gib(8 * length**2)}; "
                f"allowed is {gib(MEMORY_LIMIT_BYTES)}. Number rows and columns without gaps"
            )
        return shape

    def predict(self, X):
        """Return the completed matrix's entries at some places, shape (m,).

        Raises
        ------
        ValueError
            If a place is outside the matrix.
        """
        check_is_fitted(self, "matrix_")
        places = _places(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        if (places.max(axis=0) >= self.matrix_.shape).any():
            outside = places[(places >= self.matrix_.shape).any(axis=1)][0]
            raise ValueError(f"X: place {tuple(map(int, outside))} is outside the {self.matrix_.shape} matrix")
        return self.matrix_[places[:, 0], places[:, 1]]


def _places(X):
    """Return places as whole numbers, shape (m, 2)."""
    refuse_complex_or_masked(X=X)
    given = check_array(X, dtype=np.float64, input_name="X")
    places = given.astype(np.int64)
    if given.shape[1] != 2 or (places != given).any() or places.min() < 0:
        raise ValueError("X: a row (i, j) of whole numbers of at least 0 per entry is needed")
    return places


def _unknown(places, shape, symmetric):
    """Return what is to be said of rows and columns without a known entry; a symmetric matrix has them once."""
    seen = (np.unique(places),) if symmetric else map(np.unique, places.T)
    said = []
    for what, known, size in zip(("row", "column"), seen, shape, strict=False):
        if len(gone := np.setdiff1d(np.arange(size), known)):
            said.append(f"{len(gone)} {what}{'s' if len(gone) > 1 else ''} (the first is {gone[0]})")
    return [f"no entry is known of {' and '.join(said)}; rows and columns are numbered from 0"] if said else []


def _without_mirrors(places, y, kind):
    """Return the indices of entries of a symmetric matrix: of (i, j) and (j, i), where both stand, the first.

    Raises
    ------
    ValueError
        If two such have different values.
    """
    _, first, pair = np.unique(np.sort(places, axis=1), axis=0, return_index=True, return_inverse=True)
    for at in np.flatnonzero(y != y[first[pair]])[:1]:
        i, j = map(int, places[first[pair[at]]])
        rows, columns = (int(most) + 1 for most in places.max(axis=0))
        then = "give their mean, once" if rows == columns else f"a {rows} × {columns} matrix is kind = rectangular"
        raise ValueError(f"X: ({i}, {j}) and ({j}, {i}) are one entry of a {kind} matrix and differ; {then}")
    return np.sort(first)
