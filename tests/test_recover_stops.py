"""When fits stop, and that a warning means that something is wrong."""

import warnings
from itertools import product

import numpy as np
import pytest

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor, quadratic
from algoreg.recover.plan import Plan


def sensing(values, m, noise=0.0, d=8, seed=0, shape=None):
    """Return a target with these eigenvalues, or a rectangular one of singular values, matrices and labels."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((shape[0] if shape else d, len(values))))[0]
    right = np.linalg.qr(rng.standard_normal((shape[1], len(values))))[0] if shape else left
    target = left * np.array(values) @ right.T
    matrices = rng.standard_normal((m, *target.shape))
    if not shape:
        matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    labels = np.einsum("mij,ij->m", matrices, target)
    sigma = noise * labels.std()
    return target, matrices, labels + sigma * rng.standard_normal(m), sigma


def fitted(estimator, *data, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(*data, **more)


@pytest.mark.parametrize(
    ("told", "size", "expected"),
    [
        ({"kind": "psd"}, 8, 2 * 8 - 1),
        ({"kind": "rectangular", "rows": 5}, 12, 1 * (12 - 1)),
        ({"kind": "psd", "hermitian": True}, 16, 1 * (16 - 1)),
    ],
)
def test_degrees_of_freedom_of_an_effective_rank_are_those_of_the_rank(told, size, expected):
    # Rank 2 of a psd matrix; of a lift 2 is rank 1.
    assert Plan(**told).degrees_of_freedom(2.0, size) == expected


def test_telling_the_noise_stops_where_a_fit_leaves_it():
    target, matrices, labels, sigma = sensing([1, 0.7], 150, noise=0.2)
    found = fitted(LowRankMatrixRegressor(noise=sigma), matrices, labels)
    left = np.sqrt(np.mean((labels - found.predict(matrices)) ** 2))
    plain = Plan("psd").degrees_of_freedom(found.effective_rank_, 8)
    assert left <= sigma * np.sqrt(1 - plain / 150) * 1.0001
    assert left > 0.9 * sigma * np.sqrt(1 - plain / 150)
    assert found.warnings_ == []
    assert np.linalg.norm(found.matrix_ - target) < 0.15


def test_a_fit_that_passes_what_is_left_of_the_noise_keeps_the_nearest_iterate():
    # Half of the labels' size is noise, and they are few: in some draws no iterate is as near as σ√(1 − df/m).
    for seed in range(3):
        rng = np.random.default_rng(seed)
        left, matrices = rng.standard_normal((12, 2)), rng.standard_normal((70, 12, 12))
        labels = np.einsum("mij,ij->m", matrices, left @ left.T)
        sigma = 0.5 * labels.std()
        found = fitted(LowRankMatrixRegressor(noise=sigma), matrices, labels + sigma * rng.standard_normal(70))
        assert np.linalg.norm(found.matrix_ - left @ left.T) < np.linalg.norm(left @ left.T)


def test_telling_the_noise_is_no_worse_than_folds():
    told, folds = [], []
    for seed in range(3):
        target, matrices, labels, sigma = sensing([1, 0.7], 150, noise=0.3, seed=seed)
        for errors, estimator in ((told, LowRankMatrixRegressor(noise=sigma)), (folds, LowRankMatrixRegressor())):
            errors.append(np.linalg.norm(fitted(estimator, matrices, labels).matrix_ - target))
    assert np.mean(told) < 1.1 * np.mean(folds)


@pytest.mark.parametrize("negative", [-0.3, -0.45])
def test_a_negative_direction_is_said_and_the_other_kind_finds_it(negative):
    target, matrices, labels, _ = sensing([1, negative], 200)
    found = fitted(LowRankMatrixRegressor(max_iter=800), matrices, labels)
    assert any(line.startswith("the observations show a negative direction") for line in found.warnings_)
    assert not any("not converged" in line for line in found.warnings_)
    other = fitted(LowRankMatrixRegressor("symmetric"), matrices, labels)
    assert np.linalg.norm(other.matrix_ - target) < 0.02
    assert other.warnings_ == []


def test_labels_of_pure_noise_are_recognised_and_no_advice_is_given():
    for seed in range(2):
        rng = np.random.default_rng(seed)
        matrices, labels = rng.standard_normal((200, 8, 8)), rng.standard_normal(200)
        found = fitted(LowRankMatrixRegressor(max_iter=500), matrices, labels)
        said = [line for line in found.warnings_ if not line.startswith("too few")]
        assert len(said) == 1
        assert said[0].startswith("the observations look like noise: held-out ones are predicted")


def test_a_grown_fit_of_pure_noise_says_that_it_found_no_direction():
    rng = np.random.default_rng(0)
    positions = np.argwhere(rng.random((40, 30)) < 0.5)
    found = fitted(MatrixCompleter(shape=(40, 30)), positions, rng.standard_normal(len(positions)))
    assert found.warnings_[0].startswith("no direction predicts held-out entries better than their mean")
    strings = ["".join(one) for one in product("IXYZ", repeat=3)][1:]
    state = fitted(StateRegressor(), strings, 0.05 * rng.standard_normal(len(strings)))
    assert state.warnings_[0].startswith("no direction predicts held-out expectations better than I/d")
    assert np.allclose(state.matrix_, np.eye(8) / 8)


def test_a_fit_that_is_right_says_nothing_and_no_line_twice():
    _, matrices, labels, _ = sensing([1], 200)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = LowRankMatrixRegressor(max_iter=2000).fit(matrices, labels)
    assert seen == []
    assert found.warnings_ == []


def test_preconditioning_of_a_rectangular_matrix_is_warned_of():
    _, matrices, labels, _ = sensing([1], 150, shape=(4, 6))
    told = {"kind": "rectangular", "max_iter": 20}
    assert any(
        line.startswith("method = preconditioned ends at too high a rank if M is rectangular")
        for line in fitted(LowRankMatrixRegressor(**told, method="preconditioned"), matrices, labels).warnings_
    )
    assert not any(
        "preconditioned" in line for line in fitted(LowRankMatrixRegressor(**told), matrices, labels).warnings_
    )


@pytest.mark.parametrize("vectors", [False, True])
def test_weights_are_those_of_repeated_measurements(vectors):
    rng = np.random.default_rng(0)
    target = np.outer([1, 2, -1, 0.5], [1, 2, -1, 0.5])
    rows = rng.standard_normal((80, 4)) if vectors else rng.standard_normal((80, 16))
    matrices = rows[:, :, None] * rows[:, None, :] if vectors else rows.reshape(80, 4, 4)
    labels = np.einsum("mij,ij->m", matrices, target) + 0.5 * rng.standard_normal(80)
    counts = rng.integers(0, 4, 80)
    # Without an early stop, in both the same loss.
    told = {"vectors": vectors, "stop": "budget", "max_iter": 2000, "alpha": 0.1}
    found = fitted(LowRankMatrixRegressor(**told), rows, labels, sample_weight=counts)
    plain = fitted(LowRankMatrixRegressor(**told), np.repeat(rows, counts, axis=0), np.repeat(labels, counts))
    assert np.allclose(found.matrix_, plain.matrix_, atol=1e-3)
    with pytest.raises(ValueError, match="sample_weight: all weights are zero"):
        LowRankMatrixRegressor(**told).fit(rows, labels, sample_weight=np.zeros(80))


def test_weights_of_a_quadratic_function_leave_outliers_out():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((200, 2))
    labels = table[:, 0] * table[:, 1] + 2
    wrong = np.arange(200) < 20
    found = fitted(QuadraticRegressor(), table, np.where(wrong, 50, labels), sample_weight=(~wrong).astype(float))
    assert np.abs(found.predict(table) - labels).mean() < 0.05


def test_a_factor_of_one_column_from_a_spectral_start_ends_at_rounding():
    rng = np.random.default_rng(0)
    u, x = rng.standard_normal(16), rng.standard_normal((96, 16))
    told = {"width": 1, "start": "spectral"}
    found = fitted(
        LowRankMatrixRegressor(vectors=True, alpha=1.0, method_options=told, stop="budget", tol=1e-10), x, (x @ u) ** 2
    )
    assert np.linalg.norm(found.matrix_ - np.outer(u, u)) < 1e-8 * (u @ u)
    assert found.path_["train_error"][-1] < 1e-10


@pytest.mark.parametrize("kind", ["symmetric", "psd"])
def test_a_table_of_few_rows_is_fitted_in_their_span_as_it_is_whole(kind, monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((20, 30))
    y = table[:, 0] ** 2 - (kind == "symmetric") * table[:, 1] * table[:, 2]
    told = {"kind": kind, "alpha": 1e-3, "step": 0.2, "stop": "budget", "max_iter": 200}
    small = fitted(QuadraticRegressor(**told), table, y)
    monkeypatch.setattr(quadratic, "_span", lambda vectors: np.eye(vectors.shape[1]))
    whole = fitted(QuadraticRegressor(**told), table, y)
    # Directions that no row has keep the initialisation: α² in units of the label matrix, or 0 of two signs.
    off = np.linalg.eigvalsh(whole.network_ - small.network_)
    assert np.abs(off[:20]).max() < 1e-12
    assert np.ptp(off[20:]) < 1e-12
    assert (off[20] > 1e-12) == (kind == "psd")
    assert off[20] < 1e-3 * np.abs(whole.network_).max()
