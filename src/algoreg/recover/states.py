"""A quantum state from expectations of Pauli strings."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.stats import chi2
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from algoreg.engine.kernels.passes import lanes_for
from algoreg.ensembles import pauli, pauli_hermitian
from algoreg.numerics import devices
from algoreg.recover import growing
from algoreg.recover.base import (
    REPLICATES,
    MatrixEstimator,
    checked_weights,
    refuse_complex_or_masked,
    root_mean_square,
)
from algoreg.recover.fitting import Fitted, recover
from algoreg.recover.io import refusals
from algoreg.recover.io.pauli_data import plain_strings

# Below this p-value of χ² a misfit does not count as chance.
NO_CHANCE = 1e-4
# Above this relative residual, no state has the given exact expectations.
NO_STATE = 0.01
NO_DIRECTION = "no direction predicts held-out expectations better than I/d, so I/d was fitted; give more strings, or the shots of each"
# Initial sizes of a new direction and of the identity, relative to the present factor.
NEW_DIRECTION, NEW_IDENTITY = 0.3, 0.1


class StateModel(growing.Model):
    """ρ = (UUᴴ + s²·I/d)/(‖U‖² + s²), of trace 1, with a complex d × r U: a state of rank r and white noise.

    The parameters are U's real and imaginary parts and s. In variant 0, s stays 0, because its gradient is 0.

    Parameters
    ----------
    ensemble : pauli.Ensemble
        The strings without the identity, each times the root of its weight.
    size : float
        The factor by which ⟨A, R(ρ)⟩ is multiplied to give tr Pρ.
    labels : numpy.ndarray, shape (m,)
        Expectations times the roots of the weights.
    """

    variants = 2

    def __init__(self, ensemble: pauli.Ensemble, size: float, labels: np.ndarray):
        self.ensemble, self._scale, self.labels = ensemble, size, labels
        self.m, self.size, self.d = len(labels), root_mean_square(labels), ensemble.d // 2
        self.largest_rank = self.d

    def start(self) -> np.ndarray:
        """Return the parameters of I/d."""
        return np.ones(1)

    def factor(self, x: np.ndarray, rank: int) -> tuple[np.ndarray, float]:
        """Return U (d × rank) and s."""
        real, imaginary = x[:-1].reshape(2, self.d, rank)
        return real + 1j * imaginary, float(x[-1])

    def state(self, x: np.ndarray, rank: int) -> np.ndarray:
        """Return ρ."""
        factor, root = self.factor(x, rank)
        total = np.square(np.abs(factor)).sum() + root**2
        return (factor @ factor.conj().T + root**2 / self.d * np.eye(self.d)) / total

    def _residual(self, rho: np.ndarray) -> np.ndarray:
        real = pauli_hermitian.as_real(torch.from_numpy(rho)).to(self.ensemble.device, self.ensemble.dtype)
        return self.ensemble.measure(real[None])[0].cpu().double().numpy() * self._scale - self.labels

    def _gradient(self, residual: np.ndarray) -> np.ndarray:
        """Return the Hermitian matrix G with which the loss changes by tr G·dρ."""
        weights = torch.from_numpy(residual / self.m).to(self.ensemble.device, self.ensemble.dtype)
        found = pauli_hermitian.as_complex(self.ensemble.adjoint(weights[None])[0])
        return found.cpu().numpy().astype(complex) * 2 * self._scale

    def loss(self, x: np.ndarray, rank: int) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient; see :class:`algoreg.recover.growing.Model`."""
        factor, root = self.factor(x, rank)
        total = np.square(np.abs(factor)).sum() + root**2
        rho = self.state(x, rank)
        residual = self._residual(rho)
        gradient = self._gradient(residual)
        # The trace is fixed at 1, so the component along ρ drops out.
        gradient -= np.vdot(rho, gradient).real * np.eye(self.d)
        of_factor = 2 / total * (gradient @ factor)
        of_root = 2 / total * root * np.trace(gradient).real / self.d
        return residual @ residual / (2 * self.m), np.concatenate(
            [of_factor.real.ravel(), of_factor.imag.ravel(), [of_root]]
        )

    def widened(self, x: np.ndarray, rank: int, variant: int) -> np.ndarray:
        """Return parameters with a further direction: the one along which the loss falls fastest."""
        factor, root = self.factor(x, rank)
        total = np.sqrt(np.square(np.abs(factor)).sum() + root**2)
        _, vectors = np.linalg.eigh(self._gradient(self._residual(self.state(x, rank))))
        factor = np.hstack([factor, NEW_DIRECTION * total * vectors[:, :1]])
        root = max(root, NEW_IDENTITY * total) if variant else 0.0
        return np.concatenate([factor.real.ravel(), factor.imag.ravel(), [root]])

    def degrees_of_freedom(self, rank: int, variant: int) -> int:
        """Return the number of free parameters of a state of a rank, and one more with white noise."""
        return min(rank * (2 * self.d - rank) - 1 + variant, self.d**2 - 1) if rank else 0

    def values(self, x: np.ndarray, rank: int) -> np.ndarray:
        """Return ρ's eigenvalues, the largest first."""
        return np.linalg.eigvalsh(self.state(x, rank))[::-1]


