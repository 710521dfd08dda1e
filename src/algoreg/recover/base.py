"""The base class of the estimators: parameters, checks of the observations, and the attributes that a fit sets."""

import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from algoreg.engine.checkpoint import Checkpoint
from algoreg.numerics import theory
from algoreg.numerics.devices import DTYPES, resolve_device
from algoreg.recover import growing
from algoreg.recover.fitting import ALPHAS, Fitted
from algoreg.recover.io import refusals
from algoreg.recover.plan import Plan, refuse_unlisted
from algoreg.recover.watching import entropy

# The rank test ignores eigenvalues below this share of the largest.
SMALL_SHARE = 1e-3
LARGEST_RANK = 10
# Sums of squares of larger observations, such as those in R², overflow.
LARGEST_LABEL = 1e150
# The unit of a matrix is observations over measurements. Outside these bounds the matrix would be infinite, or lose
# digits or be 0.
UNITS = (1e-300, 1e300)
SIGNIFICANCE = 0.05
# Matrices of the estimate's size that a fit keeps, and how many more for each run: see benchmarks/recover_memory.py.
MATRICES, MATRICES_OF_A_RUN = 12, 12
# Number of refits whose spread is a standard error; the relative error of that is 1/√(2·99).
REPLICATES = 100

# Numeric parameters: their type, the condition, and how messages state it.
NUMBERS = {
    "alpha": (Real, lambda x: 0 < x <= 1, "are auto and numbers above 0, at most 1"),
    "noise": (Real, lambda x: 0 < x < np.inf, "is a number above 0"),
    "hold_out": (Real, lambda x: 0 < x < 1, "is a number between 0 and 1"),
    "folds": (Integral, lambda x: x >= 2, "is a whole number of at least 2"),
    "max_iter": (Integral, lambda x: x >= 1, "is a whole number of at least 1"),
    "tol": (Real, lambda x: 0 <= x < 1, "is a number of at least 0, below 1"),
    "step": (Real, lambda x: 0 < x < np.inf, "is a number above 0"),
}


