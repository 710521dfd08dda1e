"""Entries of matrices, symmetric or not, and descents on two factors, beside plain arrays."""

import numpy as np
import plain
import pytest
import torch

from algoreg import plugins
from algoreg.algorithms.asymmetric import start_factor
from algoreg.ensembles import entries, entries_rectangular
from algoreg.ensembles.base import Measurements
from algoreg.settings import options as declared

D, COLUMNS, SEED = 5, 7, 3


class Dense(Measurements):
    """Any rectangular measurements, (m, d, columns)."""

    provides = frozenset({"rectangular gradient", "single measurements"})
    acts_on = "rectangular"
    block_rows = 128

    def __init__(self, matrices):
        super().__init__(matrices.shape[1], len(matrices), matrices.device, matrices.dtype)
        self.matrices, self.columns = matrices, matrices.shape[2]

    @classmethod
    def draw(cls, *names):
        raise NotImplementedError

    def select(self, indices):
        return Dense(self.matrices[indices])

    def measure(self, matrices):
        return matrices.flatten(1) @ self.matrices.flatten(1).T

    def adjoint(self, weights):
        return torch.tensordot(weights, self.matrices, 1)

    def gradient(self, matrices, labels):
        return self.adjoint(self.measure(matrices) - labels) / self.m


def symmetric(count):
    drawn = np.random.default_rng(0).standard_normal((count, D, D))
    return drawn + drawn.transpose(0, 2, 1)


def dense_entries(ensemble):
    """Return the matrices A_i of symmetric entries."""
    matrices, length = np.zeros((ensemble.m, D, D)), D * (D + 1) / 2
    for a, (i, j) in zip(matrices, ensemble.positions.tolist(), strict=True):
        a[i, j] += np.sqrt(length / (1 if i == j else 2)) / (2 if i == j else 1)
        a[j, i] += np.sqrt(length / (1 if i == j else 2)) / (2 if i == j else 1)
    return matrices


def test_entries_read_each_place_once_and_are_the_dense_measurements():
    ensemble = entries.Ensemble.draw(D, 11, SEED, 0)
    places = ensemble.positions.tolist()
    assert len({tuple(place) for place in places}) == 11
    assert all(i <= j for i, j in places)
    matrices, x = dense_entries(ensemble), symmetric(2)
    targets = torch.from_numpy(x)
    np.testing.assert_allclose(ensemble.measure(targets), [plain.measure(matrices, one) for one in x])
    weights = np.random.default_rng(1).standard_normal((2, 11))
    np.testing.assert_allclose(ensemble.adjoint(torch.from_numpy(weights)), np.tensordot(weights, matrices, 1))
    # Runs that know prefixes.
    labels = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 11)))
    found = ensemble.shared_by([11, 4]).gradient(targets, labels)
    for one, m, gradient in zip(range(2), (11, 4), found, strict=True):
        np.testing.assert_allclose(gradient, plain.gradient(matrices[:m], x[one], labels[one, :m].numpy()), atol=1e-14)
    # Some twice, as mini-batches have them.
    part = ensemble.select(torch.tensor([3, 3, 0]))
    np.testing.assert_allclose(part.measure(targets), ensemble.measure(targets)[:, [3, 3, 0]])
    expected = np.tensordot(weights[:, :3], matrices[[3, 3, 0]], 1)
    np.testing.assert_allclose(part.adjoint(torch.from_numpy(weights[:, :3])), expected)


def test_all_entries_are_an_isometry_and_longer_ensembles_start_with_shorter_ones():
    for module, least in ((entries, 15), (entries_rectangular, 25)):
        assert module.Limits.most_m(D) == least
        whole = module.Ensemble.draw(D, least, SEED, 0)
        x = torch.from_numpy(symmetric(1))
        torch.testing.assert_close(whole.measure(x).square().mean(), x.square().sum())
        torch.testing.assert_close(module.Ensemble.draw(D, 6, SEED, 0).positions, whole.positions[:6])
        assert not torch.equal(module.Ensemble.draw(D, 6, SEED, 1).positions, whole.positions[:6])
        with pytest.raises(ValueError, match=f"m = {least + 1}: there are {least} entries"):
            module.Ensemble.draw(D, least + 1, SEED, 0)
    for outside in ([5, 0], [0, 7], [0, -1]):
        with pytest.raises(ValueError, match="positions are rows and columns of 5 × 7 matrices"):
            entries_rectangular.Ensemble(torch.tensor([outside]), D, columns=COLUMNS)


