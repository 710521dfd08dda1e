"""A quantum state from expectations of Pauli strings."""

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from algoreg.ensembles import pauli, pauli_hermitian
from algoreg.recover.base import MatrixEstimator, refuse_complex_or_masked, root_mean_square
from algoreg.recover.fitting import recover
from algoreg.recover.io import refusals

MOST_QUBITS = 9
# A trace that is further from 1 is said: early stops miss less of it.
TRACE_OFF = 0.25


class StateRegressor(MatrixEstimator):
    """Recover a density matrix ρ from expectations tr Pρ, by factored descent of full width: no rank is chosen.

    X has a string of I, X, Y and Z per measurement, and y its expectation. That of the identity, 1, is added where it
    is not among them. Where the shots are known, the fit stops where its residual is as small as their noise.

    Parameters
    ----------
    all
        See :class:`algoreg.recover.LowRankMatrixRegressor`.

    Attributes
    ----------
    matrix_ : numpy.ndarray, shape (2ⁿ, 2ⁿ), complex
        ρ, of trace 1.
    trace_ : float
        Of the estimate before it was divided by it: far from 1, the fit is none.
    noise_ : float or None
        The standard deviation that the shots have on average.
    others
        See :class:`algoreg.recover.LowRankMatrixRegressor`; there is no ``rank_test_``.
    """

    def fit(self, X, y, shots=None):
        """Recover ρ.

        Parameters
        ----------
        X : array of str, shape (m,)
        y : array, shape (m,)
            Expectations, from −1 to 1.
        shots : array, shape (m,), or int, optional
            How often each string was measured.

        Returns
        -------
        StateRegressor

        Raises
        ------
        ValueError
            If a letter is unknown, lengths disagree, a string stands twice, an expectation is not in [−1, 1], shots are
            not above 0, or a parameter is not allowed.
        """
        strings = _strings(X)
        refuse_complex_or_masked(y=y, shots=shots)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
        check_consistent_length(strings, y)
        refusals.refuse_impossible_expectations(strings, y, "y: ")
        y = y.clip(-1, 1)
        self.noise_ = self.noise if self.noise is not None else _noise_of(y, shots)
        count, identity = len(strings), "I" * len(strings[0])
        if identity not in strings:
            strings, y = [*strings, identity], np.append(y, 1.0)
        self.n_features_in_ = 1
        device, dtype, seed = self._prepare()
        ensemble, size = measured(strings, device, dtype)
        # Labels may all be 1: those of a stabiliser state are.
        unit = root_mean_square(y)
        noise = None if self.noise_ is None else self.noise_ / unit
        # A trace stands twice in a real matrix, too.
        plan = self._plan("psd", seed, noise, trace_unit=unit / size / 2)
        fitted = recover(ensemble, y / unit, plan)
        found = pauli_hermitian.as_complex(torch.from_numpy(fitted.matrix)).numpy() * size * unit
        trace = float(np.trace(found).real)
        if not trace > 0:
            raise ValueError("nothing was found: the estimate's trace is 0; more max_iter, or a larger alpha")
        # tr Pρ is size·⟨A, R(ρ)⟩, so that ρ is the fit's matrix over size, and what was found size² times ρ.
        self.trace_ = trace / size**2
        self._keep(fitted, "psd", found / trace, size * unit / trace)
        # Every eigenvalue of a Hermitian matrix stands twice in its real one.
        self.path_["eigenvalues"] = self.path_["eigenvalues"][:, ::2]
        self.path_["effective_rank"] = self.path_["effective_rank"] / 2
        self.held_out_ = self.held_out_[self.held_out_ < count]
        self.rank_test_ = None
        if abs(self.trace_ - 1) > TRACE_OFF:
            self.warnings_.append(
                f"the estimate's trace was {self.trace_:.3g}, not 1: what was found is hardly that of a state"
            )
        self._warn("hermitian", len(y))
        return self

    def predict(self, X):
        """Return tr Pρ of strings, shape (m,)."""
        check_is_fitted(self, "matrix_")
        strings = _strings(X, alone=False)
        if 2 ** len(strings[0]) != len(self.matrix_):
            raise ValueError(f"X: strings of {len(strings[0])} letters, but the state has {len(self.matrix_)} levels")
        ensemble, size = measured(strings, "cpu", torch.float64)
        return (ensemble.measure(pauli_hermitian.as_real(torch.from_numpy(self.matrix_))[None])[0] * size).numpy()


def measured(strings, device, dtype):
    """Return the ensemble of Pauli strings, on real matrices R(ρ) of twice the size, and by what ⟨A, R(ρ)⟩ is tr Pρ."""
    qubits = len(strings[0])
    d, count = 2 ** (qubits + 1), 4**qubits
    pairs, signs = pauli_hermitian.from_letters(strings, qubits)
    ensemble = pauli.Ensemble(pairs, d, count, signs, device, dtype)
    return ensemble, 1 / (2 * (count / d) ** 0.5)


def _strings(X, alone=True):
    """Return strings of one length, checked."""
    refuse_complex_or_masked(X=X)
    given = np.asarray(X)
    given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
    if given.ndim != 1 or given.dtype.kind not in "UOT" or not len(given):
        raise ValueError(f"X: a string of I, X, Y, Z per measurement is needed, not an array of shape {given.shape}")
    strings = [str(text) for text in given]
    refusals.refuse_strange_strings(strings, "X: ")
    if len(strings[0]) > MOST_QUBITS:
        raise ValueError(f"X: strings of {len(strings[0])} letters; at most {MOST_QUBITS} qubits")
    if alone:
        refusals.refuse_repeated(np.array(strings), "X: ")
    return strings


def _noise_of(y, shots):
    """Return the root mean square of the shot noise of expectations; None without shots, or where there is none."""
    if shots is None:
        return None
    try:
        shots = np.asarray(shots, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"shots = {shots!r}: allowed are numbers above 0") from None
    if shots.shape not in ((), y.shape):
        raise ValueError(f"shots has shape {shots.shape}: allowed are one number, or one per measurement, {y.shape}")
    refusals.refuse_impossible_shots(shots)
    return float(np.sqrt(np.mean((1 - y**2) / shots))) or None
