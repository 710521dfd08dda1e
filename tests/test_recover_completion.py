"""Completion by factors that grow: beside plain computations, with names, weights, sparse matrices and tables."""

import re
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime

from algoreg.recover import MatrixCompleter, completion


def planted(rows, columns, rank, m, noise=0.0, seed=0):
    """Return a matrix, and places and values of m of its entries with noise."""
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    places = np.stack(np.divmod(rng.choice(rows * columns, m, replace=False), columns), axis=1)
    return target, places, target[tuple(places.T)] + noise * target.std() * rng.standard_normal(m)


def off(found, target):
    return np.linalg.norm(found.matrix_ - target) / np.linalg.norm(target)


@pytest.mark.parametrize("damping", [None, 2.0])
@pytest.mark.parametrize("rank", [0, 2])
def test_the_models_loss_and_gradient_are_those_of_a_plain_loop(rank, damping):
    rng = np.random.default_rng(0)
    places = np.array([[3, 1], [0, 0], [2, 2], [0, 2], [1, 1]])
    y, weights = rng.standard_normal(5), rng.uniform(0.5, 2, 5)
    model = completion.EntriesModel(places, y, weights, (4, 3), damping)
    x = rng.standard_normal(7 * rank + (0 if damping is None else 7))

    def plain(x):
        left, right, biases = x[: 4 * rank].reshape(4, rank), x[4 * rank : 7 * rank].reshape(3, rank), x[7 * rank :]
        total = 0.0
        for (i, j), one, weight in zip(places, y, weights, strict=True):
            found = sum(left[i, a] * right[j, a] for a in range(rank))
            if damping is not None:
                found += biases[i] + biases[4 + j]
            total += weight * (found - one) ** 2
        return total / 10

    value, gradient = model.loss(x, rank)
    assert value == pytest.approx(plain(x))
    assert model.mean_square(x, rank) == pytest.approx(2 * plain(x))
    if len(x):
        assert gradient == pytest.approx(approx_fprime(x, plain, 1e-7), abs=1e-5)


def test_damped_means_solve_ridge_regression_on_rows_and_columns(monkeypatch):
    monkeypatch.setattr(completion, "BIAS_ROUNDS", 200)
    rng = np.random.default_rng(0)
    rows, columns, y = rng.integers(0, 5, 60), rng.integers(0, 4, 60), rng.standard_normal(60)
    found = np.concatenate(completion.damped_means(rows, columns, y, np.ones(60), (5, 4), 2.0))
    design = np.hstack([np.eye(5)[rows], np.eye(4)[columns]])
    assert found == pytest.approx(np.linalg.solve(design.T @ design + 2 * np.eye(9), design.T @ y), abs=1e-4)


# The errors of descent of full width at the same sizes, and of alternating least squares: the table of peers.
@pytest.mark.parametrize(
    ("rows", "columns", "rank", "m", "noise", "most"),
    [(100, 80, 3, 1600, 0.0, 0.017), (100, 80, 3, 3200, 0.1, 0.055), (300, 200, 5, 20_000, 0.1, 0.043)],
)
def test_a_factor_that_grows_ends_where_full_width_does(rows, columns, rank, m, noise, most):
    target, places, y = planted(rows, columns, rank, m, noise)
    found = MatrixCompleter().fit(places, y)
    assert off(found, target) < most
    assert found.effective_rank_ == pytest.approx(rank, abs=0.5)
    assert found.warnings_ == []


def test_full_width_and_a_factor_that_grows_find_the_same_matrix():
    target, places, y = planted(20, 15, 2, 200)
    grown = MatrixCompleter().fit(places, y)
    wide = MatrixCompleter(method="factored", alpha=1e-3, stop="hold-out", max_iter=1000).fit(places, y)
    assert off(grown, target) < off(wide, target) < 0.1


def test_the_rank_is_found_where_the_noise_is_told():
    target, places, y = planted(60, 50, 2, 1500, 0.1)
    found = MatrixCompleter(noise=0.1 * target.std()).fit(places, y)
    assert found.stop_ == "noise"
    assert found.rank_test_["accepted"] == 2
    assert found.rank_test_["p_value"][:2] == pytest.approx([0, 0])
    assert found.factors_[0].shape == (60, 2)
    with pytest.warns(UserWarning, match=r"no rank fits within the given noise|not converged|too few"):
        MatrixCompleter(noise=1e-3 * target.std()).fit(places, y)


