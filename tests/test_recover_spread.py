"""Standard errors of predictions: the bootstrap beside closed forms of least squares, and beside a plain loop."""

import numpy as np
import pytest

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor, base

pytestmark = pytest.mark.filterwarnings("ignore")


def assert_alike(errors, expected):
    """Assert that standard deviations of 30 draws, each off by 13 % (one of its own), are those expected."""
    assert errors == pytest.approx(expected, rel=0.5)
    assert np.mean(errors / expected) == pytest.approx(1, rel=0.2)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Draw labels 30 times in place of 100."""
    monkeypatch.setattr(base, "REPLICATES", 30)


def least_squares_errors(design, new, noise, weights=None):
    """Return the standard errors of predictions of rows ``new`` by least squares on rows of a design."""
    weights = np.ones(len(design)) if weights is None else weights / weights.mean()
    inverse = np.linalg.pinv(design.T @ (weights[:, None] * design))
    return noise * np.sqrt(np.einsum("ij,jk,ik->i", new, inverse, new))


@pytest.mark.parametrize(("vectors", "weighted"), [(False, True), (True, False)])
def test_of_a_rank_they_are_those_of_least_squares_in_its_tangent_space(vectors, weighted):
    rng, m, noise = np.random.default_rng(0), 80, 0.05
    u = np.array([1.0, -2.0, 0.5])
    x = rng.standard_normal((m + 10, 3))
    A = x[:, :, None] * x[:, None, :] if vectors else rng.standard_normal((m + 10, 3, 3))
    weights = np.where(np.arange(m) % 2, 0.25, 1.0) if weighted else np.ones(m)
    y = np.einsum("mij,i,j->m", A, u, u)
    y[:m] += noise * rng.standard_normal(m) / np.sqrt(weights / weights.mean())
    X = x if vectors else A
    told = {"vectors": vectors, "noise": noise, "stop": "budget", "alpha": 0.1, "max_iter": 60}
    found = LowRankMatrixRegressor(**told).fit(X[:m], y[:m], sample_weight=weights if weighted else None)
    predictions, errors = found.predict(X[m:], return_std=True)
    # d⟨A, uuᵀ⟩ = ⟨(A + Aᵀ)u, du⟩
    tangent = (A + A.transpose(0, 2, 1)) @ u
    expected = least_squares_errors(tangent[:m], tangent[m:], noise, weights)
    assert np.array_equal(predictions, found.predict(X[m:]))
    assert_alike(errors, expected)


def test_of_a_quadratic_they_are_those_of_regression_on_all_products():
    rng, n, noise = np.random.default_rng(0), 120, 0.1
    X = rng.standard_normal((n + 10, 2))
    y = X[:, 0] ** 2 - 0.8 * X[:, 0] * X[:, 1] - X[:, 1] ** 2 + X[:, 1] + 0.5 + noise * rng.standard_normal(n + 10)
    found = QuadraticRegressor(stop="budget", max_iter=400, alpha=0.1).fit(X[:n], y[:n])
    _, errors = found.predict(X[n:], return_std=True)
    design = np.column_stack([np.ones(n + 10), X, X[:, 0] ** 2, X[:, 0] * X[:, 1], X[:, 1] ** 2])
    solution, *_ = np.linalg.lstsq(design[:n], y[:n])
    sigma = np.linalg.norm(y[:n] - design[:n] @ solution) / np.sqrt(n - 6)
    assert_alike(errors, least_squares_errors(design[:n], design[n:], sigma))


def test_of_entries_they_are_those_of_least_squares_in_the_tangent_space_of_the_rank():
    rng, noise = np.random.default_rng(0), 0.05
    u, v = rng.standard_normal(12), rng.standard_normal(10)
    whole = np.outer(u, v)
    known = rng.random(whole.shape) < 0.6
    y = whole[known] + noise * rng.standard_normal(known.sum())
    found = MatrixCompleter(biases=False, center=False, noise=noise).fit(np.argwhere(known), y)
    gaps = np.argwhere(~known)
    _, errors = found.predict(gaps, return_std=True)

    def tangent(places):
        rows = np.zeros((len(places), 22))
        for row, (i, j) in zip(rows, places, strict=True):
            row[i], row[12 + j] = v[j], u[i]
        return rows

    expected = least_squares_errors(tangent(np.argwhere(known)), tangent(gaps), noise)
    assert_alike(errors, expected)
    same = found.error_bars(gaps, replicates=5)
    assert same["estimate"] == pytest.approx(found.predict(gaps))
    assert (same["low"] < same["high"]).all()


@pytest.mark.parametrize("told", [{}, {"method": "factored", "max_iter": 40}])
def test_entries_with_names_have_them_too(told, monkeypatch):
    monkeypatch.setattr(base, "REPLICATES", 4)
    rng = np.random.default_rng(0)
    whole = 3 + np.outer(rng.standard_normal(8), rng.standard_normal(9)) + 0.1 * rng.standard_normal((8, 9))
    known = np.argwhere(rng.random(whole.shape) < 0.8)
    names = np.array([[f"r{i}", f"c{j}"] for i, j in known])
    by_place = MatrixCompleter(**told, shape=(8, 9)).fit(known, whole[tuple(known.T)])
    by_name = MatrixCompleter(**told).fit(names, whole[tuple(known.T)])
    errors = by_name.predict(names[:5], return_std=True)[1]
    assert (errors > 0).all()
    assert errors == pytest.approx(by_place.predict(known[:5], return_std=True)[1], rel=1e-6)


def test_of_a_state_they_are_the_spread_of_a_plain_loop():
    strings, y = ["X", "Y", "Z"], [0.3, 0.0, 0.8]
    found = StateRegressor().fit(strings, y, shots=[100, 200, 400])
    predictions, errors = found.predict(["Z", "-X"], return_std=True)
    drawn = [[rho[0, 0].real - rho[1, 1].real, -2 * rho[0, 1].real] for rho in found.bootstrap(30)]
    assert errors == pytest.approx(np.std(drawn, axis=0, ddof=1))
    assert predictions == pytest.approx(found.predict(["Z", "-X"]))
    # Inside the ball every expectation is fitted as it is seen.
    assert_alike(errors, np.sqrt((1 - predictions**2) / [400, 100]))


def test_the_noise_must_be_told_where_nothing_is_left_to_judge_it_by():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 3, 3))
    found = LowRankMatrixRegressor(stop="budget", max_iter=5).fit(A, np.einsum("mii->m", A))
    with pytest.raises(ValueError, match="error bars need the noise of the observations"):
        found.predict(A, return_std=True)
    assert np.isfinite(found.set_params(noise=0.1).fit(A, np.einsum("mii->m", A)).predict(A, return_std=True)[1]).all()


def test_an_interval_has_a_level_between_0_and_1():
    with pytest.raises(ValueError, match=r"level = 1: allowed is a number between 0 and 1"):
        StateRegressor().fit(["X", "Z"], [0.1, 0.2], shots=10).error_bars(["X"], level=1)


def test_a_table_fitted_again_on_its_own_labels_is_the_same_table():
    rng = np.random.default_rng(1)
    table = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 16))
    positions = np.argwhere(rng.random(table.shape) < 0.7)
    labels = table[tuple(positions.T)] + 0.01 * rng.standard_normal(len(positions))
    found = MatrixCompleter(shape=table.shape, ids="positions").fit(positions, labels)
    again = found._again(positions, labels, np.ones(len(labels)))
    assert len(found.eigenvalues_) >= 2
    np.testing.assert_allclose(again.eigenvalues_, found.eigenvalues_, rtol=1e-8)
    np.testing.assert_allclose(again.matrix_, found.matrix_, atol=1e-8)
