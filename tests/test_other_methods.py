"""Frank–Wolfe, least trace, mirror descent, subgradients and accelerated projection beside plain loops,
and what each of them is known to do.
"""

import numpy as np
import plain
import pytest
import torch

from algoreg import plugins
from algoreg.algorithms.frank_wolfe import on_simplex
from algoreg.algorithms.least_trace import fitting
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics import trace_minimisation
from algoreg.numerics.problems import draw_factor
from algoreg.settings import options as declared

D, M, RANK, SEED = 6, 40, 2, 5


def planted(count, d=D, rank=RANK):
    factors = [draw_factor({"kind": "columns"}, d, rank, SEED, target) for target in range(count)]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors])


def ends_of(name, runs, ensemble=None, labels=None, d=D, rank=RANK):
    """Return the estimates with which runs end, the measurement matrices, labels and targets, as numpy arrays."""
    ensemble = ensemble or Ensemble.draw(d, M, SEED, 0)
    targets = planted(len(runs), d, rank)
    labels = ensemble.label(targets) if labels is None else labels
    known = {key: value for key, value in declared.of_runs(name).items() if value is not None}
    complete = [
        {"theta": None, "keep": None, "step": 0.1, "m": ensemble.m, "iterations": 30, **known, "target": k, **run}
        for k, run in enumerate(runs)
    ]
    ends = Ends()
    Descent(Batch(ensemble, plugins.algorithm(name), complete, targets, labels, [ends], SEED)).run()
    matrices = plain.unpack(ensemble.rows.numpy(), d)
    return ends.memory["estimates"].numpy(), matrices, labels.numpy(), targets.numpy()


def simplex(values, total):
    """Return the nearest non-negative vector of a given sum, by bisection of what is taken off."""
    low, high = values.min() - total, values.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > total else (low, middle)
    return np.maximum(values - high, 0)


def frank_wolfe(matrices, labels, theta, rule, count, *, step=0.1, keep=RANK, weight=0.5):
    x = np.zeros((D, D))
    for number in range(count):
        slope = plain.gradient(matrices, x, labels)
        if rule == "rank-k":
            values, vectors = np.linalg.eigh(x - step * slope)
            top = vectors[:, -keep:]
            goal, gamma = (top * simplex(values[-keep:], theta)) @ top.T, weight
        else:
            values, vectors = np.linalg.eigh(-slope)
            goal = theta * np.outer(vectors[:, -1], vectors[:, -1]) * (values[-1] > 0)
            gamma = 2 / (number + 2)
        if rule == "line-search":
            moved = plain.measure(matrices, goal - x)
            gamma = np.clip(-moved @ (plain.measure(matrices, x) - labels) / (moved @ moved), 0, 1)
        x = x + gamma * (goal - x)
    return x


def test_the_nearest_point_of_the_simplex_leaves_out_what_is_too_small():
    # To (3, 1, 0.5) of sum 1 the nearest is (1, 0, 0); of sum 3 it is (2.5, 0.5, 0), of sum 4 (2.83…, 0.83…, 0.33…).
    values = torch.tensor([[3.0, 1.0, 0.5]] * 3, dtype=torch.float64)
    nearest = on_simplex(values, torch.tensor([1.0, 3.0, 4.0], dtype=torch.float64))
    np.testing.assert_allclose(nearest, [[1, 0, 0], [2.5, 0.5, 0], [17 / 6, 5 / 6, 1 / 3]])
    rng = np.random.default_rng(0)
    values, totals = np.sort(rng.standard_normal((40, 5)))[:, ::-1].copy(), rng.uniform(0.1, 4, 40)
    known = torch.from_numpy(np.hstack([values, np.full((40, 2), -np.inf)]))
    nearest = on_simplex(known, torch.from_numpy(totals)).numpy()
    for found, row, total in zip(nearest, values, totals, strict=True):
        np.testing.assert_allclose(found, [*simplex(row, total), 0, 0], atol=1e-12)


