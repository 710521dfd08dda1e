"""Mixed states: estimates of full rank against closed forms, and the table against plain matrices."""

from functools import reduce
from itertools import islice, product

import numpy as np
import pytest
from conftest import measured, option_problems
from drawn import RUNS, crossed, curve, geometric, where
from scipy.linalg import sqrtm

from algoreg.chapters.practice import full_rank_states
from algoreg.chapters.practice.experiments import mixed_states
from algoreg.numerics.seeds import stream
from algoreg.recover import StateRegressor
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(200)

SEED = 5
OPTIONS = {
    "qubits": 2,
    "state": ["ghz", "full rank"],
    "white_noise": [0.1],
    "share": [0.6],
    "shots": [300],
    "targets": 2,
}
ONE = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
PAULIS = np.array([ONE[letter] for letter in "XYZ"])


@pytest.fixture(scope="module")
def table():
    return measured("mixed_states", OPTIONS, seed=SEED, ensembles=(0,))


def test_likelihoods_iterates_are_those_of_a_loop_over_outcomes():
    y, shots = np.array([0.3, -0.2, 0.9]), np.array([100.0, 200.0, 50.0])
    rho = np.eye(2) / 2
    for found in islice(full_rank_states.likelihood(PAULIS, y, shots), 5):
        root = np.zeros((2, 2), complex)
        for pauli, expectation, count in zip(PAULIS, y, shots, strict=True):
            for sign in (1, -1):
                projector = (np.eye(2) + sign * pauli) / 2
                seen = count * (1 + sign * expectation) / 2
                root += seen / np.trace(projector @ rho).real * projector
        rho = root @ rho @ root
        rho = rho / np.trace(rho).real
        assert found == pytest.approx(rho)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        # Inside the ball every expectation is met; outside, those alike in size come to lie on it.
        ([0.3, -0.2, 0.4], [0.3, -0.2, 0.4]),
        ([0.8, -0.8, 0.8], np.array([1, -1, 1]) / np.sqrt(3)),
    ],
)
def test_estimates_of_one_qubit_are_the_nearest_points_of_the_ball(y, expected):
    shots = np.full(3, 1000.0)
    likely = next(islice(full_rank_states.likelihood(PAULIS, np.array(y), shots), 999, None))
    for rho in (full_rank_states.least_squares(PAULIS, np.array(y), shots), likely):
        assert np.einsum("mij,ji->m", PAULIS, rho).real == pytest.approx(np.array(expected), abs=2e-3)


def test_least_squares_weighs_by_the_variance_and_no_other_state_is_better():
    rng = np.random.default_rng(0)
    y, shots = np.array([0.9, 0.5, -0.3]), np.array([50.0, 400.0, 100.0])
    variance = (1 - (y * shots / (shots + 1)) ** 2) / shots

    def loss(vector):
        return np.sum((vector - y) ** 2 / variance)

    found = np.einsum("mij,ji->m", PAULIS, full_rank_states.least_squares(PAULIS, y, shots)).real
    others = rng.standard_normal((2000, 3))
    others /= np.maximum(1, np.linalg.norm(others, axis=1, keepdims=True))
    assert np.linalg.norm(found) == pytest.approx(1)
    assert loss(found) <= min(map(loss, others))


def test_the_simplexs_nearest_point_is_that_of_a_search():
    values = np.array([-0.4, 0.1, 0.5, 0.9])
    shift = next(t for t in np.linspace(-1, 1, 200_001) if (values - t).clip(0).sum() <= 1)
    assert full_rank_states.simplex(values) == pytest.approx((values - shift).clip(0), abs=1e-4)