def test_rectangular_entries_are_scaled_entries():
    ensemble = entries_rectangular.Ensemble.draw(D, 20, SEED, 0, columns=COLUMNS)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, D, COLUMNS)))
    assert (ensemble.d, ensemble.columns) == (D, COLUMNS)
    rows, columns = ensemble.positions.T
    torch.testing.assert_close(ensemble.measure(x), x[:, rows, columns] * 35**0.5)
    weights = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 20)))
    torch.testing.assert_close((ensemble.adjoint(weights) * x).sum(), (weights * ensemble.measure(x)).sum())


def descents(ensemble, labels, runs, count):
    known = {"step": 0.2, "m": ensemble.m, "target": 0, "alpha": 0.5, "width": 3, "iterations": count}
    runs = [{**declared.of_runs("asymmetric"), **known, **run} for run in runs]
    algorithm = plugins.algorithm("asymmetric")(ensemble, labels.expand(len(runs), -1), runs, SEED)
    return algorithm.estimate(algorithm.advance(algorithm.initial(), 0, count)).numpy()


def problem(m=60, rank=2):
    generator = np.random.default_rng(SEED)
    matrices = generator.standard_normal((m, D, COLUMNS))
    target = generator.standard_normal((D, rank)) @ generator.standard_normal((rank, COLUMNS)) / D
    return matrices, target, plain.measure(matrices, target)


def test_descent_on_two_factors_is_the_plain_loop():
    matrices, _, labels = problem()
    runs = [
        {}, {"balance": 0.3, "width": 2}, {"rule": "alternating"}, {"rule": "alternating", "damping": 0.1, "width": 2},
        {"rule": "alternating", "width": 5, "alpha": 1e-3},
    ]  # fmt: skip
    found = descents(Dense(torch.from_numpy(matrices)), torch.from_numpy(labels)[None], runs, 12)
    for x, run in zip(found, runs, strict=True):
        width, alpha = run.get("width", 3), run.get("alpha", 0.5)
        left = alpha * start_factor("left", D, width, SEED, 0).numpy()
        right = alpha * run.get("balance", 1) * start_factor("right", COLUMNS, width, SEED, 0).numpy()
        for _ in range(12):
            slope = plain.gradient(matrices, left @ right.T, labels)
            if "rule" not in run:
                left, right = left - 0.2 * slope @ right, right - 0.2 * slope.T @ left
                continue
            damp = run.get("damping", 0) * np.eye(width)
            left = left - 0.2 * slope @ right @ np.linalg.pinv(right.T @ right + damp, rcond=1e-12)
            slope = plain.gradient(matrices, left @ right.T, labels)
            right = right - 0.2 * slope.T @ left @ np.linalg.pinv(left.T @ left + damp, rcond=1e-12)
        np.testing.assert_allclose(x, left @ right.T, rtol=1e-6, atol=1e-8)


def test_undamped_steps_forget_the_scale_of_the_start_and_recover():
    matrices, target, labels = problem()
    known = torch.from_numpy(labels)[None]
    runs = [{"rule": "alternating", "width": 2, "alpha": alpha, "step": 0.5} for alpha in (0.1, 1e-6)]
    found = descents(Dense(torch.from_numpy(matrices)), known, runs, 150)
    assert max(plain.relative_error(x, target) for x in found) < 1e-8
    with pytest.raises(ValueError, match="width = 6: allowed is at most 5"):
        descents(Dense(torch.from_numpy(matrices)), known, [{"width": 6}], 1)


def test_a_start_that_is_its_own_mirror_image_descends_as_the_symmetric_factor():
    """L = R on symmetric measurements: simultaneous steps are those of UUᵀ."""
    generator = np.random.default_rng(SEED)
    matrices = generator.standard_normal((40, D, D))
    matrices = matrices + matrices.transpose(0, 2, 1)
    u = generator.standard_normal((D, 2))
    labels = plain.measure(matrices, u @ u.T)
    run = {**declared.of_runs("asymmetric"), "step": 0.01, "m": 40, "target": 0, "alpha": 0.5, "width": 3}
    ensemble = Dense(torch.from_numpy(matrices))
    algorithm = plugins.algorithm("asymmetric")(ensemble, torch.from_numpy(labels)[None], [run], SEED)
    left = algorithm.initial()["left"]
    found = algorithm.estimate(algorithm.advance({"left": left, "right": left.clone()}, 0, 20))
    u = plain.factored(left[0].numpy(), matrices, labels, 0.01, 20)
    np.testing.assert_allclose(found[0], u @ u.T, rtol=1e-9)