@pytest.mark.parametrize("rule", ["open-loop", "line-search", "rank-k"])
def test_frank_wolfe_is_the_plain_loop(rule):
    runs = [{"rule": rule}, {"rule": rule, "trace_factor": 0.9}, {"rule": rule, "theta": 3.0, "keep": 3, "m": 30}]
    found, matrices, labels, targets = ends_of("frank_wolfe", runs)
    told = [(np.trace(targets[0]), RANK, M), (0.9 * np.trace(targets[1]), RANK, M), (3.0, 3, 30)]
    for k, (theta, keep, m) in enumerate(told):
        expected = frank_wolfe(matrices[:m], labels[k, :m], theta, rule, 30, keep=keep)
        np.testing.assert_allclose(found[k], expected, rtol=1e-8, atol=1e-10)
        assert np.trace(found[k]) <= theta * (1 + 1e-12)


def test_rank_k_that_keeps_all_is_told_no_rank():
    run = {"rule": "rank-k", "keep": "all", "rank": None}
    found, matrices, labels, targets = ends_of("frank_wolfe", [run])
    expected = frank_wolfe(matrices, labels[0], np.trace(targets[0]), "rank-k", 30, keep=D)
    np.testing.assert_allclose(found[0], expected, rtol=1e-8, atol=1e-10)


def test_rules_of_one_batch_do_not_mix_and_rank_k_with_all_of_the_trace_converges():
    rules = ["open-loop", "line-search", "rank-k"]
    together = ends_of("frank_wolfe", [{"rule": rule, "target": 0} for rule in rules])[0]
    for k, rule in enumerate(rules):
        runs = [{"rule": rule if place == k else "open-loop"} for place in range(3)]
        np.testing.assert_allclose(ends_of("frank_wolfe", runs)[0][k], together[k], rtol=1e-9, atol=1e-12)
    run = {"rule": "rank-k", "step": 4 / 3, "iterations": 150}
    found, _, _, targets = ends_of("frank_wolfe", [run, {**run, "trace_factor": 0.9}])
    assert plain.relative_error(found[0], targets[0]) < 1e-10
    assert plain.relative_error(found[1], targets[1]) > 1e-2


def test_mirror_descent_is_the_plain_loop_and_twice_the_factored_step_where_all_commutes():
    found, matrices, labels, _ = ends_of("mirror", [{"alpha": 0.1}, {"alpha": 0.3, "m": 30}])
    for k, (alpha, m) in enumerate([(0.1, M), (0.3, 30)]):
        logarithm = 2 * np.log(alpha) * np.eye(D)
        for _ in range(30):
            values, vectors = np.linalg.eigh(logarithm)
            x = (vectors * np.exp(values)) @ vectors.T
            logarithm = logarithm - 0.1 * plain.gradient(matrices[:m], x, labels[k, :m])
        values, vectors = np.linalg.eigh(logarithm)
        np.testing.assert_allclose(found[k], (vectors * np.exp(values)) @ vectors.T, rtol=1e-9)
    diagonals = np.random.default_rng(SEED).standard_normal((M, D))
    rows = torch.from_numpy(plain.pack(diagonals[:, :, None] * np.eye(D)))
    commuting, small = Ensemble(rows, D), {"alpha": 0.1, "iterations": 4000}
    mirrored = ends_of("mirror", [{**small, "step": 0.002}], commuting)[0]
    factored = ends_of("factored", [{**small, "step": 0.001, "start": "identity"}], commuting)[0]
    assert plain.relative_error(mirrored, factored) < 0.01


def test_subgradients_are_the_plain_loop_and_do_not_see_how_far_off_a_label_is():
    runs = [{"alpha": 0.1, "decay": 0.95}, {"alpha": 0.3, "m": 30, "decay": 1.0}]
    found, matrices, labels, _ = ends_of("subgradient", runs)
    for k, (alpha, m, decay) in enumerate([(0.1, M, 0.95), (0.3, 30, 1.0)]):
        u = alpha * np.eye(D)
        for number in range(30):
            signs = np.sign(plain.measure(matrices[:m], u @ u.T) - labels[k, :m])
            u = u - 0.1 * decay**number * np.tensordot(signs, matrices[:m], 1) @ u / m
        np.testing.assert_allclose(found[k], u @ u.T, rtol=1e-9)
    ensemble = Ensemble.draw(D, M, SEED, 0)
    spoilt = [ensemble.label(planted(1)) for _ in range(2)]
    for one, size in zip(spoilt, (1e3, 1e6), strict=True):
        one[0, :4] = size
    first, second = (ends_of("subgradient", [{"alpha": 0.1}], ensemble, one)[0] for one in spoilt)
    assert np.array_equal(first, second)


