"""Pauli observables beside Kronecker products of 2 × 2 matrices."""

from functools import reduce
from itertools import product

import numpy as np
import plain
import pytest
import torch

from algoreg.algorithms import factored
from algoreg.ensembles import pauli, pauli_hermitian

LETTERS = {
    "I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])
}  # fmt: skip
SEED = 3


def dense(text):
    return reduce(np.kron, [LETTERS[letter] for letter in text])


def letters_of(x, z, qubits):
    bits = [((x >> k) & 1, (z >> k) & 1) for k in reversed(range(qubits))]
    return "".join({(0, 0): "I", (1, 0): "X", (1, 1): "Y", (0, 1): "Z"}[pair] for pair in bits)


def matrices_of(d, ensemble):
    """Return A_i of an ensemble of real strings, by Kronecker products."""
    qubits = d.bit_length() - 1
    every, _ = pauli.Ensemble.strings(d)
    order = [letters_of(cell // d, cell % d, qubits) for cell in ensemble.cells.tolist()]
    return np.stack([dense(text).real for text in order]) * (len(every) / d) ** 0.5


def symmetric(count, d):
    drawn = np.random.default_rng(0).standard_normal((count, d, d))
    return drawn + drawn.transpose(0, 2, 1)


@pytest.mark.parametrize("d", [2, 4, 8])
def test_real_strings_are_kronecker_products(d):
    m = min(20, d * (d + 1) // 2)
    ensemble = pauli.Ensemble.draw(d, m, SEED, 0)
    assert len(set(ensemble.cells.tolist())) == m
    matrices, x = matrices_of(d, ensemble), symmetric(2, d)
    np.testing.assert_allclose(ensemble.measure(torch.from_numpy(x)), [plain.measure(matrices, one) for one in x])
    weights = np.random.default_rng(1).standard_normal((2, m))
    expected = np.tensordot(weights, matrices, 1)
    np.testing.assert_allclose(ensemble.adjoint(torch.from_numpy(weights)), expected, atol=1e-14)
    labels = torch.from_numpy(weights)
    for one, count, found in zip(
        range(2), (m, 2), ensemble.shared_by([m, 2]).gradient(torch.from_numpy(x), labels), strict=True
    ):
        expected = plain.gradient(matrices[:count], x[one], weights[one, :count])
        np.testing.assert_allclose(found, expected, atol=1e-12)
    part = ensemble.select(torch.tensor([1, 1, 0]))
    np.testing.assert_allclose(part.adjoint(labels[:, :3]), np.tensordot(weights[:, :3], matrices[[1, 1, 0]], 1))
    # All of them are an isometry of the symmetric matrices.
    whole = pauli.Ensemble.draw(d, d * (d + 1) // 2, SEED, 0)
    x = torch.from_numpy(x)
    torch.testing.assert_close(whole.gradient(x, 0 * whole.measure(x)), x)


def test_complex_strings_give_the_expectations_of_hermitian_matrices():
    qubits, d = 2, 8
    generator = np.random.default_rng(SEED)
    z = generator.standard_normal((4, 4)) + 1j * generator.standard_normal((4, 4))
    state = z @ z.conj().T
    held = pauli_hermitian.as_real(torch.from_numpy(state))
    torch.testing.assert_close(pauli_hermitian.as_complex(held), torch.from_numpy(state))
    texts = ["".join(each) for each in product("IXYZ", repeat=qubits)]
    pairs = torch.tensor([pauli.from_letters(text) for text in texts])
    x, zs, signs = pauli_hermitian.real_string(*pairs.T, qubits)
    ensemble = pauli_hermitian.Ensemble(torch.stack([x, zs], dim=1), d, 16, signs)
    expected = [np.trace(dense(text) @ state).real for text in texts]
    # Twice the trace, of A_i = √(16/8)·R(P_i).
    np.testing.assert_allclose(ensemble.measure(held[None])[0] / 2**1.5, expected)
    # All of them are an isometry there, and see nothing else of a matrix.
    torch.testing.assert_close(ensemble.gradient(held[None], torch.zeros(1, 16, dtype=torch.float64))[0], held)
    other = torch.from_numpy(symmetric(1, d))
    part = pauli_hermitian.as_real(pauli_hermitian.as_complex(other))
    torch.testing.assert_close(ensemble.measure(other), ensemble.measure(part))
    drawn = pauli_hermitian.Ensemble.draw(d, 16, SEED, 0)
    assert sorted(drawn.cells.tolist()) == sorted(ensemble.cells.tolist())


def test_a_descent_from_the_identity_finds_a_pure_complex_state():
    d = 16
    generator = np.random.default_rng(SEED)
    z = generator.standard_normal(8) + 1j * generator.standard_normal(8)
    state = np.outer(z, z.conj()) / np.linalg.norm(z) ** 2
    ensemble = pauli_hermitian.Ensemble.draw(d, 48, SEED, 0)
    labels = ensemble.measure(pauli_hermitian.as_real(torch.from_numpy(state))[None])
    run = {"step": 0.25, "m": 48, "target": 0, "alpha": 1e-3, "start": "identity"}
    algorithm = factored.Algorithm(ensemble, labels, [run], SEED)
    found = algorithm.estimate(algorithm.advance(algorithm.initial(), 0, 400))[0]
    torch.testing.assert_close(found, pauli_hermitian.as_real(pauli_hermitian.as_complex(found)), atol=1e-9, rtol=0)
    assert plain.relative_error(pauli_hermitian.as_complex(found).numpy(), state) < 1e-2


def test_what_is_no_pauli_string_is_refused():
    assert pauli.from_letters("XYZI") == (0b1100, 0b0110)
    with pytest.raises(ValueError, match="'XQ': a Pauli string has the letters I, X, Y, Z"):
        pauli.from_letters("XQ")
    with pytest.raises(ValueError, match="d = 6: allowed is a power of 2"):
        pauli.Ensemble.draw(6, 3, SEED, 0)
    with pytest.raises(ValueError, match="m = 11: there are 10 strings at d = 4"):
        pauli.Ensemble.draw(4, 11, SEED, 0)
    with pytest.raises(ValueError, match="share an even number of bits"):
        pauli.Ensemble(torch.tensor([[1, 1]]), 4)
    for module, d in ((pauli, 6), (pauli_hermitian, 2)):
        assert "a power of 2" in module.Limits.refused_d(d)
        assert module.Limits.refused_d(8) is None
        assert len(module.Ensemble.strings(8)[0]) == module.Limits.most_m(8)