def plain_case(kind, target):
    """Return the state, strings, matrices and expectations of ensemble 0."""
    every = ["".join(letters) for letters in product("IXYZ", repeat=2)][1:]
    order = stream("paulis", qubits=2, seed=SEED, ensemble=0).permutation(15)[:9]
    strings = [every[place] for place in order]
    matrices = [reduce(np.kron, [ONE[letter] for letter in text]) for text in strings]
    draw_of = stream("state", kind=kind, qubits=2, seed=SEED, target=target)
    if kind == "full rank":
        factor = draw_of.standard_normal((4, 4)) + 1j * draw_of.standard_normal((4, 4))
    else:
        flips = int(draw_of.integers(4))
        factor = np.zeros((4, 1), complex)
        factor[np.array([0, 3]) ^ flips, 0] = np.exp(2j * np.pi * draw_of.random(2)) / np.sqrt(2)
    rho = factor @ factor.conj().T
    rho = 0.9 * rho / np.trace(rho) + 0.1 * np.eye(4) / 4
    exact = np.array([np.trace(matrix @ rho).real for matrix in matrices])
    names = {"kind": kind, "white_noise": 0.1, "qubits": 2, "target": target, "shots": 300}
    counts = stream("shots", **names, seed=SEED, ensemble=0).binomial(300, np.round((1 + exact) / 2, 12))
    return rho, strings, np.array(matrices), 2 * counts / 300 - 1


@pytest.mark.witness("mixed_states", "infidelity", "smallest", "trace_distance", "rank")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["ghz", "full rank"])
def test_errors_are_those_of_plain_matrices(table, kind):
    rho, strings, matrices, y = plain_case(kind, 1)
    shots = np.full(9, 300.0)
    grown = StateRegressor().fit(strings, y, shots=300)
    path = list(islice(full_rank_states.likelihood(matrices, y, shots), 1000))
    estimates = {
        "grown": [grown.matrix_],
        "likelihood": [path[step - 1] for step in (5, 10, 20, 50, 100, 200, 500, 1000)],
        "least squares": [full_rank_states.least_squares(matrices, y, shots)],
    }
    for method, own in estimates.items():
        (row,) = where(table, state=kind, target=1, method=method).to_dict("records")
        errors = [1 - np.trace(sqrtm(sqrtm(rho) @ one @ sqrtm(rho))).real ** 2 for one in own]
        assert row["infidelity"] == pytest.approx(errors[-1], abs=1e-6)
        assert row["smallest"] == pytest.approx(min(errors), abs=1e-6)
        assert row["trace_distance"] == pytest.approx(np.linalg.norm(rho - own[-1], "nuc") / 2)
        assert row["m"] == 9
    # White noise lifts all eigenvalues alike: those above the least are the rank's.
    values = np.linalg.eigvalsh(grown.matrix_)
    rank = where(table, state=kind, target=1, method="grown")["rank"].item()
    assert np.sum(values > values[0] + 1e-9) == rank < 4


def test_more_strings_see_the_same_shots_first():
    assert mixed_states.strings_of(3, 1.0, SEED, 1)[:25] == mixed_states.strings_of(3, 0.4, SEED, 1)


def test_bad_options_are_named_before_the_run():
    assert any("white_noise" in line for line in option_problems("mixed_states", white_noise=[1.0]))


def test_mixed_states_shows_the_infidelity_by_state_share_and_method():
    axis = {"state": ["ghz", "random", "full rank"], "share": [0.4, 1.0], "white_noise": [0.02, 0.2], "shots": [500]}
    table = crossed(("infidelity", "smallest"), **axis, method=["grown", "likelihood", "least squares"], **RUNS)
    table = table.assign(qubits=3, rank=1)
    shown = {("grown", "infidelity"): "a rank that grows", ("likelihood", "smallest"): "maximum likelihood, its best"}
    shown |= {
        ("likelihood", "infidelity"): "maximum likelihood, iterate 1000",
        ("least squares", "infidelity"): "weighted",
    }
    kinds = (table[table["state"] != "full rank"], where(table, state="full rank"))
    axes_of = draw("mixed_states", {"mixed_states": table}).axes
    for axes, (part, share) in zip(axes_of, product(kinds, (0.4, 1.0)), strict=True):
        for (method, value), label in shown.items():
            expected = geometric(where(part, share=share, method=method), "white_noise", value)
            drawn = curve(axes, label)
            np.testing.assert_allclose(drawn.index, expected.index, rtol=0.1)
            np.testing.assert_allclose(drawn, expected)
