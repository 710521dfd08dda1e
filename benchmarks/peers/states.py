"""Recover states by ours, RρR maximum likelihood and weighted least squares: python benchmarks/peers/states.py."""

from functools import reduce
from itertools import islice, product

import common
import numpy as np

from algoreg.chapters.practice import full_rank_states
from algoreg.recover import StateRegressor, fidelity

ONE = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


def ours(strings, matrices, y, shots):
    """Return the state of growing factors."""
    return StateRegressor().fit(strings, y, shots=shots).matrix_


def likelihood(strings, matrices, y, shots, steps=300):
    """Return an iterate of RρR maximum likelihood."""
    return next(islice(full_rank_states.likelihood(matrices, y, shots), steps - 1, None))


def least_squares(strings, matrices, y, shots, steps=300):
    """Return the state of least Σ shots·(tr Pρ − y)², by accelerated projected gradient."""
    d, weights = matrices.shape[1], shots / shots.mean()
    flat, rate = matrices.reshape(len(y), -1), 1 / (weights.max() * d)
    rho = ahead = np.eye(d) / d
    for step in range(steps):
        gradient = ((weights * ((flat.conj() @ ahead.ravel()).real - y)) @ flat).reshape(d, d)
        values, vectors = np.linalg.eigh(ahead - rate * gradient)
        following = (vectors * full_rank_states.simplex(values)) @ vectors.conj().T
        ahead, rho = following + step / (step + 3) * (following - rho), following
    return rho


METHODS = {
    "ours": ours,
    "RρR": likelihood,
    "weighted least squares": least_squares,
}


def problem(kind, qubits, p, shots, share=1.0):
    """Return a state with white noise p, and its error: 1 − fidelity."""
    strings = np.array(["".join(letters) for letters in product("IXYZ", repeat=qubits)][1:])
    matrices = np.array([reduce(np.kron, [ONE[letter] for letter in text]) for text in strings])

    def drawn(seed):
        rng, d = np.random.default_rng(seed), 2**qubits
        factor = rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d))
        factor = factor[:, : {"rank 2": 2, "full rank": d}.get(kind, 1)]
        if kind == "GHZ":
            factor = np.zeros((d, 1))
            factor[[0, -1]] = 1
        rho = factor @ factor.conj().T
        rho = (1 - p) * rho / np.trace(rho).real + p * np.eye(d) / d
        some = np.sort(rng.permutation(len(strings))[: round(share * len(strings))])
        counts = np.full(len(some), shots) if shots else np.where(rng.random(len(some)) < 0.5, 50, 5000)
        exact = np.einsum("mij,ji->m", matrices[some], rho).real
        y = 2 * rng.binomial(counts, ((1 + exact) / 2).clip(0, 1)) / counts - 1
        return (strings[some], matrices[some], y, counts), lambda found: max(0.0, 1 - fidelity(rho, found))

    return drawn


def problems():
    """Yield name, methods and problem of every row."""
    rows = [
        ("GHZ", 4, 0.05, 1000, 1.0),
        ("GHZ", 4, 0.05, 10_000, 1.0),
        ("GHZ", 4, 0.05, 100_000, 1.0),
        ("GHZ", 5, 0.05, 10_000, 1.0),
        ("GHZ", 4, 0.2, 1000, 0.4),
        ("random pure", 4, 0.1, 1000, 1.0),
        ("random pure", 4, 0.1, 100_000, 1.0),
        ("random pure", 4, 0.0, 1000, 1.0),
        ("random pure", 4, 0.0, 1000, 0.4),
        ("rank 2", 4, 0.0, 1000, 0.4),
        ("full rank", 4, 0.0, 1000, 1.0),
        ("full rank", 4, 0.0, 100_000, 1.0),
        ("GHZ", 4, 0.0, None, 1.0),
        ("random pure", 4, 0.05, None, 0.4),
    ]
    for kind, qubits, p, shots, share in rows:
        noise = f", white noise {p:g}" if p else ""
        what = f"{kind}, {qubits} qubits{noise}, {'50 or 5000' if shots is None else shots} shots"
        yield (
            what + (f", {share:.0%} of the strings" if share < 1 else ""),
            METHODS,
            problem(kind, qubits, p, shots, share),
        )


def main():
    """Return the section."""
    return "## States\n\n" + common.table(problems(), "1 − fidelity")


if __name__ == "__main__":
    print(main())