def test_memory_is_that_of_entries_and_factors():
    rows = columns = 20_000
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, rows))
    places = np.unique(np.stack([rng.integers(0, rows, 60_000), rng.integers(0, columns, 60_000)], axis=1), axis=0)
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MatrixCompleter(max_iter=5).fit(places, left[places[:, 0]] * right[places[:, 1]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.05 * 8 * rows * columns


def ratings(seed=0):
    """Return ratings of users and items by name: biases and noise, no rank."""
    rng = np.random.default_rng(seed)
    user, item = rng.standard_normal(40), rng.standard_normal(30)
    places = np.stack(np.divmod(rng.choice(1200, 500, replace=False), 30), axis=1)
    y = 3 + user[places[:, 0]] + item[places[:, 1]] + 0.3 * rng.standard_normal(500)
    return user, item, places, y


def test_biases_are_found_and_may_be_left_out():
    user, item, places, y = ratings()
    whole = 3 + user[:, None] + item
    found = MatrixCompleter().fit(places, y)
    without = MatrixCompleter(biases=False).fit(places, y)
    assert np.abs(found.row_bias_).max() > 1
    assert not without.row_bias_.any()
    assert np.sqrt(np.mean((found.matrix_ - whole) ** 2)) < 0.2
    assert off(found, whole) < 0.7 * off(without, whole)
    plain = (
        found.mean_ + found.row_bias_[places[:, 0]] + found.column_bias_[places[:, 1]]
        + np.einsum("ij,ij->i", found.factors_[0][places[:, 0]], found.factors_[1][places[:, 1]])
    )  # fmt: skip
    assert found.predict(places) == pytest.approx(plain)


def test_biases_that_do_not_predict_are_left_out():
    _, places, y = planted(40, 30, 2, 600)
    assert not MatrixCompleter().fit(places, y).row_bias_.any()


def test_rows_and_columns_may_have_names():
    _, _, places, y = ratings()
    frame = pd.DataFrame({"user": [f"u{i}" for i in places[:, 0]], "item": [f"i{j}" for j in places[:, 1]]})
    found, plain = MatrixCompleter().fit(frame, y), MatrixCompleter().fit(places, y)
    at = {name: number for number, name in enumerate(found.row_names_)}
    assert found.row_bias_[at["u7"]] == pytest.approx(plain.row_bias_[7], abs=0.05)
    assert np.corrcoef(found.predict(frame), plain.predict(places))[0, 1] > 0.99
    unknown = found.predict(pd.DataFrame({"user": ["nobody", "nobody"], "item": ["i3", "nothing"]}))
    column = {name: number for number, name in enumerate(found.column_names_)}["i3"]
    assert unknown == pytest.approx([found.mean_ + found.column_bias_[column], found.mean_])
    numbered = MatrixCompleter(ids="names").fit(10**12 * places, y)
    assert numbered.predict(10**12 * places[:5]) == pytest.approx(plain.predict(places[:5]), abs=0.5)
    with pytest.raises(ValueError, match=re.escape("ids = rows: allowed are auto, positions, names")):
        MatrixCompleter(ids="rows").fit(places, y)


def test_a_sparse_matrix_and_a_table_with_gaps_are_their_known_entries():
    target, places, y = planted(20, 15, 1, 200)
    plain = MatrixCompleter().fit(places[np.lexsort(places.T[::-1])], y[np.lexsort(places.T[::-1])])
    table = np.full(target.shape, np.nan)
    table[tuple(places.T)] = y
    stored = sparse.csr_array((y, places.T), shape=target.shape)
    for given in (stored, sparse.coo_array(stored), table, pd.DataFrame(table)):
        assert np.allclose(MatrixCompleter().fit(given).matrix_, plain.matrix_)
    with pytest.raises(ValueError, match="a sparse X holds the values already; leave y out"):
        MatrixCompleter().fit(stored, y)
    with pytest.raises(ValueError, match="no entry is known"):
        MatrixCompleter().fit(np.full((3, 3), np.nan))


def test_a_frame_whose_names_repeat_is_refused():
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="X: two columns are named a"):
        MatrixCompleter().fit(frame)
    with pytest.raises(ValueError, match="X: two rows are named 7"):
        MatrixCompleter().fit(pd.DataFrame(np.arange(6.0).reshape(2, 3), index=[7, 7]))


def test_an_entry_of_weight_0_counts_for_nothing_and_weights_are_those_of_repeated_entries():
    target, places, y = planted(12, 10, 1, 90)
    wrong = y + 100 * (np.arange(90) == 5)
    for told in ({}, {"method": "factored", "max_iter": 1500}):
        found = MatrixCompleter(**told, center=False, stop="budget")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.fit(places, wrong, sample_weight=(np.arange(90) != 5).astype(float))
        assert off(found, target) < 0.05, told
    with pytest.raises(ValueError, match="sample_weight: allowed are finite numbers of at least 0, not -1"):
        MatrixCompleter().fit(places, y, sample_weight=-np.ones(90))


def test_a_grown_factor_runs_where_it_can():
    _, places, y = planted(12, 10, 1, 90)
    with pytest.raises(ValueError, match="method = grown: it runs only on the cpu in float64; use method = factored"):
        MatrixCompleter(dtype="float32").fit(places, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=re.escape("X: a row (i, j) of whole numbers")):
            MatrixCompleter().fit([[0, 1e300], [1, 2]], [1.0, 2.0])


def test_a_row_without_an_entry_and_an_entry_that_repeats_are_called_by_their_names():
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [2.0, np.nan, 6.5]}, index=["ann", "bob", "eve"])
    with pytest.warns(UserWarning, match=r"no entry is known of 1 row \(the first is bob\)$"):
        found = MatrixCompleter().fit(table)
    assert found.matrix_[1] == pytest.approx(found.mean_ + found.column_bias_)
    with pytest.raises(ValueError, match=r"X: entry \('ann', 'a'\) appears 2 times"):
        MatrixCompleter().fit([["ann", "a"], ["bob", "a"], ["ann", "a"]], [1.0, 2.0, 3.0])