def test_subgradients_recover_in_spite_of_outliers_and_plain_descent_does_not():
    ensemble, targets = Ensemble.draw(D, 200, SEED, 0), planted(1)
    labels = ensemble.label(targets)
    labels[0, ::10] += 10.0
    run = {"alpha": 1e-3, "iterations": 800, "decay": 0.99, "step": 0.8, "start": "identity"}
    errors = [
        plain.relative_error(ends_of(name, [run], ensemble, labels)[0][0], targets[0].numpy())
        for name in ("subgradient", "factored")
    ]
    assert errors[0] < 0.01 < 0.1 < errors[1]


def test_least_trace_is_the_plain_loop_also_for_prefixes_and_more_labels_than_unknowns():
    sizes = [15, M, 18]
    found, matrices, labels, targets = ends_of("least_trace", [{"m": m, "step": 0.3} for m in sizes])
    for k, m in enumerate(sizes):
        rows = plain.pack(matrices[:m])
        centre, inverse = np.zeros(rows.shape[1]), np.linalg.pinv(rows)
        for _ in range(30):
            fit = centre + inverse @ (labels[k, :m] - rows @ centre)
            x = plain.nearest_psd(plain.unpack(2 * fit - centre, D) - 0.3 * np.eye(D))
            centre = centre + plain.pack(x) - fit
        np.testing.assert_allclose(found[k], x, rtol=1e-7, atol=1e-9)
    # More labels than unknowns say all.
    assert plain.relative_error(found[1], targets[1]) < 1e-6


@pytest.mark.parametrize("seed", range(10))
def test_measurements_that_lack_a_rank_are_fitted_by_their_pseudoinverse(seed):
    """Of a Gram matrix that lacks one, rounding often leaves a Cholesky decomposition."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, 20)) @ rng.standard_normal((20, 21))
    twice = rng.standard_normal((15, 21))[[*range(15), 0]]
    for matrix in (rows, twice):
        basis, solver = (part.numpy() for part in fitting(torch.from_numpy(matrix)))
        np.testing.assert_allclose(basis.T @ solver, np.linalg.pinv(matrix, rcond=1e-10), atol=1e-10)


@pytest.mark.parametrize(("d", "m"), [(12, 30), (12, 60)])
def test_least_trace_agrees_with_an_interior_point_method(d, m, monkeypatch):
    exact = dict.fromkeys(trace_minimisation.SOLVERS["clarabel"], 1e-9)
    monkeypatch.setitem(trace_minimisation.SOLVERS, "clarabel", exact)
    ensemble = Ensemble.draw(d, m, SEED, 0)
    found, _, labels, _ = ends_of("least_trace", [{"iterations": 6000, "step": 0.3}], ensemble, d=d)
    expected, status = trace_minimisation.minimum_trace(ensemble.rows.numpy(), d, labels[0], "clarabel")
    assert status in ("converged", "budget")
    assert plain.relative_error(found[0], expected) < 1e-6


def test_labels_that_say_a_thing_twice_are_fitted():
    rows = torch.from_numpy(np.random.default_rng(SEED).standard_normal((8, 21))).repeat(2, 1)
    orthonormal, solver = fitting(rows)
    assert orthonormal.shape == (8, 21)
    torch.testing.assert_close(orthonormal.T @ solver, torch.linalg.pinv(rows))


def test_accelerated_projection_is_the_plain_loop():
    runs = [{"iterations": 25}, {"iterations": 25, "m": 30, "step": 0.2}]
    found, matrices, labels, _ = ends_of("accelerated_projected", runs)
    for k, (m, step) in enumerate([(M, 0.1), (30, 0.2)]):
        x = ahead = np.zeros((D, D))
        for number in range(25):
            slope = plain.gradient(matrices[:m], ahead, labels[k, :m])
            following = plain.nearest_psd(ahead - step * slope)
            ahead = following + number / (number + 3) * (following - x)
            x = following
        np.testing.assert_allclose(found[k], x, atol=1e-10)
