"""Spectral and convolutional networks against plain loops and finite differences, what is refused, and the figures."""

import numpy as np
import pytest
from conftest import measured, refused
from drawn import RUNS, crossed, curve, geometric, level, margin, mean, where
from scipy.optimize import linprog

from algoreg.chapters.spectral import layers
from algoreg.chapters.spectral.experiments import convolution, spectral_commuting, spectral_network
from algoreg.reporting import figures

D, SEED, TARGET = 5, 3, 1


def shaped(matrix):
    left, values, right = np.linalg.svd(matrix)
    return left @ np.diag(np.tanh(values)) @ right


def derivative(function, at, step=1e-6):
    """Return the gradient of a number in an array by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = [at.copy(), at.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        found[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return found


@pytest.mark.parametrize("equal", [False, True])
def test_the_pull_back_is_the_derivative_also_where_singular_values_meet(equal):
    rng = np.random.default_rng(0)
    matrix, gradient = rng.standard_normal((2, 4, 4))
    if equal:
        left, _, right = np.linalg.svd(matrix)
        matrix = left @ np.diag([0.9, 0.9, 0.4, 0.4]) @ right
    found, decomposition = layers.spectral(matrix[None])
    np.testing.assert_allclose(found[0], shaped(matrix), atol=1e-12)
    expected = derivative(lambda one: (shaped(one) * gradient).sum(), matrix)
    np.testing.assert_allclose(layers.pulled_back(gradient[None], decomposition)[0], expected, atol=1e-7)
    # At 0 the function is the identity.
    zero = layers.spectral(np.zeros((1, 4, 4)))[1]
    np.testing.assert_allclose(layers.pulled_back(gradient[None], zero)[0], gradient, atol=1e-12)


def network_rows(**changes):
    options = {"d": D, "rank": 1, "m_over_dof": [1.6], "start": [0.3], "iterations": 12, "targets": 2}
    return measured("spectral_network", {**options, **changes}, seed=SEED)


@pytest.mark.witness("spectral_network", "test_error")
def test_networks_are_those_of_plain_loops():
    table = network_rows()
    own = table[table["target"] == TARGET].set_index("network")
    m = round(1.6 * (2 * D - 1))
    a = spectral_network.draw_rows(D, m, SEED, 0).reshape(m, D, D)
    goal = spectral_network.draw_target(D, 1, SEED, TARGET)
    labels = np.tensordot(a, goal, 2)
    u, v = plain_u, plain_v = 0.3 * spectral_network.draw_factors(D, SEED, TARGET)
    weight = 1.0
    for _ in range(12):
        pull = np.tensordot(np.tensordot(a, weight * shaped(u @ v.T), 2) - labels, a, 1) / m
        inner = weight * derivative(lambda one, pull=pull: (shaped(one) * pull).sum(), u @ v.T)
        weight = weight - 0.1 * (shaped(u @ v.T) * pull).sum()
        u, v = u - 0.1 * inner @ v, v - 0.1 * inner.T @ u
        pull = np.tensordot(np.tensordot(a, plain_u @ plain_v.T, 2) - labels, a, 1) / m
        plain_u, plain_v = plain_u - 0.1 * pull @ plain_v, plain_v - 0.1 * pull.T @ plain_u
    ends = {
        "spectral": weight * shaped(u @ v.T),
        "plain": plain_u @ plain_v.T,
        "linear": np.linalg.lstsq(a.reshape(m, -1), labels, rcond=None)[0].reshape(D, D),
    }
    for name, x in ends.items():
        assert own.loc[name, "test_error"] == pytest.approx(np.linalg.norm(x - goal) / np.linalg.norm(goal), rel=1e-6)
    assert own.loc["linear", "status"] == "converged"
    assert own.loc["plain", "status"] == "budget"


@pytest.mark.witness("spectral_commuting", "distance")
def test_a_commuting_network_is_a_plain_loop_and_a_matrix_network_on_diagonals():
    options = {"d": D, "m": 3, "support": 2, "size": [2.0], "start": [0.2], "iterations": 40, "targets": 2}
    table = measured("spectral_commuting", options, seed=SEED)
    (row,) = table[table["target"] == TARGET].to_dict("records")
    rows = spectral_commuting.stream("ensemble", kind="diagonal", d=D, seed=SEED, ensemble=0).standard_normal((3, D))
    goal = 2 * spectral_commuting.draw_diagonal(D, 2, SEED, TARGET)
    labels = rows @ goal
    weights = spectral_commuting.stream("weights", d=D, seed=SEED, target=TARGET).uniform(0, 1, 3)
    u = np.full((3, D), 0.2)
    for _ in range(40):
        pull = rows.T @ (rows @ (weights @ np.tanh(u**2)) - labels) / 3
        slopes = np.outer(weights, pull) / np.cosh(u**2) ** 2 * u
        weights = weights - 0.01 * np.tanh(u**2) @ pull
        u = u - 0.02 * slopes
    x = weights @ np.tanh(u**2)
    assert row["train_error"] == pytest.approx(np.linalg.norm(rows @ x - labels) / np.linalg.norm(labels), rel=1e-9)
    least = linprog(np.ones(D), A_eq=rows, b_eq=labels).x
    assert row["distance"] == pytest.approx(np.linalg.norm(x - least) / np.linalg.norm(goal), rel=1e-5)
    assert row["largest_shaped"] == pytest.approx(np.tanh(u**2).max())
    assert row["status"] == "budget"


@pytest.mark.parametrize("network", ["convolutional", "fully_connected", "linear"])
def test_classifiers_have_the_gradients_of_finite_differences(network):
    options = {"d": 6, "m": 3, "start": 0.5, "targets": 1}
    points, labels = convolution.draw_points(options, SEED, 0)
    parameters = convolution.draw_start(options, network, SEED, 0)

    def beta(*parts):
        if network == "convolutional":
            first, second = parts
            return np.array([sum(first[k] * second[(n - k) % 6] for k in range(6)) for n in range(6)])
        return parts[0].T @ parts[1] if network == "fully_connected" else parts[0]

    batched = [one[None] for one in parameters]
    np.testing.assert_allclose(convolution.vector(network, batched)[0], beta(*parameters), atol=1e-12)
    weights = labels[0] @ points
    for number, found in enumerate(convolution.pulled(network, batched, weights[None])):
        expected = derivative(
            lambda one, number=number: beta(*parameters[:number], one, *parameters[number + 1 :]) @ weights,
            parameters[number],
        )
        np.testing.assert_allclose(found[0], expected, atol=1e-7)


def test_margins_are_below_the_largest_and_one_layer_ends_at_the_euclidean_one():
    options = {"d": 8, "m": 3, "network": ["convolutional", "linear"], "iterations": 3000, "targets": 2}
    table = measured("convolution", options, seed=SEED)
    for column in ("fourier_margin", "euclidean_margin"):
        assert (table[column] < 1 + 1e-6).all()
    assert (where(table, network="linear")["euclidean_margin"] > 0.98).all()
    assert (where(table, network="convolutional")["fourier_margin"] > 0.95).all()
    # The Euclidean one is that of the nearest point of a convex hull.
    points, labels = convolution.draw_points(options, SEED, 0)
    signed = labels[0][:, None] * points
    _, euclidean = convolution.largest_margins(signed)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 20_000)
    assert euclidean == pytest.approx(np.linalg.norm(shares @ signed, axis=1).min(), rel=0.02)


@pytest.mark.witness("convolution", "fourier_margin")
def test_the_fourier_margin_is_that_of_a_plain_loop_over_the_largest():
    import cvxpy

    options = {"d": 5, "m": 3, "network": ["convolutional"], "start": 0.5, "iterations": 20, "targets": 2}
    table = measured("convolution", options, seed=SEED).set_index("target")
    points, labels = convolution.draw_points({**options, "step": 0.1}, SEED, 0)
    signed = labels[TARGET][:, None] * points
    first, second = convolution.draw_start(options, "convolutional", SEED, TARGET)

    def beta(first, second):
        return np.array([sum(first[k] * second[(n - k) % 5] for k in range(5)) for n in range(5)])

    for t in range(20):
        losses = np.exp(-signed @ beta(first, second))
        pull = -(losses / losses.sum()) @ signed
        # β_n = Σ_k w_k v_{n−k}: the gradient in w_k is Σ_n pull_n v_{n−k}.
        own = [
            np.array([sum(pull[n] * other[(n - k) % 5] for n in range(5)) for k in range(5)])
            for other in (second, first)
        ]
        length = 0.1 / (1 + t / 2000) ** 0.5 / np.sqrt(sum(np.sum(part**2) for part in own))
        first, second = first - length * own[0], second - length * own[1]
    transform = np.exp(-2j * np.pi * np.outer(range(5), range(5)) / 5) / 5**0.5
    free = cvxpy.Variable(5)
    problem = cvxpy.Problem(cvxpy.Maximize(cvxpy.min(signed @ free)), [cvxpy.norm(transform @ free, 1) <= 1])
    problem.solve(cvxpy.CLARABEL)
    end = beta(first, second)
    margin_of_end = (signed @ end).min() / np.abs(transform @ end).sum()
    assert table.loc[TARGET, "fourier_margin"] == pytest.approx(margin_of_end / problem.value, rel=1e-5)


def test_bad_options_are_named():
    refused("spectral_network", "start[0] = 2.0: Input should be less than or equal to 1", start=[2.0])
    refused("spectral_network", "m below d²", m_over_dof=[3.0])
    refused("spectral_commuting", "start[0] = 0.9: Input should be less than or equal to 0.5", start=[0.9])
    refused("spectral_commuting", "below d: else one x alone fits", m=10)
    refused("convolution", "need not be separable", m=13)


def test_spectral_networks_shows_errors_distances_and_margins():
    table = crossed(("test_error",), network=["spectral", "plain"], m_over_dof=[1.2, 1.6], start=[0.01, 0.5], **RUNS)
    linear = crossed(("test_error",), seed=1, network=["linear"], m_over_dof=[1.2, 1.6], start=[0.0], **RUNS)
    table = type(table)([*table.to_dict("records"), *linear.to_dict("records")]).assign(d=10, rank=2)
    commuting = crossed(("distance",), size=[1.0, 10.0], start=[1e-2, 1e-4], **RUNS).assign(d=60, m=30)
    drawn = figures.draw("spectral_networks", {"spectral_network": table, "spectral_commuting": commuting})
    left, right = drawn.axes
    means = {}
    for name, label, start in (
        ("spectral", "tanh on singular values, from u₀ = 0.01", 0.01),
        ("plain", "plain factors, from u₀ = 0.5", 0.5),
        ("linear", "linear descent from 0", 0.0),
    ):
        means[name] = geometric(where(table, network=name, start=start), "m_over_dof", "test_error")
        np.testing.assert_allclose(curve(left, label).to_numpy(), means[name].to_numpy())
    assert dict(curve(left, "margin: above 2")) == {
        1.6: pytest.approx(means["linear"][1.6] / margin("spectral-network-small-start"))
    }
    own = geometric(where(commuting, size=10.0), "start", "distance")
    np.testing.assert_allclose(curve(right, "singular values near 10").sort_index().to_numpy(), own.to_numpy())
    assert level(right, "margin") == margin("spectral-network-least-norm")


def test_convolution_shows_both_margins_of_every_network():
    names = ["convolutional", "fully_connected", "linear"]
    table = crossed(("fourier_margin", "euclidean_margin"), network=names, **RUNS).assign(d=32, m=16)
    (axes,) = figures.draw("convolution", {"convolution": table}).axes
    for label, value in (("per ‖β̂‖₁", "fourier_margin"), ("per ‖β‖₂", "euclidean_margin")):
        np.testing.assert_allclose(curve(axes, label).to_numpy(), mean(table, "network", value)[names].to_numpy())
    assert level(axes, "margin") == margin("convolution-fourier-margin")
