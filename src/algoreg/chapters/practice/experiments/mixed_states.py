"""Mixed quantum states from Pauli expectations with shot noise: a rank that grows and white noise,
beside estimates of full rank.
"""

import warnings
from functools import reduce
from itertools import islice, product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from algoreg.chapters.practice.experiments.tomography import observed, pure_state
from algoreg.chapters.practice.full_rank_states import least_squares, likelihood
from algoreg.numerics.seeds import stream
from algoreg.recover.states import StateRegressor, fidelity
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    qubits: int = Field(ge=1, le=5)
    state: Several[Literal["ghz", "random", "full rank"]] = Field(["ghz", "random", "full rank"])
    white_noise: Several[Annotated[float, Field(ge=0, lt=1)]]
    share: Several[Annotated[float, Field(gt=0, le=1)]]
    shots: Several[PositiveInt]
    targets: int = Field(ge=2)


KEYS = {
    "qubits": "number of qubits n; the state is 2ⁿ × 2ⁿ",
    "state": (
        "what white noise is added to: `ghz` (with random flips and phases) or `random`, pure; or `full rank`, "
        "GGᴴ/tr GGᴴ with a square complex Gaussian G"
    ),
    "white_noise": "p of ρ = (1 − p)·state + p·I/d",
    "share": "share of the 4ⁿ − 1 Pauli strings without the identity that is measured",
    "shots": "how often each string is measured",
    "method": (
        "`grown` (a rank that grows, and white noise; told the shots), `likelihood` (RρR) or `least squares` (weighted "
        "by one over the variance), both of full rank"
    ),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "infidelity": ("the infidelity", "1 − (tr √(√ρ σ √ρ))² of the estimate ρ and the state σ, at least 10⁻⁹"),
    "smallest": (
        "the smallest infidelity",
        "of `likelihood` the smallest of iterates 5, 10, 20, 50, …, 1000, chosen by the state that nobody knows; "
        "else the infidelity",
    ),
    "trace_distance": ("the trace distance", "half the sum of the sizes of the eigenvalues of ρ − σ"),
    "rank": "the rank that was found, beside white noise (empty: the method finds none)",
}
ONE = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
# Smaller infidelities are not told apart: they are differences of numbers near 1.
LEAST = 1e-9
# Iterates of RρR that are looked at; the last is the estimate.
LOOKS = (5, 10, 20, 50, 100, 200, 500, 1000)


def mixed_state(kind, qubits, white_noise, seed, target):
    """Return the state of a kind with white noise, shape (2ⁿ, 2ⁿ): the same for every ensemble."""
    d = 2**qubits
    if kind == "full rank":
        generator = stream("state", kind=kind, qubits=qubits, seed=seed, target=target)
        factor = generator.standard_normal((d, d)) + 1j * generator.standard_normal((d, d))
    else:
        factor = pure_state(kind, qubits, seed, target)[:, None]
    rho = factor @ factor.conj().T
    return (1 - white_noise) * rho / np.trace(rho).real + white_noise * np.eye(d) / d


def strings_of(qubits, share, seed, number):
    """Return the first Pauli strings without the identity in a random order, of which every share takes the first."""
    every = ["".join(letters) for letters in product("IXYZ", repeat=qubits)][1:]
    order = stream("paulis", qubits=qubits, seed=seed, ensemble=number).permutation(len(every))
    return [every[place] for place in order[: max(1, round(share * len(every)))]]


def trace_distance(one, other):
    """Return half of Σ|λ_i(ρ − σ)|."""
    return float(np.abs(np.linalg.eigvalsh(one - other)).sum() / 2)


def _grown(strings, y, shots, device):
    """Return the state with a rank that grows, and that rank."""
    with warnings.catch_warnings():
        # What they say is in the table: how far the state is.
        warnings.simplefilter("ignore")
        found = StateRegressor(device=device).fit(strings, y, shots=shots)
    return found.matrix_, int(found.path_["rank"][-1])


def measure(options, context, number, share):
    """Return one row per state, white noise, share, shots, target, ensemble and method.

    An ensemble is a random order of the strings, of which every share takes the first.
    """
    qubits = options["qubits"]
    strings = strings_of(qubits, share, context.seed, number)
    matrices = np.array([reduce(np.kron, [ONE[letter] for letter in text]) for text in strings])
    cases = product(options["state"], options["white_noise"], options["shots"], range(options["targets"]))
    for kind, white_noise, shots, target in cases:
        rho = mixed_state(kind, qubits, white_noise, context.seed, target)
        exact = np.einsum("mij,ji->m", matrices, rho).real
        names = {"kind": kind, "white_noise": white_noise, "qubits": qubits, "target": target, "shots": shots}
        # One stream per string's place: a larger share sees the same shots first.
        y = observed(exact, shots, stream("shots", **names, seed=context.seed, ensemble=number))
        each = np.full(len(y), float(shots))
        iterates = enumerate(islice(likelihood(matrices, y, each), LOOKS[-1]), 1)
        path = [iterate for step, iterate in iterates if step in LOOKS]
        grown, rank = _grown(strings, y, shots, str(context.device))
        found = {"grown": [grown], "likelihood": path, "least squares": [least_squares(matrices, y, each)]}
        for method, estimates in found.items():
            errors = [max(LEAST, 1 - fidelity(rho, estimate)) for estimate in estimates]
            yield {
                "qubits": qubits,
                "state": kind,
                "white_noise": white_noise,
                "share": share,
                "shots": shots,
                "method": method,
                "target": target,
                "ensemble": number,
                "m": len(strings),
                "infidelity": errors[-1],
                "smallest": min(errors),
                "trace_distance": trace_distance(rho, estimates[-1]),
                "rank": rank if method == "grown" else np.nan,
                "status": "converged",
            }