def two_sizes(shape: Any) -> tuple[int, int]:
    """Return the parameter ``shape`` as two whole numbers.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        rows, columns = map(operator.index, shape)
    except (TypeError, ValueError):
        rows = columns = 0
    if min(rows, columns) < 1:
        raise ValueError(f"shape = {shape}: allowed are two whole numbers of at least 1")
    return rows, columns


def refuse_complex_or_masked(**arrays: Any) -> None:
    """Raise a ValueError if an array has complex or masked numbers.

    Scikit-learn reads masked numbers as if they were known. Its checks of estimators expect its words for complex data.
    """
    for name, values in arrays.items():
        if np.ma.is_masked(values):
            raise ValueError(
                f"{name}: {np.ma.count_masked(values)} of {values.size} are masked; leave those measurements out"
            )
        if np.iscomplexobj(np.asarray(values)):
            raise ValueError(f"{name}: Complex data not supported; allowed are real numbers")


def checked_weights(sample_weight: Any, m: int) -> np.ndarray:
    """Return weights scaled to mean 1; all are 1 if none are given.

    Raises
    ------
    ValueError
        If they are not m numbers of at least 0, or all 0.
    """
    if sample_weight is None:
        return np.ones(m)
    refuse_complex_or_masked(sample_weight=sample_weight)
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError):
        raise ValueError("sample_weight: allowed is one finite number of at least 0 per measurement") from None
    if weights.shape != (m,):
        raise ValueError(f"sample_weight has shape {weights.shape}: allowed is one number per measurement, ({m},)")
    bad = weights[~(np.isfinite(weights) & (weights >= 0))]
    if len(bad):
        raise ValueError(f"sample_weight: allowed are finite numbers of at least 0, not {bad[0]:.6g}")
    if not weights.any():
        raise ValueError("sample_weight: all weights are zero; there is nothing to fit")
    return weights / weights.mean()


def unit_labels(y: np.ndarray) -> float:
    """Return the observations' root mean square, without overflow.

    Raises
    ------
    ValueError
        If they are all 0, so that there is nothing to fit, or so large that their squares overflow.
    """
    if (largest := np.abs(y).max()) > LARGEST_LABEL:
        raise ValueError(
            f"y: an observation has size {largest:.6g}; allowed are sizes up to {LARGEST_LABEL:g}: scale y down"
        )
    if largest == 0:
        raise ValueError(f"y: all {len(y)} observations are 0; there is nothing to fit")
    return root_mean_square(y)


def refuse_constant(y: np.ndarray) -> None:
    """Raise a ValueError if all observations are equal, for fits that subtract their mean first."""
    if np.ptp(y) == 0:
        raise ValueError(
            f"y: all {len(y)} observations are {y[0]:.6g}; after their mean is subtracted there is nothing to fit"
        )


def refuse_units(unit: float) -> None:
    """Raise a ValueError if a matrix in this unit, observations over measurements, would overflow or underflow."""
    if not UNITS[0] < unit < UNITS[1]:
        raise ValueError(
            f"observations divided by measurements are of size {unit:.3g}, and so is the matrix; scale one of the two"
        )


def root_mean_square(y: np.ndarray) -> float:
    """Return √((1/m) Σ y_i²), without overflow."""
    largest = float(np.abs(y).max())
    return largest * float(np.sqrt(np.mean(np.square(y / largest)))) if largest else 0.0


def degrees_of_freedom(kind: str, rows: int, columns: int, rank: int) -> int:
    """Return the degrees of freedom of the matrices of a kind and rank.

    Rectangular matrices have r(d1 + d2 − r). Hermitian ones have r(2d − r), as many as all real square matrices; for
    psd and symmetric ones see :func:`algoreg.numerics.theory.degrees_of_freedom`.
    """
    if kind == "hermitian":
        return rank * (2 * rows - rank)
    return rank * (rows + columns - rank) if kind == "rectangular" else theory.degrees_of_freedom(rows, rank)


@dataclass(eq=False, repr=False, kw_only=True)
class MatrixEstimator(RegressorMixin, BaseEstimator):
    """Base of the regressors that fit a matrix.

    :class:`algoreg.recover.LowRankMatrixRegressor` describes parameters and attributes.
    """

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
        """Make fits save their state in an :class:`algoreg.engine.checkpoint.Checkpoint`, and continue from it."""
        self._checkpoint = checkpoint

    def _prepare(self) -> tuple[torch.device, torch.dtype, int]:
        """Check the parameters that all estimators share; return device, dtype and seed."""
        refuse_unlisted("dtype", self.dtype, DTYPES)
        self._numbers()
        if not isinstance(self.method_options or {}, Mapping):
            raise ValueError(f"method_options = {self.method_options}: allowed is a mapping of options to values")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return resolve_device(self.device), DTYPES[self.dtype], seed

    def _refuse_beyond_memory(self, what: str, d: int, numbers: int) -> None:
        """Raise a ValueError if a descent will need more than this machine's memory.

        Parameters
        ----------
        what : str
            What is fitted, the beginning of the message.
        d : int
            Size of the estimates that descend.
        numbers : int
            Numbers in all copies of the measurements.
        """
        compared = self.alpha == "auto" and self.noise is None and self.stop in ("auto", "hold-out", "folds")
        matrices = MATRICES + MATRICES_OF_A_RUN * (len(ALPHAS) if compared else 1)
        refusals.refuse_beyond_memory(
            DTYPES[self.dtype].itemsize * (numbers + matrices * d * d), f"{what}: a fit needs about"
        )

    def _plan(self, kind: str, seed: int, noise: float | None, trace_unit: float, **more: Any) -> Plan:
        refuse_units(trace_unit)
        given = {**self._numbers(), "noise": noise, "trace_unit": trace_unit, **more}
        say = self.verbose if callable(self.verbose) else print if self.verbose else lambda line: None
        options, checkpoint = self.method_options or {}, getattr(self, "_checkpoint", Checkpoint())
        return Plan(kind, self.method, options, stop=self.stop, seed=seed, checkpoint=checkpoint, log=say, **given)

    def _numbers(self) -> dict[str, Any]:
        """Return the numeric parameters, checked, as Python numbers: a search over a grid sets numpy numbers."""
        found: dict[str, Any] = {}
        for name, (kind, fits, allowed) in NUMBERS.items():
            value = getattr(self, name)
            if name == "alpha":
                unset = isinstance(value, str) and value == "auto"
            else:
                unset = value is None and name in ("noise", "step")
            if not unset and not (isinstance(value, kind) and not isinstance(value, bool) and fits(value)):
                raise ValueError(f"{name} = {value}: allowed {allowed}")
            found[name] = value if unset else int(value) if kind is Integral else float(value)
        return found

    def _keep(self, fitted: Fitted, kind: str, matrix: np.ndarray, unit: float) -> None:
        """Set the attributes; ``unit`` converts the fit's eigenvalues to those of the matrix."""
        self.matrix_ = matrix
        self.alpha_, self.step_, self.n_iter_ = fitted.alpha, fitted.step, max(1, fitted.iteration)
        self.stop_, self.method_ = fitted.stop, fitted.method
        self.path_ = {**fitted.path, "eigenvalues": fitted.path["eigenvalues"] * unit}
        self.held_out_ = fitted.held
        if kind == "rectangular":
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
            self.eigenvalues_, roots = values, np.sqrt(values)
            self.factors_ = (left * roots, right.T * roots)
            # The lift has every singular value twice, once with each sign.
            self.path_["eigenvalues"] = np.abs(self.path_["eigenvalues"][:, ::2])
            self.path_["effective_rank"] = self.path_["effective_rank"] / 2
        else:
            values, vectors = np.linalg.eigh(matrix)
            order = np.argsort(-np.abs(values), kind="stable")
            self.eigenvalues_, vectors = values[order], vectors[:, order]
            scaled = vectors * np.sqrt(np.abs(self.eigenvalues_))
            self.factors_ = (scaled[:, self.eigenvalues_ > 0], scaled[:, self.eigenvalues_ < 0])
        self.effective_rank_ = float(np.exp(entropy(self.eigenvalues_)))
        self.warnings_ = list(fitted.warnings)

    def _warn(self, kind: str, m: int, shape: tuple[int, int], needed: int | None = None) -> None:
        """Add a warning if there are too few measurements, and issue all warnings.

        ``needed`` is the number of degrees of freedom of the fit, by default that of the effective rank.
        """
        what = "the fit"
        if needed is None:
            rank = max(1, round(self.effective_rank_))
            needed = degrees_of_freedom(kind, *shape, rank)
            what = f"a matrix of rank {rank}, the effective rank found,"
        if m < needed:
            self.warnings_.append(f"too few measurements: {m}, but {what} has {needed} degrees of freedom")
        for line in self.warnings_:
            warnings.warn(line, ConvergenceWarning if line.startswith("not converged") else UserWarning, stacklevel=3)

    def _remember(
        self, X: Any, y: np.ndarray, weights: np.ndarray, kind: str, shape: tuple[int, int], more: int = 0
    ) -> None:
        """Keep what refits need: measurements, weights, and the noise of an observation of weight 1.

        ``more`` is the number of degrees of freedom beyond those of a matrix of the effective rank.
        """
        self._training = X, weights
        rank = min(max(1, round(self.effective_rank_)), *shape)
        # Once their rank is found, growing factors are fitted to the held-out measurements too.
        self._seen = np.arange(len(y))
        if self.method_ != growing.NAME:
            self._seen = np.setdiff1d(self._seen, self.held_out_)
        seen = self._seen
        free = len(seen) - degrees_of_freedom(kind, *shape, rank) - more
        left = np.sqrt(weights[seen]) * (y - self._fitted())[seen]
        self._label_noise = None if free < 1 else float(np.linalg.norm(left) / np.sqrt(free))
        if self.noise is not None:
            self._label_noise = float(self.noise)

    def _fitted(self) -> np.ndarray:
        """Return the predictions for the measurements of the fit."""
        return self.predict(self._training[0])  # type: ignore[attr-defined]

    def _drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Return simulated observations: the fit's predictions plus noise."""
        exact, roots = self._fitted(), np.sqrt(self._training[1])
        noise = (self._label_noise or 0.0) * rng.standard_normal(len(exact))
        return exact + np.divide(noise, roots, out=np.zeros_like(noise), where=roots > 0)

    def _again(self, X: Any, y: np.ndarray, weights: np.ndarray) -> Any:
        """Return a fit to other observations: same method, same initialisation, as many iterations."""
        kept = {"method": self.method_, "alpha": self.alpha_, "max_iter": self.n_iter_}
        again = clone(self).set_params(**kept, stop="budget", verbose=False)
        return again.fit(X, y, sample_weight=weights)

    def replicas(self, replicates: int = REPLICATES, random_state: Any = 0) -> Iterator[Any]:
        """Yield fits to observations that are drawn anew from this fit (the parametric bootstrap).

        The noise is normal, with the standard deviation ``noise`` or, if that is not given, the residuals'. The
        initialisation, the number of iterations and the held-out measurements are those of this fit. The spread of
        the fits therefore includes neither the uncertainty about when to stop nor systematic bias.

        Raises
        ------
        ValueError
            If no noise was given and there are too few measurements to estimate it.
        """
        check_is_fitted(self)
        if self._label_noise is None:
            raise ValueError(
                "error bars need the noise of the observations: give noise, because the fit has at least as many degrees of "
                "freedom as there are observations to estimate it from"
            )
        rng, (X, weights) = np.random.default_rng(random_state), self._training
        seen = self._seen
        for _ in range(replicates):
            with warnings.catch_warnings():
                # Warnings about simulated observations would help nobody.
                warnings.simplefilter("ignore")
                yield self._again(X[seen], self._drawn(rng)[seen], weights[seen])

    def bootstrap(self, replicates: int = REPLICATES, random_state: Any = 0) -> np.ndarray:
        """Return the matrices of :meth:`replicas`, shape (replicates, d1, d2)."""
        return np.array([one.matrix_ for one in self.replicas(replicates, random_state)])

    def error_bars(
        self, quantity: Callable | Any, level: float = 0.95, replicates: int = REPLICATES, random_state: Any = 0
    ) -> dict[str, Any]:
        """Return the estimate of a quantity, its standard error and an interval, by the bootstrap.

        Parameters
        ----------
        quantity : callable, or array
            A function of the matrix, such as :func:`algoreg.recover.purity`, or an argument of ``predict``: then the
            quantity is its predictions.
        level : float
            Level of the interval, which is pivotal: the bias of the refits is subtracted.
        replicates, random_state
            See :meth:`replicas`.

        Returns
        -------
        dict
            ``estimate``, ``standard_error``, ``low``, ``high``.
        """
        if not 0 < level < 1:
            raise ValueError(f"level = {level}: allowed is a number between 0 and 1")

        def of(fit: Any) -> Any:
            return quantity(fit.matrix_) if callable(quantity) else fit.predict(quantity)

        drawn = np.array([of(fit) for fit in self.replicas(replicates, random_state)])
        estimate = np.asarray(of(self))
        low, high = (np.quantile(drawn, q, axis=0) for q in ((1 + level) / 2, (1 - level) / 2))
        return {
            "estimate": estimate,
            "standard_error": drawn.std(axis=0, ddof=1),
            "low": 2 * estimate - low,
            "high": 2 * estimate - high,
        }

    def _with_spread(self, X: Any, found: np.ndarray, return_std: bool) -> Any:
        """Return predictions and, with ``return_std``, their standard errors."""
        if not return_std:
            return found
        return found, np.std([one.predict(X) for one in self.replicas(REPLICATES)], axis=0, ddof=1)

    def _test_ranks(self, design: Any, y: np.ndarray, noise: float | None, symmetric: bool) -> None:
        """Set ``rank_test_``: χ² of the best fit within the leading r directions, r = 1, 2, …; None without a noise.

        Parameters
        ----------
        design : callable
            Takes left and right vectors (d1, r) and (d2, r) and returns the measurements of all u_i v_jᵀ,
            shape (m, r, r).
        y : numpy.ndarray, shape (m,)
        noise : float or None
            Standard deviation of the noise.
        symmetric : bool
            Whether only symmetric matrices are fitted, of r(r + 1)/2 numbers.
        """
        self.rank_test_ = None
        if noise is None:
            return
        left, values, right = np.linalg.svd(self.matrix_, full_matrices=False)
        most = min(LARGEST_RANK, int((values > SMALL_SHARE * values[0]).sum()))
        found: dict[str, list] = {"rank": [], "chi2": [], "degrees_of_freedom": [], "p_value": []}
        for rank in range(1, most + 1):
            columns = design(left[:, :rank], (left if symmetric else right.T)[:, :rank])
            if symmetric:
                columns = (columns + columns.transpose(0, 2, 1))[:, *np.triu_indices(rank)]
            columns = columns.reshape(len(y), -1)
            solution, _, numbers, _ = np.linalg.lstsq(columns, y, rcond=None)
            free = len(y) - int(numbers)
            if free < 1:
                break
            # If the noise is far below the residual, χ² overflows: infinity rejects the rank, as it should.
            with np.errstate(over="ignore"):
                statistic = float(np.square((y - columns @ solution) / max(noise, np.finfo(float).tiny)).sum())
            row = (rank, statistic, free, float(chi2.sf(statistic, free)))
            for key, value in zip(found, row, strict=True):
                found[key].append(value)
        accepted = [r for r, p in zip(found["rank"], found["p_value"], strict=True) if p > SIGNIFICANCE]
        chosen = {"accepted": accepted[0] if accepted else None}
        self.rank_test_ = {**{key: np.array(value) for key, value in found.items()}, **chosen}
