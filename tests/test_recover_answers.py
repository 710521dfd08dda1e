"""Answers that look finished and are not, and right ones that were refused or doubted."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor, fitting

D, M = 8, 200
pytestmark = pytest.mark.filterwarnings("ignore")


def spread(smallest, noise=0.0, kind="psd"):
    """Return matrices and labels of a target with eigenvalues 1 and ``smallest``; noise is a share of the labels."""
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((D, 2)))[0]
    target = vectors * np.array([1, smallest]) @ vectors.T
    matrices = rng.standard_normal((M, D, D))
    labels = np.einsum("mij,ij->m", matrices, target)
    return target, matrices, labels + noise * labels.std() * rng.standard_normal(M)


def said_plateau(found):
    return any(line.startswith("a plateau") for line in found.warnings_)


@pytest.mark.parametrize("kind", ["psd", "symmetric"])
def test_a_fit_waits_for_a_direction_that_its_labels_show(kind):
    target, matrices, labels = spread(0.02)
    found = LowRankMatrixRegressor(kind, stop="hold-out", max_iter=10_000).fit(matrices, labels)
    assert np.linalg.norm(found.matrix_ - target) < 0.1 * 0.02
    assert found.warnings_ == []
    short = LowRankMatrixRegressor(kind, stop="hold-out", max_iter=300).fit(matrices, labels)
    assert np.linalg.norm(short.matrix_ - target) > 0.9 * 0.02
    assert said_plateau(short)


def test_a_budget_that_ends_on_a_plateau_is_said():
    target, matrices, labels = spread(1 / 30, noise=0.02)
    short, long = (LowRankMatrixRegressor(stop="budget", max_iter=count).fit(matrices, labels) for count in (200, 1500))
    assert np.linalg.norm(short.matrix_ - target) > 0.9 / 30
    assert "a plateau: the training error stopped falling" in " ".join(short.warnings_)
    assert np.linalg.norm(long.matrix_ - target) < 0.3 / 30
    assert not said_plateau(long)


def test_what_is_left_of_the_start_is_no_plateau():
    rng = np.random.default_rng(5)
    target, matrices = np.outer(rng.standard_normal(4), rng.standard_normal(6)), rng.standard_normal((120, 4, 6))
    found = LowRankMatrixRegressor("rectangular").fit(matrices, np.einsum("mij,ij->m", matrices, target))
    assert not any(line.startswith(("a plateau", "not converged")) for line in found.warnings_)


def test_a_negative_direction_is_none_that_a_psd_fit_could_still_find():
    _, matrices, labels = spread(-0.02)
    assert not said_plateau(LowRankMatrixRegressor(max_iter=2000).fit(matrices, labels))


@pytest.mark.parametrize("kind", ["psd", "symmetric", "rectangular"])
def test_noise_is_not_taken_for_a_direction(kind):
    _, matrices, labels = spread(0.5, noise=0.3)
    assert not said_plateau(LowRankMatrixRegressor(kind, max_iter=1000).fit(matrices, labels))


def test_of_few_measurements_each_is_held_out_once():
    errors = {"auto": [], "budget": []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        vector, matrices = rng.standard_normal(6), rng.standard_normal((40, 6, 6))
        labels = np.einsum("mij,i,j->m", matrices, vector, vector)
        labels += 0.3 * labels.std() * rng.standard_normal(40)
        for stop, found in errors.items():
            fit = LowRankMatrixRegressor(stop=stop, max_iter=1000).fit(matrices, labels)
            found.append(np.linalg.norm(fit.matrix_ - np.outer(vector, vector)) / (vector @ vector))
            assert fit.stop_ == {"auto": "folds"}.get(stop, stop)
    assert np.mean(errors["auto"]) < 0.8 * np.mean(errors["budget"])


@pytest.mark.parametrize(("m", "stop"), [(9, "budget"), (10, "folds"), (294, "folds"), (295, "hold-out")])
def test_how_a_fit_stops_by_itself_depends_on_how_many_could_be_held_out(m, stop):
    matrices = np.random.default_rng(0).standard_normal((m, 3, 3))
    found = LowRankMatrixRegressor(max_iter=10).fit(matrices, np.trace(matrices, axis1=1, axis2=2))
    assert found.stop_ == stop
    assert any("hold-out too small" in line for line in found.warnings_) is (stop == "budget")


def test_a_run_that_diverges_after_its_error_has_fallen_asks_for_a_shorter_step():
    # Almost the same matrix again and again: the largest curvature is hardly seen from where the descent begins.
    rng = np.random.RandomState(0)
    matrices, labels = rng.normal(loc=100, size=(100, 1, 2)), rng.normal(size=100)
    found = LowRankMatrixRegressor("rectangular", stop="folds", max_iter=300).fit(matrices, labels)
    assert np.isfinite(found.matrix_).all()


def test_folds_are_judged_by_the_residual_of_all_labels():
    # The third fold's labels are tiny, the second's are 0: neither decides by its share.
    fit = SimpleNamespace(
        labels=torch.tensor([3.0, 4.0, 0.0, 0.0, 1e-6]), parts=[(None, [0, 1]), (None, [2, 3]), (None, [4])]
    )
    held = np.array([[[1.0, 1.0], [0.5, 0.4]], [[0.2, 0.2], [0.1, 0.3]], [[1.0, 1.0], [1.0, 900.0]]])
    folds = [SimpleNamespace(memory={"held": one}, iterations=[0, 7]) for one in held]
    run, iteration, curve = fitting.Descending.best_by_folds(fit, folds)
    assert (run, iteration) == (1, 7)
    assert curve == pytest.approx(np.sqrt([5**2 + 0.2**2, 2**2 + 0.3**2]) / 5, rel=1e-6)


def test_labels_that_are_all_the_same_are_fitted():
    vectors = np.random.default_rng(0).standard_normal((60, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = LowRankMatrixRegressor(max_iter=1000).fit(vectors[:, :, None] * vectors[:, None, :], np.ones(60))
    assert np.allclose(found.matrix_, np.eye(4), atol=1e-3)


def test_entries_that_are_all_the_same_are_completed_where_no_mean_is_taken_off():
    places = np.argwhere(~np.eye(6, dtype=bool))
    found = MatrixCompleter(center=False, max_iter=500).fit(places, np.full(len(places), 3.0))
    assert np.allclose(found.matrix_, 3, atol=0.01)
    with pytest.raises(
        ValueError, match="all 30 observations are 3; after their mean is subtracted there is nothing to fit"
    ):
        MatrixCompleter().fit(places, np.full(len(places), 3.0))


def test_a_residual_as_large_as_the_noise_is_no_poor_fit():
    _, matrices, labels = spread(0.5)
    noisy = labels + 2 * labels.std() * np.random.default_rng(1).standard_normal(M)
    found = LowRankMatrixRegressor(noise=2.1 * labels.std(), max_iter=500).fit(matrices, noisy)
    assert np.linalg.norm(noisy - found.predict(matrices)) > 0.5 * np.linalg.norm(noisy)
    assert not any("negative direction" in line for line in found.warnings_)


def test_expectations_that_no_state_has_are_said_to_be_none():
    # For any state the sum of the three is at most 1: what is least left of each 1 is 2/3.
    found = StateRegressor(stop="budget", max_iter=300).fit(["XX", "YY", "ZZ"], np.ones(3))
    assert any(
        line.startswith("no state has these expectations: the residual of the best fit is 0.67")
        for line in found.warnings_
    )


def test_frank_wolfe_is_told_a_rank_only_where_its_rule_reads_it():
    target, matrices, labels = spread(0.5)
    facts = {"trace": float(np.trace(target))}
    found = LowRankMatrixRegressor(method="frank_wolfe", method_options=facts, max_iter=500).fit(matrices, labels)
    assert np.linalg.norm(found.matrix_ - target) < 0.05
    with pytest.raises(ValueError, match="frank_wolfe: it needs prior knowledge of the rank"):
        LowRankMatrixRegressor(method="frank_wolfe", method_options={**facts, "rule": "rank-k"}).fit(matrices, labels)


def test_a_misspelt_fact_is_named_before_the_one_that_is_missing():
    _, matrices, labels = spread(0.5)
    with pytest.raises(ValueError, match=r"rnk = 1: unknown option; allowed are .*rank"):
        LowRankMatrixRegressor(method="hard_thresholding", method_options={"rnk": 1}).fit(matrices, labels)


def test_a_method_of_another_kind_of_estimate_is_refused_with_those_that_fit():
    _, matrices, labels = spread(0.5)
    said = "asymmetric: its estimates are rectangular; kind = rectangular, a block of a psd matrix, is fitted by accelerated"
    with pytest.raises(ValueError, match=said):
        LowRankMatrixRegressor("rectangular", method="asymmetric").fit(matrices, labels)


def test_columns_that_are_not_standardised_may_be_of_any_size():
    table = 300 * np.random.default_rng(0).standard_normal((80, 1))
    found = QuadraticRegressor("psd", standardize=False, max_iter=300).fit(table, table[:, 0] ** 2)
    assert np.allclose(found.matrix_, 1, rtol=1e-3)
    assert np.isclose(found.path_["eigenvalues"][-1, 0], found.eigenvalues_[0], rtol=1e-3)


@pytest.mark.parametrize(("others", "dtype"), [(0, "float64"), (1e-12, "float32")])
def test_measurements_that_are_all_0_without_what_is_held_out_are_refused(others, dtype):
    matrices, labels = np.full((20, 2, 2), others), np.arange(1.0, 21)
    matrices[0] = 1
    said = "stop = hold-out: all measurements that are not held out are 0 or almost 0; use stop = budget"
    with pytest.raises(ValueError, match=said):
        LowRankMatrixRegressor(hold_out=0.9, stop="hold-out", dtype=dtype).fit(matrices, labels)


@pytest.mark.parametrize(("of_matrices", "of_labels"), [(1e-200, 1e140), (1e200, 1e-200)])
def test_a_matrix_beyond_the_numbers_is_refused(of_matrices, of_labels):
    _, matrices, labels = spread(0.5)
    told = {"method": "frank_wolfe", "method_options": {"trace": 1.0}}
    with pytest.raises(ValueError, match=r"observations divided by measurements are of size .*; scale one of the two"):
        LowRankMatrixRegressor(**told).fit(of_matrices * matrices, of_labels * labels)


def test_a_quadratic_function_beyond_the_numbers_is_refused():
    table = 1e-151 * np.random.default_rng(0).standard_normal((20, 1))
    with pytest.raises(ValueError, match="observations divided by measurements are of size inf"):
        QuadraticRegressor(max_iter=1).fit(table, 1e140 * np.arange(20))


def test_labels_that_are_0_where_they_are_held_out_are_said_to_be():
    _, matrices, labels = spread(0.5)
    told = {"stop": "hold-out", "max_iter": 10}
    held = LowRankMatrixRegressor(**told).fit(matrices, labels).held_out_
    labels[held] = 0
    found = LowRankMatrixRegressor(**told).fit(matrices, labels)
    assert any(line.startswith("the held-out observations are all 0") for line in found.warnings_)


def test_labels_whose_squares_are_0_are_fitted_as_poorly_as_others():
    vectors = np.random.default_rng(0).standard_normal((60, 3))
    matrices, labels = vectors[:, :, None] * vectors[:, None, :], -np.square(vectors).sum(axis=1)
    found = LowRankMatrixRegressor(max_iter=10).fit(matrices, 1e-200 * labels)
    assert any("the observations show a negative direction" in line for line in found.warnings_)


def test_a_noise_far_below_the_residual_has_an_infinite_statistic():
    _, matrices, labels = spread(0.5, noise=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = LowRankMatrixRegressor(noise=1e-300, max_iter=50).fit(matrices, labels)
    assert np.isinf(found.rank_test_["chi2"]).all()
    assert found.rank_test_["accepted"] is None


def test_weights_that_are_no_numbers_are_refused_by_name():
    for weights in (["heavy"] * 20, [{}] * 20):
        with pytest.raises(ValueError, match="sample_weight: allowed is one finite number of at least 0"):
            QuadraticRegressor().fit(np.arange(20.0)[:, None], np.arange(20.0), sample_weight=weights)


def test_weights_of_one_size_ask_for_no_shorter_step_and_a_fit_worse_than_nothing_is_said():
    target, matrices, labels = spread(0.5)
    told = {"rule": "rank-k", "rank": 1, "theta": 10 * float(np.trace(target))}
    found = LowRankMatrixRegressor(method="frank_wolfe", method_options=told, stop="budget", max_iter=50)
    found.fit(matrices, labels)
    assert np.linalg.norm(labels - found.predict(matrices)) > np.linalg.norm(labels)
    assert any(line.startswith("a poor fit: its residual is") for line in found.warnings_)


def test_the_iterations_of_folds_are_those_that_ran_on_all_measurements(monkeypatch):
    _, matrices, labels = spread(0.5)
    told = {"stop": "folds", "folds": 2, "max_iter": 300, "alpha": 0.1}
    rises, run = [True, False], fitting.Descending.run

    def first_rises(self, part, step, **more):
        watch = run(self, part, step, **more)
        if more:
            watch.memory["unstable"][:] = rises.pop(0)
        return watch

    plain = LowRankMatrixRegressor(**told).fit(matrices, labels)
    monkeypatch.setattr(fitting.Descending, "run", first_rises)
    found = LowRankMatrixRegressor(**told, tol=0.01).fit(matrices, labels)
    assert found.step_ == plain.step_ / 2
    assert found.n_iter_ == found.path_["iteration"][-1]
    assert np.isfinite(found.path_["train_error"]).all()


def test_a_hold_out_of_everything_is_too_large():
    _, matrices, labels = spread(0.5)
    found = LowRankMatrixRegressor(stop="hold-out", hold_out=0.999, max_iter=10).fit(matrices, labels)
    assert any(line.startswith("hold-out too large: 200 of 200") for line in found.warnings_)
