"""Networks under weight decay against cvxpy, plain loops and closed forms; the prediction against simulations."""

import itertools
import math

import cvxpy
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import gaussian_matrices, measured
from drawn import crossed, curve, same

from algoreg.chapters.networks import ledger, regularised
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat
from algoreg.numerics.theory import trace_statistical_dimension
from algoreg.reporting.figures import draw

D, SEED = 5, 7
SMALL = {"d": [D], "m_over_dimension": [2.0], "noise": 0.5, "penalty": 0.3}


def star(rank, number):
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * rank}, D, rank, SEED, number)
    return factor @ factor.T


def examples(m, number):
    """Return the x_i and their matrices (x_ix_iᵀ − I)/√2, one by one."""
    vectors = stream("ensemble", kind="rank-one", d=D, seed=SEED, ensemble=number).standard_normal((m, D))
    return vectors, np.stack([(np.outer(x, x) - np.eye(D)) / math.sqrt(2) for x in vectors])


def solved(matrices, labels, penalty):
    """Return the convex minimiser by cvxpy."""
    x = cvxpy.Variable((D, D), PSD=True)
    fits = cvxpy.hstack([cvxpy.trace(a @ x) for a in matrices]) - labels
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(fits) / (2 * len(labels)) + penalty * cvxpy.trace(x)))
    problem.solve(solver="CLARABEL")
    return x.value


@pytest.mark.witness("regularised_networks", "distance", "distance_narrow", "error", "over")
@pytest.mark.parametrize(
    ("measurements", "teacher"), [("network", "narrow"), ("network", "wide"), ("gaussian", "narrow")]
)
def test_rows_are_those_of_a_convex_solver(measurements, teacher):
    options = SMALL | {"teacher": [teacher], "measurements": [measurements]}
    (row,) = measured("regularised_networks", options, seed=SEED, ensembles=[3]).to_dict("records")
    m, planted = round(2 * trace_statistical_dimension(D, 2)), star(2, 3)
    assert (row["m"], row["rank"]) == (m, 2)
    matrices = examples(m, 3)[1] if measurements == "network" else gaussian_matrices(D, m, SEED, 3)
    sigma = 0.5 * math.sqrt(2)
    noise = sigma * stream("regularised-noise", d=D, seed=SEED, draw=3).standard_normal(m)
    labels = np.array([np.sum(a * planted) for a in matrices]) + noise
    penalty = 0.3 * math.sqrt(2 * D * (sigma**2 + 2) / m)
    found = solved(matrices, labels, penalty)
    error = np.sum((found - planted) ** 2)
    np.testing.assert_allclose([row["penalty"], row["error"]], [penalty, error / 2], rtol=1e-3)
    np.testing.assert_allclose(row["over"], error / regularised.predicted_error(D, 2, m, sigma, penalty), rtol=1e-3)
    assert row["convex_rank"] == np.sum(np.linalg.eigvalsh(found) > 1e-4)
    if measurements == "gaussian":
        assert pd.isna(row["distance"])
        return
    assert row["distance"] < 1e-6
    # A network of two units is at the minimiser if and only if that has no more than rank 2.
    assert (row["distance_narrow"] < 1e-6) == (row["convex_rank"] <= 2)


def test_the_convex_minimiser_and_a_network_meet_its_optimality_conditions():
    vectors, matrices = examples(14, 1)
    labels, penalty = np.random.default_rng(0).normal(size=14), 0.1
    start = np.random.default_rng(1).normal(size=(D, D))
    factor, status = regularised.trained(vectors, labels, penalty, start)
    convex = regularised.convex_minimiser(regularised.centred_rows(vectors), labels, D, penalty)
    assert status == "converged"
    for found in (factor @ factor.T, convex):
        slope = penalty * np.eye(D)
        for a, y in zip(matrices, labels, strict=True):
            slope = slope + (np.sum(a * found) - y) * a / 14
        assert np.linalg.eigvalsh(slope)[0] > -1e-6
        assert abs(np.sum(slope * found)) < 1e-6


def test_centred_rows_are_the_matrices_packed():
    vectors, matrices = examples(3, 0)
    np.testing.assert_allclose(smat(torch.from_numpy(regularised.centred_rows(vectors)), D), matrices, atol=1e-12)


