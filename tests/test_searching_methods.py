"""The rank search, projection at a known trace and the penalised path beside plain loops,
and what each of them is known to do.
"""

import numpy as np
import plain
import pytest
import torch

from algoreg import plugins
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.settings import options as declared

D, M, RANK, SEED = 8, 80, 2, 5


def planted(count):
    factors = [draw_factor({"kind": "columns"}, D, RANK, SEED, target) for target in range(count)]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors])


def ended(name, *runs):
    """Return the descent, the estimates with which runs end, the measurement matrices, labels and targets."""
    ensemble, targets = Ensemble.draw(D, M, SEED, 0), planted(len(runs))
    known = declared.of_runs(name)
    complete = [{"step": 0.4, "m": M, "iterations": 30, **known, "target": k, **run} for k, run in enumerate(runs)]
    ends, labels = Ends(), ensemble.label(targets)
    descent = Descent(Batch(ensemble, plugins.algorithm(name), complete, targets, labels, [ends], SEED))
    descent.run()
    return ends.memory["estimates"].numpy(), plain.unpack(ensemble.rows.numpy(), D), labels.numpy(), targets.numpy()


def searched(matrices, labels, step, count, *, momentum, stall):
    """Return X and the rank that is kept after ``count`` steps of the search."""
    x = ahead = np.zeros((D, D))
    kept, before = 1, np.inf
    for _ in range(count):
        size = np.sqrt(np.mean((plain.measure(matrices, ahead) - labels) ** 2))
        if size > stall * before:
            kept, before = min(kept + 1, D), np.inf
        else:
            before = size
        values, basis = plain.largest_part(ahead - step * plain.gradient(matrices, ahead, labels), kept)
        following = (basis * values) @ basis.T
        ahead, x = following + momentum * (following - x), following
    return x, kept


@pytest.mark.parametrize(("momentum", "stall"), [(0.0, 0.9), (0.5, 0.98), (0.3, 0.5)])
def test_the_search_is_the_plain_loop(momentum, stall):
    runs = [{"momentum": momentum, "stall": stall}, {"momentum": momentum, "stall": stall, "m": 60, "step": 0.3}]
    found, matrices, labels, _ = ended("rank_search", *runs)
    for k, (m, step) in enumerate([(M, 0.4), (60, 0.3)]):
        expected, kept = searched(matrices[:m], labels[k, :m], step, 30, momentum=momentum, stall=stall)
        np.testing.assert_allclose(found[k], expected, atol=1e-10)
        assert np.linalg.matrix_rank(found[k], tol=1e-8) <= kept
    # A rule that hardly anything passes lets the rank grow to d, one that all passes leaves it at 1.
    assert searched(matrices, labels[0], 0.4, 30, momentum=0.0, stall=0.01)[1] == D


def test_the_search_finds_the_rank_and_is_thresholding_of_rank_1_until_it_grows():
    found, _, _, targets = ended("rank_search", {"iterations": 200})
    assert plain.relative_error(found[0], targets[0]) < 1e-10
    assert np.linalg.matrix_rank(found[0], tol=1e-6) == RANK
    first, told = (
        ended(name, {"momentum": 0.0, "iterations": 2, **own})[0]
        for name, own in (("rank_search", {"stall": 0.98}), ("hard_thresholding", {"keep": 1, "rank": RANK}))
    )
    np.testing.assert_allclose(first, told, atol=1e-12)


def nearest_of_trace(x, theta):
    """Return the nearest positive semidefinite matrix of this trace, by bisection of what eigenvalues lose."""
    values, vectors = np.linalg.eigh(x)
    low, high = values.min() - theta, values.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > theta else (low, middle)
    return (vectors * np.maximum(values - high, 0)) @ vectors.T


def test_projection_at_a_known_trace_is_the_plain_loop():
    runs = [{"momentum": 0.7, "step": 0.2}, {"momentum": 0.0, "theta": 3.0, "m": 60, "step": 0.2}]
    found, matrices, labels, targets = ended("trace_projected", *runs)
    told = [(0.7, np.trace(targets[0]), M), (0.0, 3.0, 60)]
    for k, (momentum, theta, m) in enumerate(told):
        x = ahead = np.zeros((D, D))
        for _ in range(30):
            following = nearest_of_trace(ahead - 0.2 * plain.gradient(matrices[:m], ahead, labels[k, :m]), theta)
            ahead, x = following + momentum * (following - x), following
        np.testing.assert_allclose(found[k], x, atol=1e-9)
        assert np.trace(found[k]) == pytest.approx(theta)


def test_a_wrong_trace_does_not_find_the_target():
    run = {"step": 0.2, "iterations": 600}
    found, _, _, targets = ended("trace_projected", run, {**run, "theta": 3.0})
    assert plain.relative_error(found[0], targets[0]) < 1e-8
    assert plain.relative_error(found[1], targets[1]) > 0.05


def test_the_penalised_path_is_the_plain_loop():
    runs = [{"momentum": 0.5, "decay": 0.8}, {"momentum": 0.0, "decay": 0.95, "m": 60, "step": 0.3}]
    found, matrices, labels, _ = ended("penalised_trace", *runs)
    for k, (momentum, decay, m, step) in enumerate([(0.5, 0.8, M, 0.4), (0.0, 0.95, 60, 0.3)]):
        x = ahead = np.zeros((D, D))
        penalty = np.linalg.eigvalsh(-plain.gradient(matrices[:m], x, labels[k, :m])).max()
        for number in range(30):
            slope = plain.gradient(matrices[:m], ahead, labels[k, :m]) + penalty * decay**number * np.eye(D)
            following = plain.nearest_psd(ahead - step * slope)
            ahead, x = following + momentum * (following - x), following
        np.testing.assert_allclose(found[k], x, atol=1e-10)


def test_at_the_largest_penalty_nothing_moves_and_below_it_the_slope_is_that_of_a_minimiser():
    """Optimality: at the minimiser for λ, G = −M has no eigenvalue above λ and GX = λX."""
    (still,), *_ = ended("penalised_trace", {"decay": 1 - 1e-12, "iterations": 3})
    np.testing.assert_allclose(still, 0, atol=1e-9)
    # Down to a tenth of the largest in four hundred steps, the path ends near its minimiser.
    run = {"decay": 0.1 ** (1 / 400), "iterations": 401, "momentum": 0.5}
    found, matrices, labels, _ = ended("penalised_trace", run)
    pull = -plain.gradient(matrices, found[0], labels[0])
    penalty = 0.1 * np.linalg.eigvalsh(-plain.gradient(matrices, np.zeros((D, D)), labels[0])).max()
    assert np.linalg.eigvalsh(pull).max() == pytest.approx(penalty, rel=0.05)
    np.testing.assert_allclose(pull @ found[0], penalty * found[0], atol=0.05 * penalty)
