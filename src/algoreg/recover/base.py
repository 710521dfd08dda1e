"""What the estimators have in common: parameters, checks of the labels, and the attributes that a fit leaves."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from algoreg.numerics import theory
from algoreg.numerics.devices import DTYPES, resolve_device
from algoreg.recover.fitting import Fitted, Plan

# Eigenvalues below this share of the largest are not counted by the rank test.
SMALL_SHARE = 1e-3
LARGEST_RANK = 10
SIGNIFICANCE = 0.05


def unit_labels(y: np.ndarray) -> float:
    """Return the labels' root mean square, without overflow.

    Raises
    ------
    ValueError
        If they are all the same: then there is nothing to fit.
    """
    if np.ptp(y) == 0:
        raise ValueError(f"y: all {len(y)} labels are {y[0]:.6g}; there is nothing to fit")
    return root_mean_square(y)


def root_mean_square(y: np.ndarray) -> float:
    """Return √((1/m) Σ y_i²) of numbers that are not all 0, without overflow."""
    largest = np.abs(y).max()
    return float(largest * np.sqrt(np.mean(np.square(y / largest))))


def degrees_of_freedom(kind: str, rows: int, columns: int, rank: int) -> int:
    """Return the dimension of the matrices of a rank: those of :mod:`algoreg.numerics.theory`, or r(d1 + d2 − r) of all.

    Hermitian ones have as many real numbers as all real ones.
    """
    if kind == "hermitian":
        return rank * (2 * rows - rank)
    return rank * (rows + columns - rank) if kind == "rectangular" else theory.degrees_of_freedom(rows, rank)


@dataclass(eq=False, repr=False, kw_only=True)
class MatrixEstimator(RegressorMixin, BaseEstimator):
    """A regressor whose parameters are a matrix; see :class:`algoreg.recover.LowRankMatrixRegressor` for what it takes and keeps."""

    method: str = "auto"
    method_options: dict | None = None
    alpha: float | str = "auto"
    stop: str = "auto"
    noise: float | None = None
    hold_out: float = 0.1
    folds: int = 5
    max_iter: int = 3000
    tol: float = 1e-6
    step: float | None = None
    dtype: str = "float64"
    device: str = "cpu"
    random_state: Any = 0
    verbose: Any = False

    def keep_in(self, checkpoint: Any) -> None:
        """Let fits keep what they reach in an :class:`algoreg.engine.checkpoint.Checkpoint`, and go on from there."""
        self._checkpoint = checkpoint

    def _prepare(self) -> tuple[torch.device, torch.dtype, int]:
        """Return where and in which numbers to compute, and the seed."""
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype = {self.dtype}: allowed are {', '.join(DTYPES)}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return resolve_device(self.device), DTYPES[self.dtype], seed

    def _plan(self, kind: str, seed: int, noise: float | None, **more: Any) -> Plan:
        numbers = {"max_iter": (self.max_iter, 1), "tol": (self.tol, 0), "folds": (self.folds, 2)}
        for name, (value, least) in numbers.items():
            if value < least:
                raise ValueError(f"{name} = {value}: allowed is a number of at least {least}")
        number = not isinstance(self.alpha, str) and np.isreal(self.alpha) and 0 < self.alpha <= 1
        if self.alpha != "auto" and not number:
            raise ValueError(f"alpha = {self.alpha}: allowed are auto and numbers above 0, at most 1")
        if self.noise is not None and not self.noise > 0:
            raise ValueError(f"noise = {self.noise}: allowed is a number above 0")
        return Plan(
            kind,
            self.method,
            self.method_options or {},
            self.alpha,
            self.stop,
            noise,
            self.hold_out,
            self.folds,
            self.max_iter,
            self.tol,
            self.step,
            seed,
            checkpoint=getattr(self, "_checkpoint", None),
            say=print if self.verbose is True else self.verbose or (lambda line: None),
            **more,
        )

    def _keep(self, fitted: Fitted, kind: str, matrix: np.ndarray, unit: float) -> None:
        """Set the attributes; ``unit`` is that of the fit's eigenvalues in those of the matrix."""
        self.matrix_ = matrix
        self.alpha_, self.step_, self.n_iter_ = fitted.alpha, fitted.step, max(1, fitted.iteration)
        self.stop_, self.method_ = fitted.stop, fitted.method
        self.path_ = {**fitted.path, "eigenvalues": fitted.path["eigenvalues"] * unit}
        self.held_out_ = fitted.held
        if kind == "rectangular":
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
            self.eigenvalues_, roots = values, np.sqrt(values)
            self.factors_ = (left * roots, right.T * roots)
            # Both signs of every singular value are in the lift.
            self.path_["eigenvalues"] = np.abs(self.path_["eigenvalues"][:, ::2])
            self.path_["effective_rank"] = self.path_["effective_rank"] / 2
        else:
            values, vectors = np.linalg.eigh(matrix)
            order = np.argsort(-np.abs(values), kind="stable")
            self.eigenvalues_, vectors = values[order], vectors[:, order]
            scaled = vectors * np.sqrt(np.abs(self.eigenvalues_))
            self.factors_ = (scaled[:, self.eigenvalues_ > 0], scaled[:, self.eigenvalues_ < 0])
        share = np.abs(self.eigenvalues_) / max(np.abs(self.eigenvalues_).sum(), np.finfo(float).tiny)
        self.effective_rank_ = float(np.exp(-np.sum(share * np.log(np.where(share > 0, share, 1)))))
        self.warnings_ = list(fitted.warnings)

    def _warn(self, kind: str, m: int) -> None:
        """Add what the fit's size leaves open, and say everything."""
        rank = max(1, round(self.effective_rank_))
        rows, columns = self.matrix_.shape
        needed = degrees_of_freedom(kind, rows, columns, rank)
        if m < needed:
            self.warnings_.append(
                f"too few measurements: {m}, but a matrix of rank {rank}, the effective rank found, has {needed} degrees of freedom"
            )
        for line in self.warnings_:
            warnings.warn(line, ConvergenceWarning if line.startswith("not converged") else UserWarning, stacklevel=3)

    def _test_ranks(self, design: Any, y: np.ndarray, noise: float | None) -> None:
        """Set ``rank_test_``: χ² of the best fit within the leading r directions, r = 1, 2, …; None without a noise.

        Parameters
        ----------
        design : callable
            Takes left and right vectors (d1, r) and (d2, r) and returns the measurements of all u_i v_jᵀ, shape (m, r²).
        y : numpy.ndarray, shape (m,)
        noise : float or None
            Standard deviation of the labels.
        """
        self.rank_test_ = None
        if noise is None:
            return
        left, values, right = np.linalg.svd(self.matrix_, full_matrices=False)
        most = min(LARGEST_RANK, int((values > SMALL_SHARE * values[0]).sum()))
        found: dict[str, list] = {"rank": [], "chi2": [], "degrees_of_freedom": [], "p_value": []}
        for rank in range(1, most + 1):
            columns = design(left[:, :rank], right.T[:, :rank])
            solution, _, numbers, _ = np.linalg.lstsq(columns, y, rcond=None)
            free = len(y) - int(numbers)
            if free < 1:
                break
            statistic = float(np.square((y - columns @ solution) / noise).sum())
            row = (rank, statistic, free, float(chi2.sf(statistic, free)))
            for key, value in zip(found, row, strict=True):
                found[key].append(value)
        accepted = [r for r, p in zip(found["rank"], found["p_value"], strict=True) if p > SIGNIFICANCE]
        chosen = {"accepted": accepted[0] if accepted else None}
        self.rank_test_ = {**{key: np.array(value) for key, value in found.items()}, **chosen}