@pytest.mark.parametrize(("m", "penalty"), [(150, 0.25), (30, 0.5)])
def test_the_prediction_is_the_mean_of_gaussian_minimisers(m, penalty):
    d, rank, sigma = 12, 4, 0.8
    generator, planted, errors = np.random.default_rng(2), np.diag([1.0] * 4 + [0.0] * 8), []
    rows_star = regularised.svec(torch.from_numpy(planted)).numpy()
    for _ in range(12):
        rows = generator.standard_normal((m, d * (d + 1) // 2))
        labels = rows @ rows_star + sigma * generator.standard_normal(m)
        errors.append(np.sum((regularised.convex_minimiser(rows, labels, d, penalty) - planted) ** 2))
    predicted = regularised.predicted_error(d, rank, m, sigma, penalty)
    assert abs(np.mean(errors) - predicted) < 4 * np.std(errors) / math.sqrt(12) + 0.05 * predicted


def test_a_slightly_different_penalty_changes_the_prediction_slightly():
    # With so few measurements, plain iteration of its two equations does not converge.
    first, second = (regularised.predicted_error(30, 2, 50, 0.7, penalty) for penalty in (0.49, 0.49 * (1 + 1e-6)))
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_without_noise_and_with_a_small_penalty_the_prediction_vanishes():
    assert 0 < regularised.predicted_error(10, 2, 100, 0.0, 1e-3) < 1e-4


def test_with_very_many_measurements_the_prediction_is_the_penalty_alone():
    # X* − λ on its own space.
    np.testing.assert_allclose(regularised.predicted_error(6, 2, 10**9, 0.1, 0.2), 2 * 0.2**2, rtol=1e-2)


@pytest.mark.witness("vanishing_penalty", "test_error")
def test_a_vanishing_penalty_leaves_the_error_of_the_convex_problem():
    options = {"d": [D], "teacher": ["narrow"], "m_over_dimension": [0.7, 1.15], "penalty": 0.01}
    table = measured("vanishing_penalty", options, seed=SEED, ensembles=[1])
    planted = star(2, 1)
    for row in table.to_dict("records"):
        _, matrices = examples(row["m"], 1)
        found = solved(matrices, np.array([np.sum(a * planted) for a in matrices]), 0.01)
        error = np.linalg.norm(found - planted) / math.sqrt(2)
        np.testing.assert_allclose(row["test_error"], error, rtol=1e-2, atol=1e-4)
        # A matrix of rank 2 has d + d − 1 free numbers.
        assert row["m_over_freedom"] == row["m"] / (2 * D - 1)


@pytest.fixture
def tables():
    keys = {"d": [20, 40], "m_over_dimension": [0.5, 2.0], "target": [0, 1]}
    columns = ["error", "over", "distance", "distance_narrow"]
    network = crossed(columns, 1, teacher=["narrow", "wide"], measurements=["network"], **keys)
    gaussian = crossed(columns, 2, teacher=["narrow"], measurements=["gaussian"], **keys)
    gaussian = gaussian.assign(distance=np.nan, distance_narrow=np.nan)
    threshold = crossed(["test_error"], 3, teacher=["narrow", "wide"], **keys)
    return {
        "quadratic_decay": network.assign(ensemble=network["target"], predicted=1.0, convex_rank=3),
        "quadratic_decay_gaussian": gaussian.assign(ensemble=gaussian["target"], predicted=1.0, convex_rank=3),
        "quadratic_decay_threshold": threshold.assign(ensemble=threshold["target"], m=60, m_over_freedom=1.5),
    }


def test_the_figure_shows_distances_and_ratios(tables):
    left, right = draw("quadratic_decay", {name: tables[name] for name in list(tables)[:2]}).axes
    own = tables["quadratic_decay"]
    narrow = own[own["teacher"] == "narrow"]
    same(curve(left, "2 units"), np.exp(np.log(narrow["distance_narrow"]).groupby(narrow["m_over_dimension"]).mean()))
    wide = own[(own["teacher"] == "wide") & (own["d"] == 40)].groupby("m_over_dimension")["over"].mean()
    np.testing.assert_allclose(curve(right, "network, teacher of d/2").to_numpy(), wide.to_numpy())


def test_the_ledger_has_means(tables):
    networks, gaussian, threshold = tables.values()
    text = ledger.decay_errors(networks, gaussian)
    for teacher, d in itertools.product(("narrow", "wide"), (20, 40)):
        own = networks[(networks["teacher"] == teacher) & (networks["d"] == d) & (networks["m_over_dimension"] == 2)]
        units = {"narrow": "2", "wide": "d/2"}[teacher]
        assert f"| {d} | {units} | network | 2 | {own['error'].mean():.3g} | 1 | {own['over'].mean():.3g} |" in text
    assert "| 40 | 2 | gaussian |" in text
    own = threshold[(threshold["teacher"] == "wide") & (threshold["d"] == 20) & (threshold["m_over_dimension"] == 0.5)]
    assert f"| 20 | d/2 | 0.5 | 60 | 1.5 | {own['test_error'].mean():.3g} |" in ledger.decay_thresholds(threshold)