@dataclass(eq=False, repr=False)
class StateRegressor(MatrixEstimator):
    """Recover a density matrix ρ from expectations tr Pρ; the rank need not be known.

    X has a Pauli string per measurement, and y its expectation. The fit is a state of trace 1: UUᴴ of a rank that grows
    until the residual is as small as the shots' noise (without shots: while the error of held-out expectations falls),
    plus white noise I/d where the data show it. Each expectation has the weight that its number of shots implies.

    Parameters
    ----------
    method : str
        "auto" is ``grown``, as above. Any other algorithm for psd matrices descends at full width with the trace as one
        more measurement; if its trace ends below 1, the rest is filled with I/d.
    reverse : bool
        Whether strings name the last qubit first, as qiskit's labels do. The first qubit is ρ's first tensor factor.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`. ``alpha`` and ``step`` apply to methods other than
        ``grown``.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (2ⁿ, 2ⁿ), complex
        ρ, of trace 1.
    white_noise_ : float
        The share of I/d in ρ.
    trace_ : float
        The trace of another method's estimate before it was set to 1.
    noise_ : float or None
        The mean standard deviation of an expectation, from the shots.
    rank_test_ : dict or None
        If the noise is known: χ² of the fit at each rank tried, with its degrees of freedom and p-value.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`.
    """

    reverse: bool = False

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: X consists of strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        return tags

    def fit(self, X: Any, y: Any, shots: Any = None, sample_weight: Any = None) -> Self:
        """Recover ρ.

        Parameters
        ----------
        X : array of str, shape (m,)
            Such as ``XX``, ``+XX``, ``-xx``.
        y : array, shape (m,)
            Expectations, from −1 to 1.
        shots : array, shape (m,), or int, optional
            How often each string was measured.
        sample_weight : array, shape (m,), optional
            Weights of the squared residuals, instead of those computed from the shots.

        Returns
        -------
        StateRegressor

        Raises
        ------
        ValueError
            If a letter is unknown, lengths disagree, a string appears twice, an expectation is not in [−1, 1], shots
            are not above 0, weights are negative or all 0, or a parameter is not allowed.
        """
        strings, signs = _strings(X, self.reverse)
        refuse_complex_or_masked(y=y, shots=shots)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
        check_consistent_length(strings, y)
        y = signs * y
        refusals.refuse_impossible_expectations(strings, y, "y: ")
        y = y.clip(-1, 1)
        if shots is not None and sample_weight is not None:
            raise ValueError("shots and sample_weight: allowed is one of them; shots determine the weights")
        shots, self.noise_ = _shot_noise(y, shots)
        self.noise_ = self.noise_ if self.noise is None else self.noise
        weights, noise = self._weights(y, shots, checked_weights(sample_weight, len(y)))
        identity = "I" * len(strings[0])
        # The identity's expectation is the trace, which is 1.
        used = np.array([number for number, text in enumerate(strings) if text != identity and weights[number] > 0])
        if not len(used):
            raise ValueError("X: no string but the identity; there is nothing to fit")
        device, dtype, seed = self._prepare()
        # Estimates are real matrices of twice the size.
        self._refuse_beyond_memory(f"X: strings of {len(identity)} letters", 2 ** (len(identity) + 1), 12 * len(used))
        self.n_features_in_ = 1
        self._data = [strings[number] for number in used], y[used], np.sqrt(weights[used])
        self._shots = None if shots is None else shots[used]
        if self.method in ("auto", growing.NAME):
            self._fit_grown(device, dtype, seed, noise)
        else:
            self._fit_descent(device, dtype, seed, noise)
        self.held_out_ = used[self.held_out_[self.held_out_ < len(used)]]
        return self

    def _weights(self, y: np.ndarray, shots: np.ndarray | None, given: np.ndarray) -> tuple[np.ndarray, float | None]:
        """Return weights of mean 1, and the standard deviation of an expectation of weight 1."""
        if shots is None:
            return given, self.noise
        # Equal outcomes in all shots do not mean that the variance is 0: y is shrunk as by one further shot of value 0.
        variance = (1 - np.square(y * shots / (shots + 1))) / shots
        precision = 1 / variance
        if self.noise is not None:
            return precision / precision.mean(), self.noise
        return precision / precision.mean(), float(precision.mean() ** -0.5)

    def _fit_grown(self, device: torch.device, dtype: torch.dtype, seed: int, noise: float | None) -> None:
        strings, y, roots = self._data
        labels = y * roots
        plan = self._plan("psd", seed, noise, trace_unit=1.0)
        ensemble, size = measured(strings, device, dtype, roots)

        def build(indices: np.ndarray | None) -> StateModel:
            if indices is None:
                return StateModel(ensemble, size, labels)
            return StateModel(ensemble.select(torch.from_numpy(indices).to(device)), size, labels[indices])

        with devices.at_most(lanes_for(ensemble.d**2)):
            found = growing.grow(build, len(y), plan)
        last, model = found.last, found.model
        matrix = model.state(last.x, last.rank)
        factor, root = model.factor(last.x, last.rank)
        self.white_noise_ = float(root**2 / (np.square(np.abs(factor)).sum() + root**2))
        self.trace_, self._stage = 1.0, last
        fitted = Fitted(
            matrix,
            None,
            None,
            found.iterations_kept,
            found.stop,
            growing.NAME,
            found.path(),
            found.held,
            found.warnings,
        )
        self._keep(fitted, "psd", matrix, 1.0)
        self.rank_test_ = found.rank_test(noise)
        self._warn_of_misfit(found, noise)
        self._warn("hermitian", len(y), matrix.shape, last.degrees_of_freedom)

    def _warn_of_misfit(self, found: growing.Grown[StateModel], noise: float | None) -> None:
        """Add warnings if no direction was found, or if the state does not fit within the noise, or at all."""
        last, model = found.last, found.model
        left = np.sqrt(last.train) / (model.size or 1.0)
        free = max(1, model.m - last.degrees_of_freedom)
        excess = 0.0 if noise is None else growing.in_units(model.m * last.train, noise) / free
        if not last.rank and found.stop in ("hold-out", "folds"):
            self.warnings_.append(NO_DIRECTION)
        if found.stop == "noise" and chi2.sf(excess * free, free) < NO_CHANCE:
            self.warnings_.append(
                f"no state fits within the noise: the residual is {np.sqrt(excess):.3g} times as large; the shots vary by more "
                "than their number implies, or the strings list the qubits in reverse order (reverse)"
            )
        elif found.stop == "budget" and not found.reached and left > NO_STATE:
            self.warnings_.append(
                f"no state has these expectations: the residual of the best fit is {left:.2g} times their size"
            )

    def _fit_descent(self, device: torch.device, dtype: torch.dtype, seed: int, noise: float | None) -> None:
        strings, y, roots = self._data
        strings, labels = [*strings, "I" * len(strings[0])], np.append(y * roots, 1.0)
        ensemble, size = measured(strings, device, dtype, np.append(roots, 1.0))
        # Labels may all be equal: those of a stabiliser state may all be 1.
        unit = root_mean_square(labels)
        # The real matrix of twice the size has twice the trace.
        plan = self._plan(
            "psd", seed, None if noise is None else noise / unit, trace_unit=unit / size / 2, hermitian=True
        )
        fitted = recover(ensemble, labels / unit, plan)
        found = pauli_hermitian.as_complex(torch.from_numpy(fitted.matrix)).numpy() * size * unit
        trace = float(np.trace(found).real)
        if not trace > 0:
            raise ValueError("nothing was found: the estimate's trace is 0; use a larger max_iter, or a larger alpha")
        # tr Pρ is size·⟨A, R(ρ)⟩, so that ρ is the fit's matrix over size, and ``found`` is size² times ρ.
        self.trace_ = trace / size**2
        self.white_noise_ = max(0.0, 1 - self.trace_)
        filled = found / size**2 / max(1.0, self.trace_) + self.white_noise_ * np.eye(len(found)) / len(found)
        self._keep(fitted, "psd", filled, size * unit / trace)
        # The real matrix has every eigenvalue of the Hermitian one twice.
        self.path_["eigenvalues"] = self.path_["eigenvalues"][:, ::2]
        self.path_["effective_rank"] = self.path_["effective_rank"] / 2
        self.rank_test_ = None
        self._warn("hermitian", len(labels), found.shape)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return tr Pρ of strings, shape (m,); with ``return_std`` also standard errors by the bootstrap."""
        check_is_fitted(self, "matrix_")
        strings, signs = _strings(X, self.reverse, alone=False)
        if 2 ** len(strings[0]) != len(self.matrix_):
            raise ValueError(f"X: strings of {len(strings[0])} letters, but the state has {len(self.matrix_)} levels")
        return self._with_spread(X, signs * expectations_of(self.matrix_, strings), return_std)

    def replicas(self, replicates: int = REPLICATES, random_state: Any = 0) -> Iterator[Self]:
        """Yield states that are fitted to expectations drawn anew from ρ.

        Each has the rank of the fit, so that their spread does not include the uncertainty about the rank. Shots of
        different strings are drawn independently.

        Raises
        ------
        ValueError
            If neither shots nor a noise are known, or the state was not fitted by ``grown``.
        """
        check_is_fitted(self, "matrix_")
        if self.method_ != growing.NAME:
            raise ValueError(f"method = {self.method_}: error bars are available only for method = {growing.NAME}")
        strings, _, roots = self._data
        if self._shots is None and self.noise_ is None:
            raise ValueError("error bars need shots, or the noise of the expectations")
        ensemble, size = measured(strings, "cpu", torch.float64, roots)
        noise = np.nan if self.noise_ is None else self.noise_
        exact, rng = expectations_of(self.matrix_, strings).clip(-1, 1), np.random.default_rng(random_state)
        for _ in range(replicates):
            if self._shots is None:
                y = exact + noise * rng.standard_normal(len(exact)) / roots
            else:
                shots = self._shots.round().clip(1).astype(np.int64)
                y = 2 * rng.binomial(shots, (1 + exact) / 2) / shots - 1
            model, one = StateModel(ensemble, size, y * roots), copy.copy(self)
            with devices.at_most(lanes_for(ensemble.d**2)):
                x, _ = growing.converged(model, self._stage.x, self._stage.rank, self.max_iter)
            one.matrix_ = model.state(x, self._stage.rank)
            yield one


def purity(rho: np.ndarray) -> float:
    """Return tr ρ²."""
    return float(np.square(np.abs(rho)).sum())


def fidelity(rho: np.ndarray, other: np.ndarray) -> float:
    """Return ⟨ψ|ρ|ψ⟩ of a pure state ψ (d,), or (tr √(√ρ σ √ρ))² of a state σ (d, d)."""
    other = np.asarray(other)
    if other.ndim == 1:
        return float(np.vdot(other, rho @ other).real / np.vdot(other, other).real)
    values, vectors = np.linalg.eigh(rho)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.conj().T
    return float(np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum() ** 2)


def measured(
    strings: Sequence[str], device: torch.device | str, dtype: torch.dtype, roots: np.ndarray | float = 1.0
) -> tuple[pauli.Ensemble, float]:
    """Return the ensemble of Pauli strings times the roots of their weights, and the factor from ⟨A, R(ρ)⟩ to tr Pρ.

    R(ρ) is the real matrix, of twice the size, that represents ρ.
    """
    qubits = len(strings[0])
    d, count = 2 ** (qubits + 1), 4**qubits
    pairs, signs = pauli_hermitian.from_letters(strings, qubits)
    ensemble = pauli.Ensemble(pairs, d, count, signs * torch.as_tensor(roots), device, dtype)
    return ensemble, 1 / (2 * (count / d) ** 0.5)


def expectations_of(rho: np.ndarray, strings: Sequence[str]) -> np.ndarray:
    """Return tr Pρ of plain strings, shape (m,)."""
    ensemble, size = measured(strings, "cpu", torch.float64)
    return (ensemble.measure(pauli_hermitian.as_real(torch.from_numpy(rho))[None])[0] * size).numpy()


def _strings(X: Any, reverse: bool, alone: bool = True) -> tuple[list[str], np.ndarray]:
    """Return plain strings of one length and their signs, checked."""
    refuse_complex_or_masked(X=X)
    given = np.asarray(X)
    given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
    if given.ndim != 1 or given.dtype.kind not in "UOT" or not len(given):
        raise ValueError(f"X: a string of I, X, Y, Z per measurement is needed, not an array of shape {given.shape}")
    strings, signs = plain_strings(given, reverse=reverse, name="X: ")
    refusals.refuse_many_qubits(strings[0], "X: strings")
    if alone:
        refusals.refuse_repeated(np.array(strings), "X: ")
    return strings, signs


def _shot_noise(y: np.ndarray, shots: Any) -> tuple[np.ndarray | None, float | None]:
    """Return the shots of every string and the root mean square of their noise, or None."""
    if shots is None:
        return None, None
    try:
        shots = np.asarray(shots, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"shots = {shots!r}: allowed are numbers above 0") from None
    if shots.shape not in ((), y.shape):
        raise ValueError(f"shots has shape {shots.shape}: allowed are one number, or one per measurement, {y.shape}")
    refusals.refuse_impossible_shots(shots)
    return np.broadcast_to(shots, y.shape), float(np.sqrt(np.mean((1 - y**2) / shots))) or None
