"""States: white noise, weights, labels of others, counts, error bars; each beside a plain computation."""

import re
import warnings
from functools import reduce
from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime

from algoreg import recover
from algoreg.recover import (
    StateRegressor,
    expectations_from_counts,
    expectations_from_shots,
    fidelity,
    purity,
    states,
)

ONE = {"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}


def pauli(text):
    return reduce(np.kron, [np.array(ONE[letter]) for letter in text])


def every_string(qubits):
    return ["".join(letters) for letters in product("IXYZ", repeat=qubits)][1:]


def noisy_ghz(qubits, p):
    psi = np.zeros(2**qubits)
    psi[[0, -1]] = 2**-0.5
    return (1 - p) * np.outer(psi, psi) + p * np.eye(len(psi)) / len(psi), psi


def seen(rho, strings, shots, seed=0):
    exact = np.array([np.trace(pauli(text) @ rho).real for text in strings])
    rng = np.random.default_rng(seed)
    return 2 * rng.binomial(shots, np.clip((1 + exact) / 2, 0, 1)) / shots - 1


def likelihood(strings, y, shots, steps=300):
    """Return the state of largest likelihood by RρR, on matrices."""
    matrices = np.array([pauli(text) for text in strings])
    d = matrices.shape[1]
    rho = np.eye(d) / d
    for _ in range(steps):
        found = np.einsum("mij,ji->m", matrices, rho).real.clip(-1 + 1e-12, 1 - 1e-12)
        up, down = shots * (1 + y) / (1 + found), shots * (1 - y) / (1 - found)
        root = np.einsum("m,mij->ij", (up - down) / 2, matrices) + (up + down).sum() / 2 * np.eye(d)
        rho = root @ rho @ root
        rho /= np.trace(rho).real
    return rho


def test_white_noise_is_not_lost():
    rho, psi = noisy_ghz(4, 0.05)
    strings = every_string(4)
    for seed in range(1):
        y = seen(rho, strings, 10_000, seed)
        found = StateRegressor().fit(strings, y, shots=10_000)
        best = likelihood(strings, y, 10_000)
        assert 1 - fidelity(rho, found.matrix_) < min(0.001, 1 - fidelity(rho, best))
        assert purity(found.matrix_) == pytest.approx(purity(rho), abs=0.005)
        assert fidelity(found.matrix_, psi) == pytest.approx(psi @ rho @ psi, abs=0.003)
        assert found.white_noise_ == pytest.approx(0.05, abs=0.003)
        assert found.rank_test_["accepted"] == 1
        assert found.warnings_ == []


def test_a_pure_state_has_no_white_noise():
    rng = np.random.default_rng(1)
    psi = rng.standard_normal(8) + 1j * rng.standard_normal(8)
    psi /= np.linalg.norm(psi)
    strings = every_string(3)
    found = StateRegressor().fit(strings, seen(np.outer(psi, psi.conj()), strings, 2000), shots=2000)
    assert found.white_noise_ == 0
    assert fidelity(found.matrix_, psi) > 0.995
    # Exact expectations, whose noise nobody knows.
    exact = [np.vdot(psi, pauli(text) @ psi).real for text in strings]
    assert fidelity(StateRegressor().fit(strings, exact).matrix_, psi) > 1 - 1e-8


def test_a_mixed_state_of_rank_two_is_found():
    rng = np.random.default_rng(2)
    factor = rng.standard_normal((8, 2)) + 1j * rng.standard_normal((8, 2))
    rho = factor @ factor.conj().T
    rho /= np.trace(rho).real
    strings = every_string(3)
    found = StateRegressor().fit(strings, seen(rho, strings, 10_000), shots=10_000)
    assert 1 - fidelity(rho, found.matrix_) < 0.01
    assert found.rank_test_["accepted"] == 2


def test_white_noise_alone_is_rank_0():
    strings = every_string(2)
    found = StateRegressor().fit(strings, seen(np.eye(4) / 4, strings, 1000), shots=1000)
    assert np.allclose(found.matrix_, np.eye(4) / 4)
    assert found.white_noise_ == 1


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_models_loss_and_gradient_are_those_of_a_plain_computation(rank):
    rng = np.random.default_rng(0)
    strings = every_string(2)
    y, weights = rng.uniform(-0.5, 0.5, len(strings)), rng.uniform(0.5, 2, len(strings))
    ensemble, size = states.measured(strings, "cpu", torch.float64, np.sqrt(weights))
    model = states.StateModel(ensemble, size, y * np.sqrt(weights))
    x = rng.standard_normal(8 * rank + 1)

    def plain(x):
        factor = (x[: 4 * rank] + 1j * x[4 * rank : -1]).reshape(4, rank)
        rho = factor @ factor.conj().T + x[-1] ** 2 * np.eye(4) / 4
        rho /= np.trace(rho).real
        residual = [np.trace(pauli(text) @ rho).real - one for text, one in zip(strings, y, strict=True)]
        return np.mean(weights * np.square(residual)) / 2

    value, gradient = model.loss(x, rank)
    assert value == pytest.approx(plain(x))
    assert gradient == pytest.approx(approx_fprime(x, plain, 1e-7), abs=1e-6)
    assert model.degrees_of_freedom(1, 1) == 7


def test_strings_weigh_as_their_shots_say():
    rho, _ = noisy_ghz(3, 0.1)
    strings = every_string(3)
    errors = {"own": [], "one": []}
    for seed in range(3):
        shots = np.where(np.random.default_rng(seed).random(len(strings)) < 0.5, 20, 5000)
        y = seen(rho, strings, shots, seed)
        for name, told in (("own", shots), ("one", float(shots.mean()))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = StateRegressor().fit(strings, y, shots=told)
            errors[name].append(1 - fidelity(rho, found.matrix_))
    assert np.mean(errors["own"]) < 0.5 * np.mean(errors["one"])


def test_a_string_of_weight_0_counts_for_nothing():
    rho, _ = noisy_ghz(2, 0.1)
    strings = every_string(2)
    y = seen(rho, strings, 1000)
    wrong = np.where(np.arange(len(y)) == 3, -y, y)
    weights = (np.arange(len(y)) != 3).astype(float)
    found = StateRegressor(stop="budget").fit(strings, wrong, sample_weight=weights)
    without = StateRegressor(stop="budget").fit(np.delete(strings, 3), np.delete(y, 3))
    assert np.allclose(found.matrix_, without.matrix_, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1, -1, 1], "sample_weight: allowed are finite numbers of at least 0, not -1"),
        ([0, 0, 0], "sample_weight: all weights are zero; there is nothing to fit"),
        ([1, 1], "sample_weight has shape (2,): allowed is one number per measurement, (3,)"),
        ([1, np.nan, 1], "sample_weight: allowed are finite numbers of at least 0, not nan"),
    ],
)
def test_weights_that_are_none_are_refused(weights, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        StateRegressor().fit(["X", "Y", "Z"], [0.1, 0.2, 0.3], sample_weight=weights)


def test_shots_and_weights_are_one_too_many_and_the_identity_alone_is_nothing():
    with pytest.raises(ValueError, match="allowed is one of them"):
        StateRegressor().fit(["X", "Y"], [0.1, 0.2], shots=10, sample_weight=[1, 1])
    with pytest.raises(ValueError, match="no string but the identity"):
        StateRegressor().fit(["II"], [1.0])


def test_labels_may_be_written_as_others_write_them():
    rho, _ = noisy_ghz(2, 0.1)
    rho = np.kron(rho, np.diag([1, 0]))
    strings = every_string(3)
    y = seen(rho, strings, 1000)
    plain = StateRegressor().fit(strings, y, shots=1000)
    signed = StateRegressor().fit(["+" + text.lower() for text in strings], y, shots=1000)
    turned = StateRegressor().fit(["-" + text for text in strings], -y, shots=1000)
    last_first = StateRegressor(reverse=True).fit([text[::-1] for text in strings], y, shots=1000)
    for other in (signed, turned, last_first):
        assert np.allclose(other.matrix_, plain.matrix_)
    assert np.allclose(last_first.predict(["-ZII"]), -plain.predict(["IIZ"]))
    with pytest.raises(ValueError, match="XX appears 2 times"):
        StateRegressor().fit(["XX", "+xx"], [0.1, 0.1])


@pytest.mark.parametrize("reverse", [False, True])
def test_expectations_of_counts_are_means_of_signs(reverse):
    rng = np.random.default_rng(0)
    settings = ["".join(letters) for letters in product("XYZ", repeat=2)]
    shots = [(setting, f"{rng.integers(4):02b}") for setting in settings for _ in range(7)]
    strings, y, counted = expectations_from_shots(*zip(*shots, strict=True), reverse=reverse)
    assert len(strings) == 15
    for text, mean, count in zip(strings, y, counted, strict=True):
        outcomes = []
        for setting, outcome in shots:
            letters, bits = (setting[::-1], outcome[::-1]) if reverse else (setting, outcome)
            if all(asked in ("I", given) for asked, given in zip(text, letters, strict=True)):
                kept = [bit for bit, asked in zip(bits, text, strict=True) if asked != "I"]
                outcomes.append((-1) ** kept.count("1"))
        assert count == len(outcomes)
        assert mean == pytest.approx(np.mean(outcomes))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"XI": {"00": 1}}, "setting XI: allowed are the letters X, Y, Z"),
        ({"XZ": {"0": 1}}, "setting XZ: outcome '0'; allowed are 2 digits, 0 or 1"),
        ({"XZ": {"00": -1}}, "setting XZ, outcome 00: count -1; allowed are whole numbers from 0"),
        ({"XZ": {"00": 0}}, "counts: there are no shots"),
        ({"XZ": {"00": 3}, "X": {"0": 1}}, "settings are of different lengths"),
    ],
)
def test_counts_that_are_none_are_refused(counts, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        expectations_from_counts(counts)


def test_error_bars_are_the_spread_of_fits_to_other_shots():
    rho, psi = noisy_ghz(2, 0.2)
    strings = every_string(2)
    estimates, bars, covers = [], [], []
    for seed in range(12):
        found = StateRegressor().fit(strings, seen(rho, strings, 300, seed), shots=300)
        bar = found.error_bars(lambda rho: fidelity(rho, psi), replicates=30, random_state=seed)
        estimates.append(bar["estimate"])
        bars.append(bar["standard_error"])
        covers.append(bar["low"] <= psi @ rho @ psi <= bar["high"])
    # 12 estimates give a spread to within a fifth, one standard deviation; of 12 intervals of 95 % 9 or more cover.
    assert np.mean(bars) == pytest.approx(np.std(estimates, ddof=1), rel=0.6)
    assert np.sum(covers) >= 9
    expected = found.error_bars(["ZZ", "-XX"], replicates=5)
    assert expected["estimate"] == pytest.approx(found.predict(["ZZ", "-XX"]))
    assert expected["low"].shape == (2,)


def test_error_bars_need_a_noise_and_a_state_that_has_grown():
    strings = every_string(1)
    with pytest.raises(ValueError, match="error bars need shots, or the noise"):
        StateRegressor(stop="budget").fit(strings, [0.1, 0.2, 0.3]).error_bars(purity)
    with pytest.raises(ValueError, match="error bars are available only for method = grown"):
        StateRegressor(method="factored", stop="budget", max_iter=50).fit(strings, [0.1, 0.2, 0.3]).error_bars(purity)


def test_the_package_lists_its_estimators_and_a_state_takes_strings():
    assert {"StateRegressor", "LowRankImputer", "purity"} <= set(dir(recover))
    assert StateRegressor().__sklearn_tags__().input_tags.string


def test_fidelity_of_mixed_states_is_uhlmanns():
    one, other = np.diag([0.7, 0.3]), np.diag([0.4, 0.6])
    assert fidelity(one, other) == pytest.approx((np.sqrt(0.28) + np.sqrt(0.18)) ** 2)
    assert fidelity(one, np.array([0, 2.0])) == pytest.approx(0.3)


def test_expectations_beyond_their_noise_are_said():
    strings = every_string(2)
    y = np.where(np.arange(len(strings)) % 2, 0.9, -0.9)
    with pytest.warns(UserWarning, match="no state fits within the noise: the residual is .* times as large"):
        StateRegressor().fit(strings, y, shots=1000)


def test_descent_of_full_width_does_not_lose_white_noise_either():
    rho, _ = noisy_ghz(3, 0.1)
    strings = every_string(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = StateRegressor(method="factored", max_iter=1000).fit(strings, seen(rho, strings, 10_000), shots=10_000)
    assert np.trace(found.matrix_).real == pytest.approx(1)
    assert 1 - fidelity(rho, found.matrix_) < 0.005
