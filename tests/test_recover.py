"""Estimators on planted targets, and the command from a file to a folder."""

import itertools
import json
import re
import subprocess
import sys
import warnings
from functools import reduce
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from typer.testing import CliRunner

from algoreg import recover
from algoreg.algorithms import projected
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.kernels import passes
from algoreg.recover import (
    LowRankMatrixRegressor,
    MatrixCompleter,
    QuadraticRegressor,
    StateRegressor,
    base,
    fitting,
    report,
    watching,
)
from algoreg.recover.command import app
from algoreg.recover.io import measurement_files
from algoreg.results import records

D, M = 8, 150
pytestmark = pytest.mark.filterwarnings("ignore")


def planted():
    rng = np.random.default_rng(0)
    factor, matrices = rng.standard_normal((D, 1)), rng.standard_normal((M, D, D))
    target = factor @ factor.T
    return target, matrices, np.einsum("mij,ij->m", matrices, target)


@pytest.mark.parametrize(("of_rows", "of_labels"), [(1, 1), (1e6, 1e-6), (1e-6, 1e6)])
def test_a_planted_matrix_is_found_at_every_scale(of_rows, of_labels):
    target, matrices, labels = planted()
    found = LowRankMatrixRegressor(max_iter=800).fit(of_rows * matrices, of_labels * labels)
    assert np.allclose(found.matrix_ * of_rows / of_labels, target, atol=1e-2 * np.abs(target).max())
    assert found.effective_rank_ < 1.1
    left, right = found.factors_
    assert np.allclose(left @ left.T - right @ right.T, found.matrix_)


def test_a_small_problem_is_fitted_by_one_thread_and_leaves_the_others_alone(monkeypatch):
    seen, curvature, before = [], fitting.curvature, torch.get_num_threads()

    def watched(*given):
        seen.append(torch.get_num_threads())
        return curvature(*given)

    monkeypatch.setattr(fitting, "curvature", watched)
    _, matrices, labels = planted()
    torch.set_num_threads(2)
    try:
        LowRankMatrixRegressor(max_iter=5).fit(matrices, labels)
        with pytest.raises(ValueError, match="the training error rises"):
            LowRankMatrixRegressor(step=10.0).fit(matrices, labels)
        after = torch.get_num_threads()
        monkeypatch.setattr(passes, "LEAST_FOR_THREADS", M)
        LowRankMatrixRegressor(max_iter=5).fit(matrices, labels)
    finally:
        torch.set_num_threads(before)
    assert (seen, after) == ([1, 1, 2], 2)


def test_the_residual_tells_the_rank_where_the_noise_is_known():
    _, matrices, labels = planted()
    noisy = labels + 0.5 * np.random.default_rng(1).standard_normal(M)
    found = LowRankMatrixRegressor(noise=0.5, max_iter=800).fit(matrices, noisy)
    assert found.stop_ == "noise"
    assert found.rank_test_["accepted"] == 1


def test_the_rank_test_of_a_symmetric_matrix_fits_symmetric_ones_alone():
    target, matrices, labels = planted()
    other = np.outer(np.arange(D), np.arange(D)) / 20
    noise = 0.1 * np.random.default_rng(1).standard_normal(M)
    labels = labels + np.einsum("mij,ij->m", matrices, other) + noise
    places = np.argwhere(np.triu(np.ones((D, D))))
    whole = target + other + 0.1 * np.random.default_rng(1).standard_normal((D, D))
    kinds = {"noise": 0.1, "max_iter": 800}
    for found, count in (
        (LowRankMatrixRegressor("symmetric", **kinds).fit(matrices, labels), M),
        (MatrixCompleter("symmetric", **kinds, center=False).fit(places, whole[tuple(places.T)]), len(places)),
    ):
        ranks = found.rank_test_["rank"]
        assert found.rank_test_["degrees_of_freedom"].tolist() == [count - r * (r + 1) // 2 for r in ranks]
        assert found.rank_test_["accepted"] == 2


@pytest.mark.parametrize(("rows", "columns", "rank"), [(3, 3, 1), (4, 4, 2), (5, 5, 4), (4, 4, 4)])
@pytest.mark.parametrize("kind", ["psd", "symmetric", "hermitian", "rectangular"])
def test_degrees_of_freedom_are_the_directions_in_which_a_factored_matrix_can_move(kind, rows, columns, rank):
    columns += 2 * (kind == "rectangular")
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, rank)), rng.standard_normal((columns, rank))
    left = left + 1j * rng.standard_normal(left.shape) * (kind == "hermitian")
    # Of U, and of V or U's imaginary part where there is one, one number at a time.
    moves = []
    for place in np.ndindex(left.shape):
        for size in (1, 1j) if kind == "hermitian" else (1,):
            moved = np.zeros(left.shape, complex)
            moved[place] = size
            turned = moved @ (right.T if kind == "rectangular" else left.conj().T)
            moves.append(turned if kind == "rectangular" else turned + turned.conj().T)
    if kind == "rectangular":
        for place in np.ndindex(right.shape):
            moved = np.zeros(right.shape)
            moved[place] = 1
            moves.append(left @ moved.T)
    directions = np.reshape(moves, (len(moves), -1))
    expected = np.linalg.matrix_rank(np.hstack([directions.real, directions.imag]))
    assert base.degrees_of_freedom(kind, rows, columns, rank) == expected


@pytest.mark.parametrize("kind", ["psd", "rectangular", "hermitian"])
def test_fewer_measurements_than_degrees_of_freedom_are_said_and_as_many_are_not(kind):
    # Of rank 1 and 4 × 4, a matrix has 4 or 7 degrees of freedom, a state's trace is known.
    needed, rng = {"psd": 4, "rectangular": 7, "hermitian": 6}[kind], np.random.default_rng(0)
    strings = ["ZI", "IZ", "ZZ", "XX", "YY", "XY"]
    for lacking in (1, 0):
        count = needed - lacking
        if kind == "hermitian":
            found = StateRegressor(stop="budget", max_iter=300).fit(strings[:count], [1.0, 1.0, 1.0, 0, 0, 0][:count])
        else:
            matrices = rng.standard_normal((count, 4, 4))
            found = LowRankMatrixRegressor(
                kind, method="hard_thresholding", method_options={"keep": 1}, stop="budget", max_iter=50
            )
            found.fit(matrices, matrices[:, 0, 0])
        assert round(found.effective_rank_) == 1
        what = "the fit" if kind == "hermitian" else "a matrix of rank 1, the effective rank found,"
        said = f"too few measurements: {count}, but {what} has {needed} degrees"
        assert any(line.startswith(said) for line in found.warnings_) == bool(lacking), found.warnings_


def test_labels_that_are_nothing_but_noise_are_said_to_be():
    _, matrices, labels = planted()
    found = LowRankMatrixRegressor(noise=2 * np.abs(labels).max(), max_iter=20).fit(matrices, labels)
    assert "the observations are no larger than the given noise: the initialisation was kept" in found.warnings_


@pytest.mark.parametrize(
    ("estimator", "measurements"),
    [
        (LowRankMatrixRegressor(), np.zeros((6, 4))),
        (QuadraticRegressor(), np.ones((6, 4))),
        (MatrixCompleter(), [[i, 0] for i in range(6)]),
        (StateRegressor(), ["X", "Y", "Z"] * 2),
    ],
)
def test_a_fit_that_was_refused_leaves_nothing_fitted(estimator, measurements):
    with pytest.raises(ValueError, match=r"nothing to fit|appears 2 times|Σ y_i A_i = 0"):
        estimator.fit(measurements, np.ones(6))
    with pytest.raises(NotFittedError):
        estimator.predict(measurements)


def test_a_quadratic_function_is_found_in_the_units_of_the_table():
    rng = np.random.default_rng(0)
    table = 3 + 10 * rng.standard_normal((300, 3))
    labels = table[:, 0] * table[:, 1] - 2 * table[:, 2] + 7
    found = QuadraticRegressor(max_iter=800).fit(table, labels)
    assert found.score(table, labels) > 0.999
    direct = np.einsum("ij,jk,ik->i", table, found.matrix_, table) + table @ found.coef_ + found.intercept_
    assert np.allclose(direct, found.predict(table))


def test_a_matrix_is_completed():
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((15, 1)) @ rng.standard_normal((1, 20)) + 3
    known = rng.random(whole.shape) < 0.6
    found = MatrixCompleter(max_iter=800).fit(np.argwhere(known), whole[known])
    assert np.abs(found.matrix_ - whole)[~known].mean() < 0.1


def test_a_frame_of_places_keeps_the_order_of_its_columns():
    places = pd.DataFrame(np.argwhere(np.ones((4, 4))), columns=["row", "column"])
    found = MatrixCompleter(max_iter=5).fit(places, np.outer(np.arange(1, 5), np.arange(2, 6)).ravel())
    assert list(found.feature_names_in_) == ["row", "column"]
    with pytest.raises(ValueError, match="same order as they were in fit"):
        found.predict(places[["column", "row"]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda A, y: (A[:0], y[:0]), "at least one measurement"),
        (lambda A, y: (A, y[:-1]), "inconsistent"),
        (lambda A, y: (np.where(A > 2, np.nan, A), y), "NaN"),
        (lambda A, y: (A, np.zeros(M)), "nothing to fit"),
        (lambda A, y: (tuple(A[:, :, 1:]), y), "a psd matrix has d.d"),
        (
            lambda A, y: (A, np.where(y == y.max(), -1e300, y)),
            "y: an observation has size 1e.300; allowed are sizes up to 1e.150",
        ),
    ],
)
def test_bad_measurements_are_refused(change, said):
    _, matrices, labels = planted()
    with pytest.raises(ValueError, match=said):
        LowRankMatrixRegressor().fit(*change(matrices, labels))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": None}, "alpha = None: allowed are auto and numbers above 0, at most 1"),
        ({"alpha": np.array([0.1])}, "alpha = [0.1]: allowed are auto"),
        ({"tol": "a"}, "tol = a: allowed is a number of at least 0"),
        ({"tol": np.nan}, "tol = nan: allowed is a number of at least 0"),
        ({"tol": np.inf}, "tol = inf: allowed is a number of at least 0, below 1"),
        ({"max_iter": None}, "max_iter = None: allowed is a whole number of at least 1"),
        ({"max_iter": 10.5}, "max_iter = 10.5: allowed is a whole number of at least 1"),
        ({"folds": 2.5}, "folds = 2.5: allowed is a whole number of at least 2"),
        ({"hold_out": "a"}, "hold_out = a: allowed is a number between 0 and 1"),
        ({"noise": "a"}, "noise = a: allowed is a number above 0"),
        ({"noise": np.inf}, "noise = inf: allowed is a number above 0"),
        ({"step": -1}, "step = -1: allowed is a number above 0"),
        ({"method_options": "a"}, "method_options = a: allowed is a mapping"),
        ({"dtype": []}, "dtype = []: allowed are float32, float64"),
        ({"shape": 5}, "shape = 5: allowed are two whole numbers of at least 1"),
        ({"shape": (8, 8, 1)}, "shape = (8, 8, 1): allowed are two whole numbers"),
        ({"shape": (-8, -8)}, "shape = (-8, -8): allowed are two whole numbers"),
        ({"shape": (4, 9)}, "shape = (4, 9): X has 64 numbers per measurement, not 36"),
        ({"shape": (8.0, 8.0)}, "shape = (8.0, 8.0): allowed are two whole numbers"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(given, said):
    _, matrices, labels = planted()
    with pytest.raises(ValueError, match=re.escape(said)):
        LowRankMatrixRegressor(**given).fit(matrices.reshape(M, -1), labels)


def test_parameters_may_be_numpys_numbers_and_verbose_a_number(monkeypatch, capsys):
    monkeypatch.setattr(watching, "SAYS_EVERY", 0.0)
    _, matrices, labels = planted()
    given = {"max_iter": np.int64(20), "folds": np.int32(2), "stop": "folds", "alpha": np.float32(0.5)}
    shaped = {"shape": np.array([D, D]), "hold_out": np.float64(0.1)}
    found = LowRankMatrixRegressor(**given, **shaped, verbose=1).fit(matrices.reshape(M, -1), labels)
    plain = LowRankMatrixRegressor(max_iter=20, folds=2, stop="folds", alpha=0.5).fit(matrices, labels)
    assert np.array_equal(found.matrix_, plain.matrix_)
    assert "iteration" in capsys.readouterr().out


EVERY_ESTIMATOR = pytest.mark.parametrize(
    ("estimator", "measurements"),
    [
        (LowRankMatrixRegressor(), np.ones((6, 2, 2))),
        (QuadraticRegressor(), np.ones((6, 4))),
        (MatrixCompleter(), [[i, 0] for i in range(6)]),
        (StateRegressor(), ["XX", "YY", "ZZ", "XY", "YX", "II"]),
    ],
)


@EVERY_ESTIMATOR
def test_complex_numbers_are_refused_in_a_sentence(estimator, measurements):
    said = re.escape("y: Complex data not supported; allowed are real numbers") + "$"
    with pytest.raises(ValueError, match=said):
        estimator.fit(measurements, np.arange(6.0) * 1j)
    if not isinstance(estimator, StateRegressor):
        with pytest.raises(ValueError, match=said.replace("y:", "X:")):
            estimator.fit(np.array(measurements) + 1j, np.arange(6.0))


@EVERY_ESTIMATOR
def test_masked_numbers_are_not_read(estimator, measurements):
    labels, gone = np.linspace(0, 1, 6), np.arange(6) == 3
    with pytest.raises(ValueError, match="y: 1 of 6 are masked; leave those measurements out"):
        estimator.fit(measurements, np.ma.masked_array(labels, gone))
    masked = np.ma.masked_array(measurements)
    masked[(3, *(0,) * (masked.ndim - 1))] = np.ma.masked
    with pytest.raises(ValueError, match=f"X: 1 of {masked.size} are masked"):
        estimator.fit(masked, labels)


def test_matrices_of_another_shape_than_the_fitted_one_are_refused():
    matrices = np.random.default_rng(0).standard_normal((30, 2, 3))
    found = LowRankMatrixRegressor("rectangular", max_iter=20).fit(matrices, matrices[:, 0, 0])
    with pytest.raises(ValueError, match=re.escape("X has matrices of shape (3, 2), but M has shape (2, 3)")):
        found.predict(matrices.transpose(0, 2, 1))


def test_a_place_outside_the_matrix_is_named():
    found = MatrixCompleter(max_iter=20).fit([[0, 0], [1, 0], [1, 1]], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=re.escape("X: position (0, 2) is outside the (2, 2) matrix")):
        found.predict([[1, 1], [0, 2]])


@pytest.mark.parametrize("kind", ["rectangular", "symmetric", "psd"])
def test_places_with_gaps_that_no_memory_holds_are_refused(kind):
    with pytest.raises(
        ValueError,
        match=r"numbered without gaps\?\): a fit needs about [\d.e+]+ GB of memory; this machine has [\d.]+ GB",
    ):
        MatrixCompleter(kind).fit([[0, 0], [1, 10**11 if kind == "rectangular" else 10**7], [2, 3]], [1.0, 2.0, 3.0])


def test_labels_that_say_nothing_are_refused_and_zeros_may_be_held_out():
    _, matrices, labels = planted()
    lonely = np.where(np.arange(M) == 7, labels, 0)
    with pytest.raises(ValueError, match="stop = folds: all observations that are not held out are 0"):
        LowRankMatrixRegressor(stop="folds", max_iter=20).fit(matrices, lonely)
    # Mean-free labels say nothing through columns that do not vary.
    for dtype in ("float32", "float64"):
        with pytest.raises(ValueError, match="determine no matrix"):
            QuadraticRegressor(dtype=dtype, max_iter=20).fit(np.ones((M, 2)), labels)
    seen = {}
    for dtype in ("float32", "float64"):
        found = LowRankMatrixRegressor("symmetric", stop="hold-out", dtype=dtype, max_iter=100).fit(matrices, lonely)
        assert 7 not in found.held_out_
        assert (found.path_["holdout_error"] < 100).all()
        seen[dtype] = found.matrix_
    # The start is kept: 0 but for rounding, which differs between processors.
    assert np.allclose(seen["float32"], seen["float64"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_error_of_held_out_zeros_is_the_size_of_the_residual(dtype):
    ensemble = SimpleNamespace(measure=lambda estimates: estimates.flatten(1))
    estimates = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[3.0, 3.0], [3.0, 3.0]]], dtype=dtype)
    assert list(watching.Held(ensemble, torch.zeros(4, dtype=dtype)).error(estimates)) == [0, 6]
    assert list(watching.Held(ensemble, torch.full((4,), 3.0, dtype=dtype)).error(estimates)) == [1, 0]


def test_duplicate_entries_and_negative_labels_are_refused():
    places = [[3, 1], [0, 1], [3, 1], [0, 0], [0, 1], [0, 1]]
    for kind in ("rectangular", "symmetric", "psd"):
        # The first in the file's order, not the one that stands most often.
        with pytest.raises(ValueError, match=re.escape("X: entry (3, 1) appears 2 times; give it once, as the mean")):
            MatrixCompleter(kind).fit(places, np.arange(6.0))
    for kind, places, said in (
        (
            "psd",
            [[0, 2], [2, 0], [1, 1]],
            "X: (0, 2) and (2, 0) are one entry of a psd matrix and differ; give their mean, once",
        ),
        ("symmetric", [[0, 1], [1, 0], [1, 3]], "matrix and differ; a 2 × 4 matrix is kind = rectangular"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            MatrixCompleter(kind).fit(places, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="negative"):
        QuadraticRegressor(kind="psd").fit(np.eye(3), [1.0, -1.0, 2.0])


def test_the_command_writes_a_whole_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, matrices, labels = planted()
    np.savez("data.npz", A=matrices, y=labels)
    done = CliRunner().invoke(app, ["recover", "data.npz", "--out", "found", "--max-iter", "300"])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "found").iterdir()}
    assert names == {"matrix.npz", "matrix.csv", "report.html", "provenance.json"}
    assert json.loads((tmp_path / "found/provenance.json").read_text())["estimator"] == "LowRankMatrixRegressor"
    again = CliRunner().invoke(app, ["recover", "data.npz", "--out", "found"])
    assert again.exit_code == 2


def test_the_command_refuses_bad_files_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("hostile.npz", A=np.array([{}], dtype=object), y=np.ones(1))
    (tmp_path / "text.npz").write_text("row,column,value\n")
    for arguments in (["hostile.npz", "--out", "x"], ["text.npz", "--out", "x"], ["text.npz", "--out", "../x"]):
        done = CliRunner().invoke(app, ["recover", *arguments])
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    done = CliRunner().invoke(app, ["recover", "text.csv", "--out", "text.csv/below", "--target", "b"])
    assert done.exit_code == 2
    assert f"--out text.csv/below: {tmp_path / 'text.csv'} is not a folder that can be written to" in done.stderr


def test_a_fit_of_another_target_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).standard_normal((40, 3))
    pd.DataFrame(rows, columns=["a", "b", "c"]).to_csv("table.csv", index=False)
    fingerprints = []

    def killed(self, *_):
        fingerprints.append(self.fingerprint)
        raise KeyboardInterrupt

    monkeypatch.setattr("algoreg.engine.checkpoint.Checkpoint.follow", killed)
    for target in ("a", "b"):
        CliRunner().invoke(app, ["recover", "table.csv", "--out", "x", "--target", target])
    assert len(set(fingerprints)) == 2
    # Nor one of another table of this name.
    pd.DataFrame(rows + 1e-9, columns=["a", "b", "c"]).to_csv("table.csv", index=False)
    CliRunner().invoke(app, ["recover", "table.csv", "--out", "x", "--target", "b"])
    assert len(set(fingerprints)) == 3
    # Nor one by other code, or other libraries.
    for name, other in (
        ("algoreg.code_hash.code_hashes", {"algoreg.algorithms.signed": "edited"}),
        ("algoreg.results.machine.versions", {"torch": "3.0"}),
    ):
        monkeypatch.setattr(name, lambda *_, other=other: other)
        CliRunner().invoke(app, ["recover", "table.csv", "--out", "x", "--target", "b"])
    assert len(set(fingerprints)) == 5


@pytest.mark.parametrize(
    "text",
    [
        "row,column,value\n0,1,0.5\n2,1,1e3\n",
        "row;column;value\n0;1;0,5\n2;1;1e3\n",
        "\ufeffrow;column;value\r\n0;1;0.5\r\n2;1;1e3\r\n",
        "row\tcolumn\tvalue\n0\t1\t0,5\n2\t1\t1000\n",
        # Commas in quotes, and between words, are none of numbers.
        'row;"what, else";column;value\n0;a;1;0.5\n2;b;1;1000\n',
        'row;column;value;title\n0;1;0.5;Toy Story, The\n2;1;1000;"10,000 BC"\n',
        "row;column;value;title\n0;1;0,5;Toy Story, The\n2;1;1000;Up\n",
    ],
)
def test_a_table_may_be_separated_as_spreadsheets_do(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8", newline="")
    found = measurement_files.read(path)
    assert found.kind == "entries"
    np.testing.assert_array_equal(found.X, [[0, 1], [2, 1]])
    np.testing.assert_array_equal(found.y, [0.5, 1000])


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("row,value\n0,1\n", None, "has row, value, and lacks column; allowed are columns row, column and value"),
        ("userId,movieId,rating\n1,2,3\n", None, "as in --columns user=userId,item=movieId,value=rating"),
        ("row;column;value\n0;1;1.234,5\n", None, "column value is not of numbers, the first '1.234,5' in measurement 1"),
        ("a;b;y\n0,5;1.5;1\n1;2;1\n", "y", "column b is not of numbers, the first '1.5' in measurement 1; others have a decimal comma"),
        ("row,column,value\n0,1,1\n1,1,\n", None, "value has missing or infinite numbers in 1 of 2 measurements, the first in measurement 2"),
        ("a,b\n1,2\n,3\n", "b", "a has missing or infinite numbers in 1 of 2"),
        ("a,b\n1,2\n", "c", "no column c; the file has a, b"),
        ("row,column,value\n0,0,1,2\n1,0,3,2\n", None, "line 2 has 4 fields; allowed are 3, as in the first line"),
        ("a,b\n1,2\n3,4,\n", "b", "line 3 has 3 fields; allowed are 2"),
        ("0.1,0.2\n0.3,0.4\n", None, "the first line has numbers; allowed are the columns' names"),
        ("row;column;value\n0;1;1;2\n", None, "line 2 has 4 fields; allowed are 3"),
        ("0,0,1\n0,1,2\n", None, "the first line has numbers; allowed are the columns' names"),
        (",0.2,\n0.3,,0.4\n", None, "A matrix with gaps needs --table matrix"),
        (",0.2,,0.2\n0.3,,0.4,\n", None, "A matrix with gaps needs --table matrix"),
        (",0,1\n0,0.1,\n1,,0.4\n", None, "A matrix with gaps needs --table matrix"),
        (",".join("abcdefghijklmn") + "\n" + ",".join("1" * 14) + "\n", None, "k, l and 2 more; allowed are"),
        ("a,b\n1,2\n3,n/a?\n", "a", "column b is not of numbers, the first 'n/a?' in measurement 2"),
        ("string,value\nXY,1\n", None, "'XY' in measurement 1; Pauli strings belong in a column named pauli"),
        ("", "a", "no measurements"),
        ("A,X\n", "X", "no measurements"),
        (",a,b\n0,1,2\n1,2,3\n", "b", "the first column has no name; leave it out"),
        ("a,b,\n0,1,\n1,2,\n", "b", "column 3 has no name; name it, or leave it out, as where lines end in a separator"),
        ("a,a ,b\n0,1,2\n", "b", "two columns are named a"),
        ("a,price,c,price\n0,1,2,1\n", "price", "two columns are named price"),
        ('\na," price",price \n0,1,2\n', "a", "two columns are named price"),
        ("row,column,value\n10000000,0,1\n0,1000000,1\n", None, "the largest row is 10000000: a matrix of 10000001 × 1000001 needs 8e+04 GB"),
        ("row,column,value\n0,1,1\n0.5,1,1\n", None, "row is 0.5 in measurement 2; allowed are whole numbers of at least 0"),
        ("row,column,value\n0,-1,1\n", None, "column is -1 in measurement 1"),
        ("row,column,value\n0,1e300,1\n", None, "column is 1e+300 in measurement 1"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_its_column_and_row(tmp_path, text, target, said):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        measurement_files.read(path, target)
    assert str(refused.value).startswith(f"{path}: ")


def test_a_table_that_is_not_in_utf_8_is_refused_with_what_is_allowed(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("Länge,y\n1,2\n", encoding="latin-1")
    with pytest.raises(ValueError, match="not in UTF-8, the only encoding allowed"):
        measurement_files.read(path, "y")


def test_a_tsv_is_a_csv(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("a\tb\n1,5\t2\n3\t4\n")
    assert measurement_files.read(path, "b").X.tolist() == [[1.5], [3]]


def test_columns_may_be_named_by_numbers(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("0,1\n1,2\n3,4\n")
    assert measurement_files.read(path, "1").y.tolist() == [2, 4]


def test_spaces_beside_commas_do_not_count(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("pauli, expectation , shots\r\nXX, 0.5, 10\r\n ZZ,0.1,20\r\n", encoding="utf-8-sig")
    found = measurement_files.read(path)
    assert found.kind == "pauli"
    assert found.X.tolist() == ["XX", "ZZ"]
    assert found.shots.tolist() == [10, 20]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"A": np.ones((3, 2, 2))}, "has A, and lacks y; allowed are A and y"),
        ({"A": np.ones((3, 2, 2)), "y": np.ones(2)}, "lengths differ: A has 3, y has 2"),
        (
            {"A": np.ones((3, 5)), "y": np.ones(3)},
            "A has shape (3, 5); allowed are 3 dimensions, or 2 with d·d columns",
        ),
        ({"A": np.full((3, 2, 2), np.nan), "y": np.ones(3)}, "A has missing or infinite numbers in 3 of 3"),
        ({"X": np.ones((3, 2)), "y": np.array(["a", "b", "c"])}, "y is not of numbers"),
        ({"X": np.ones((3, 2)), "y": np.ones(3) + 1j}, "y has complex numbers; allowed are real ones"),
        (
            {"rows": np.zeros(2, int), "columns": np.array([0, 2**62]), "values": np.ones(2)},
            "the largest column is 4611686018427387904: a matrix of 1 × 4611686018427387905 needs 3.69e+10 GB",
        ),
        ({"rows": np.ones((3, 1)), "columns": np.ones(3), "values": np.ones(3)}, "rows has shape (3, 1)"),
    ],
)
def test_bad_arrays_are_refused_by_name(tmp_path, arrays, said):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(said)):
        measurement_files.read(tmp_path / "data.npz")


def test_a_target_is_for_tables_alone(tmp_path):
    np.savez(tmp_path / "data.npz", A=np.ones((3, 2, 2)), y=np.ones(3))
    with pytest.raises(ValueError, match=r"target = y: allowed only for a table; A has shape \(3, 2, 2\)"):
        measurement_files.read(tmp_path / "data.npz", "y")
    np.savez(tmp_path / "table.npz", a=np.arange(3), b=np.arange(3.0))
    assert measurement_files.read(tmp_path / "table.npz", "b").kind == "table"


def test_the_residuals_axis_has_room_for_its_numbers(monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "_picture", lambda draw: drawn.append(draw) or "")
    labels = 1e-4 * np.random.default_rng(0).standard_normal(300)
    estimator = SimpleNamespace(path_={}, predict=lambda X: labels / 4)
    report._pictures(estimator, None, labels)
    axes = report.style.plt.figure().gca()
    drawn[-1](axes)
    low, high = axes.get_xlim()
    assert 2 <= sum(low <= place <= high for place in axes.get_xticks()) <= 5
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert (min(bars)[0], max(bars)[1]) == pytest.approx((labels.min() * 3 / 4, labels.max() * 3 / 4))


def test_matrices_may_be_given_as_rows_of_their_numbers(tmp_path):
    matrices = np.arange(12.0).reshape(3, 2, 2)
    np.savez(tmp_path / "data.npz", A=matrices.reshape(3, 4), y=np.ones(3))
    assert np.array_equal(measurement_files.read(tmp_path / "data.npz").X, matrices)


def test_what_the_package_does_not_have_is_no_attribute_of_it():
    with pytest.raises(AttributeError, match=re.escape("module 'algoreg.recover' has no attribute 'Nothing'")):
        recover.Nothing  # noqa: B018


def test_importing_the_package_does_not_load_torch():
    code = "import sys, algoreg.recover; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_fit_that_was_killed_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    _, matrices, labels = planted()
    options = {"max_iter": 300, "stop": "folds", "folds": 2}
    whole = LowRankMatrixRegressor(**options).fit(matrices, labels)
    monkeypatch.setattr(watching, "SAYS_EVERY", 0.0)
    lines = []

    def interrupt(line):
        lines.append(line)
        if len(lines) == 60:
            raise KeyboardInterrupt

    path = tmp_path / "reached.npz"
    first = LowRankMatrixRegressor(**options, verbose=interrupt)
    first.keep_in(Checkpoint(path, "this fit"))
    with pytest.raises(KeyboardInterrupt):
        first.fit(matrices, labels)
    said = []
    again = LowRankMatrixRegressor(**options, verbose=said.append)
    again.keep_in(Checkpoint(path, "this fit"))
    again.fit(matrices, labels)
    assert "continuing from iteration" in said[0]
    assert np.array_equal(again.matrix_, whole.matrix_)


ONE = {"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}


def expectations(shots=None, count=40, qubits=3):
    """Return the state (|000⟩ + i|111⟩)/√2, random strings, and their expectations with the noise of shots."""
    rng = np.random.default_rng(0)
    psi = np.zeros(2**qubits, complex)
    psi[0], psi[-1] = 2**-0.5, 2**-0.5 * 1j
    strings = rng.permutation(["".join(letters) for letters in itertools.product("IXYZ", repeat=qubits)])[:count]
    exact = np.array([(psi.conj() @ reduce(np.kron, [ONE[a] for a in text]) @ psi).real for text in strings])
    seen = exact if shots is None else 2 * rng.binomial(shots, np.clip((1 + exact) / 2, 0, 1)) / shots - 1
    return psi, strings, seen


def test_a_state_is_found_from_pauli_expectations():
    psi, strings, seen = expectations(shots=1000)
    found = StateRegressor(max_iter=800).fit(strings, seen, shots=1000)
    assert found.stop_ == "noise"
    assert (psi.conj() @ found.matrix_ @ psi).real > 0.95
    assert np.trace(found.matrix_) == pytest.approx(1)
    assert found.trace_ == pytest.approx(1, abs=0.05)
    plain = [np.trace(reduce(np.kron, [ONE[a] for a in text]) @ found.matrix_).real for text in strings]
    assert np.allclose(found.predict(strings), plain)
    left, right = found.factors_
    assert np.allclose(left @ left.conj().T - right @ right.conj().T, found.matrix_)


def test_the_noise_of_a_state_is_the_root_mean_square_of_that_of_its_shots():
    seen, shots = np.array([0.6, -0.28, 0.0, 1.0]), np.array([50, 200, 80, 10])
    strings = ["XX", "YY", "ZI", "IZ"]
    for counts in (shots, np.full(4, 50)):
        # Of n shots the number that come out +1 is binomial, with probability (1 + y)/2.
        variances = [binom(n, (1 + y) / 2).var() * (2 / n) ** 2 for y, n in zip(seen, counts, strict=True)]
        given = counts if counts is shots else 50
        found = StateRegressor(max_iter=20).fit(strings, seen, shots=given)
        assert found.noise_ == pytest.approx(np.mean(variances) ** 0.5)


def test_a_path_of_a_state_has_its_own_eigenvalues_and_effective_ranks():
    _, strings, seen = expectations(shots=200)
    found = StateRegressor(method="factored", max_iter=300, stop="budget").fit(strings, seen)
    (kept,) = np.flatnonzero(found.path_["iteration"] == found.n_iter_)
    values = np.linalg.eigvalsh(found.matrix_)
    share = values[values > 0] / values[values > 0].sum()
    assert found.path_["effective_rank"][kept] == pytest.approx(np.prod(share**-share), rel=1e-6)
    count = found.path_["eigenvalues"].shape[1]
    assert found.path_["eigenvalues"][kept] == pytest.approx(np.sort(values)[::-1][:count], abs=1e-6)


@pytest.mark.parametrize(
    ("strings", "seen", "shots", "said"),
    [
        (["XQ", "ZZ"], [0.1, 0.2], None, "I, X, Y, Z"),
        (["XX", "Z"], [0.1, 0.2], None, "different lengths"),
        (["Z" * 10, "X" * 10], [0.1, 0.2], None, "X: strings of 10 letters; at most 9 qubits"),
        (["XX", "XX"], [0.1, 0.2], None, "appears 2 times"),
        (["XX", "ZZ"], [0.1, 1.2], None, "from -1 to 1"),
        (["XX", "ZZ"], [0.1, 0.2], [0, 10], "above 0"),
        (["XX", "ZZ"], [0.1, 0.2], [10, np.inf], "shots: allowed are finite numbers above 0, not inf"),
        (["XX", "ZZ"], [0.1, 0.2], "many", "shots = 'many': allowed are numbers above 0"),
        (["XX", "II"], [0.1, 0.2], None, "has expectation 1"),
        (["XX"], [0.1, 0.2], None, "inconsistent"),
        (["XX", "ZZ"], [0.1, 0.2], [10, 10, 10], r"shots has shape (3,): allowed are one number, or one per"),
    ],
)
def test_bad_expectations_are_refused(strings, seen, shots, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        StateRegressor().fit(strings, seen, shots)


def test_a_stabiliser_state_is_found_from_expectations_that_are_all_one():
    strings = np.array(["ZI", "IZ", "ZZ"], dtype=np.dtypes.StringDType())
    found = StateRegressor(max_iter=800).fit(strings, np.ones(3))
    assert np.allclose(found.matrix_, np.diag([1, 0, 0, 0]), atol=1e-3)
    assert found.trace_ == pytest.approx(1, abs=1e-3)


def test_a_method_is_told_what_it_must_be_told_or_refused():
    target, matrices, labels = planted()
    with pytest.raises(
        ValueError, match=r"hard_thresholding: it needs prior knowledge of the rank; in Python: method_options"
    ):
        LowRankMatrixRegressor(method="hard_thresholding").fit(matrices, labels)
    told = LowRankMatrixRegressor(method="hard_thresholding", method_options={"rank": 1}, max_iter=300)
    assert np.allclose(told.fit(matrices, labels).matrix_, target, atol=0.01)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method_options": {"alpha": 0.5}}, "alpha = 0.5: this is the estimator's parameter alpha"),
        ({"method_options": {"step": 0.5}}, "step = 0.5: this is the estimator's parameter step"),
        ({"method_options": {"iterations": 3}}, "iterations = 3: this is the estimator's parameter max_iter"),
        ({"method_options": {"m": 3}}, "m = 3: the number of measurements is that of the data"),
        ({"method_options": {"colour": 3}}, "colour = 3: unknown option; allowed are start, width"),
        ({"method_options": {3: 3}}, "3 = 3: unknown option; allowed are start, width"),
        ({"method_options": {"width": [2, 3]}}, "width = [2, 3]: allowed is one value"),
        ({"method_options": {"width": D + 1}}, f"width = {D + 1}: allowed is at most {D}"),
        ({"kind": "symmetric", "method_options": {"negative": D + 1}}, f"negative = {D + 1}: allowed is at most {D}"),
        ({"method": "hard_thresholding", "method_options": {"keep": 0}}, "keep = 0: Input should be greater than 0"),
        *(
            ({"method": "hard_thresholding", "method_options": {"rank": rank}}, f"rank = {rank}: allowed is a whole")
            for rank in (D + 1, 0, -1, 2.5, "2", True)
        ),
        *(
            ({"method": "frank_wolfe", "method_options": {"rank": 1, "trace": trace}}, f"trace = {trace}: allowed is a")
            for trace in (-1.0, 0, np.nan, np.inf, "2")
        ),
        (
            {"method": "frank_wolfe", "method_options": {"rank": 1, "theta": "2"}},
            'theta = "2": Input should be a valid number',
        ),
    ],
)
def test_options_that_would_be_passed_over_or_fail_inside_are_refused(given, said):
    _, matrices, labels = planted()
    with pytest.raises(ValueError, match=re.escape(said)):
        LowRankMatrixRegressor(**given, max_iter=20).fit(matrices, labels)


def told_a_trace(estimator, X, y, trace, **given):
    told = {"rank": 1, "rule": "line-search", **given}
    options = {"method": "frank_wolfe", "method_options": told, "stop": "budget", "max_iter": 60}
    told["theta" if "keep" in told else "trace"] = trace
    return estimator.set_params(**options).fit(X, y)


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_a_trace_that_is_told_is_the_matrixs_own(size):
    target, matrices, labels = planted()
    # Half of the true one is always reached.
    half = np.trace(target) / 2
    for given in ({}, {"keep": 1}):
        found = told_a_trace(LowRankMatrixRegressor(), size * matrices, labels, half / size, **given)
        assert np.trace(found.matrix_) == pytest.approx(half / size, rel=1e-2)
    first = np.triu_indices(D)
    entries = MatrixCompleter("psd")
    found = told_a_trace(entries, np.transpose(first), size * target[first], size * half)
    assert np.trace(found.matrix_) == pytest.approx(size * half, rel=1e-2)
    rectangular = LowRankMatrixRegressor("rectangular")
    found = told_a_trace(rectangular, size * matrices, labels, half / size)
    assert np.linalg.norm(found.matrix_, "nuc") == pytest.approx(half / size, rel=1e-2)


def test_the_trace_of_a_state_may_be_told():
    strings = [first + second for first in "IXYZ" for second in "IXYZ"]
    seen = [1.0 if set(text) <= set("IZ") else 0.0 for text in strings]
    assert told_a_trace(StateRegressor(), strings, seen, 0.5).trace_ == pytest.approx(0.5, rel=1e-2)


def test_expectations_may_miss_1_by_rounding():
    seen = [1 - 1e-15, np.nextafter(1, 2), np.nextafter(1, 2)]
    found = StateRegressor(max_iter=800).fit(["II", "ZI", "IZ"], seen)
    assert np.allclose(found.matrix_, np.diag([1, 0, 0, 0]), atol=1e-3)


def test_a_deep_run_is_waited_for_until_it_leaves_its_start():
    target, matrices, labels = planted()
    found = LowRankMatrixRegressor("symmetric", method="deep", max_iter=1000).fit(matrices, labels)
    assert np.allclose(found.matrix_, target, atol=0.05 * np.abs(target).max())
    with pytest.warns(ConvergenceWarning, match="the estimate has hardly left its initialisation"):
        LowRankMatrixRegressor("symmetric", method="deep", max_iter=50).fit(matrices, labels)


def test_the_shortest_step_is_allowed():
    _, matrices, labels = planted()
    found = LowRankMatrixRegressor(step=1e-320, max_iter=20).fit(matrices, labels)
    assert any(line.startswith("not converged") for line in found.warnings_)


def test_a_step_at_which_the_error_rises_and_stays_bounded_is_too_long():
    """Of one number u ← u − η(u² − 1)u: from η = 1 on u = 1 repels, and until η = 2 it stays between bounds."""
    ones = np.ones((20, 1, 1))
    found = LowRankMatrixRegressor(step=0.9, stop="budget", max_iter=400).fit(ones, np.ones(20))
    assert found.matrix_ == pytest.approx(1)
    for step in (1.2, 1.6):
        u, errors = found.alpha_, []
        for _ in range(400):
            errors.append(abs(u**2 - 1))
            u -= step * (u**2 - 1) * u
        assert 1.2 * min(errors[:200]) < min(errors[-50:])
        assert max(errors) < 10
        with pytest.raises(ValueError, match=f"step = {step:.3g}: the training error rises"):
            LowRankMatrixRegressor(step=step, stop="budget", max_iter=400).fit(ones, np.ones(20))


def test_rounding_of_a_gram_matrix_does_not_shorten_the_step():
    rng = np.random.default_rng(1)
    matrices, target = rng.standard_normal((400, 5, 5)), np.diag([1, 0.9, 0.8, 0.5, 0.3])
    labels = np.einsum("mij,ij->m", matrices, target)
    found = LowRankMatrixRegressor(alpha=0.1, tol=0, stop="hold-out", max_iter=2000).fit(matrices, labels)
    loose = LowRankMatrixRegressor(alpha=0.1, stop="hold-out", max_iter=2000).fit(matrices, labels)
    assert found.step_ == loose.step_
    assert np.allclose(found.matrix_, target, atol=1e-12)


@pytest.mark.parametrize("method", ["accelerated", "accelerated_projected"])
def test_ripples_of_momentum_do_not_shorten_the_step(method):
    target, matrices, labels = planted()
    found = LowRankMatrixRegressor(method=method, max_iter=300).fit(matrices, labels)
    assert found.step_ == LowRankMatrixRegressor(method="projected", max_iter=300).fit(matrices, labels).step_
    assert np.allclose(found.matrix_, target, atol=0.02 * np.abs(target).max())
    with pytest.raises(ValueError, match="training error rises"):
        LowRankMatrixRegressor(method=method, step=20 * found.step_, max_iter=300).fit(matrices, labels)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("hard_thresholding", {"keep": 1, "momentum": 0.9}),
        ("frank_wolfe", {"keep": 1}),
        ("subgradient", {}),
        ("least_trace", {}),
    ],
)
def test_errors_that_may_rise_do_not_shorten_the_step(method, told):
    target, matrices, labels = planted()
    told = {**told, "trace": float(np.trace(target))} if method == "frank_wolfe" else told
    found = LowRankMatrixRegressor(method=method, method_options=told, max_iter=1500).fit(matrices, labels)
    if method != "least_trace":
        known = LowRankMatrixRegressor(method="projected", max_iter=300).fit(matrices, labels)
        assert found.step_ == pytest.approx(known.step_)
    assert np.allclose(found.matrix_, target, atol=0.02 * np.abs(target).max())


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_method_that_memory_does_not_hold_does_not_lose_the_first(tmp_path, monkeypatch, kind):
    def too_large(*_):
        raise kind("no room")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(projected.Algorithm, "initial", too_large)
    _, matrices, labels = planted()
    np.savez("data.npz", A=matrices, y=labels)
    asked = ["recover", "data.npz", "--kind", "psd", "--max-iter", "20", "--methods"]
    done = CliRunner().invoke(app, [*asked, "factored,projected", "--out", "found"])
    assert done.exit_code == 0, done.output
    assert "note: projected did not run: no room" in done.stderr.splitlines()
    assert (tmp_path / "found/report.html").is_file()
    assert CliRunner().invoke(app, [*asked, "projected", "--out", "none"]).exit_code == 2


def test_the_command_reads_expectations_and_puts_methods_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, strings, seen = expectations(shots=500)
    pd.DataFrame({"pauli": strings, "expectation": seen, "shots": 500}).to_csv("state.csv", index=False)
    asked = ["recover", "state.csv", "--out", "found", "--max-iter", "200"]
    done = CliRunner().invoke(app, [*asked, "--methods", "factored,projected,projected,hard_thresholding"])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "found/report.html").read_text()
    assert "Methods side by side" in text
    assert "<td class=name>projected</td><td class=number>" in text
    assert "it needs prior knowledge of the rank" in text
    said = "note: hard_thresholding did not run: it needs prior knowledge of the rank; in Python: method_options = {'rank': …}"
    assert said in done.stderr.splitlines()
    assert {path.name for path in tmp_path.iterdir()} == {"found", "state.csv"}
    assert records.load_arrays("found/matrix.npz")["matrix_projected"].shape == (8, 8)
    assert CliRunner().invoke(app, [*asked[:2], "--out", "x", "--methods", "nothing"]).exit_code == 2
    kind = CliRunner().invoke(app, [*asked[:2], "--out", "x", "--kind", "psd"])
    assert (kind.exit_code, "kind = psd: a state has no kind" in kind.output) == (2, True)


def test_a_misspelt_method_is_refused_before_any_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, matrices, labels = planted()
    np.savez("data.npz", A=matrices, y=labels)
    asked = ["recover", "data.npz", "--out", "found", "--max-iter", "20", "--methods", "factored,projcted"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 2
    assert done.stderr.startswith("algoreg recover: data.npz: method = projcted: allowed are auto, accelerated")
    assert {path.name for path in tmp_path.iterdir()} == {"data.npz"}


def test_rows_and_columns_without_a_known_entry_are_said():
    places = np.argwhere(np.ones((6, 5)))
    values = 1.0 + np.outer(np.arange(6), np.arange(5)).ravel()
    said = "no entry is known of 1 row (the first is 0) and 1 column (the first is 0); rows and columns are numbered from 0"
    assert said in MatrixCompleter(max_iter=20).fit(places + 1, values).warnings_
    whole = MatrixCompleter(max_iter=20).fit(places, values)
    square = MatrixCompleter("symmetric", shape=(7, 7), max_iter=20).fit([[0, 1], [2, 4], [5, 3]], [1, 2, 3])
    assert not any("no entry" in line for line in whole.warnings_)
    assert any(line.startswith("no entry is known of 1 row (the first is 6); rows") for line in square.warnings_)


def test_a_noise_that_no_fit_comes_down_to_asks_for_a_larger_one():
    _, matrices, labels = planted()
    noisy = labels + 0.1 * labels.std() * np.random.default_rng(0).standard_normal(len(labels))
    found = LowRankMatrixRegressor(noise=1e-9 * labels.std(), max_iter=50).fit(matrices, noisy)
    assert any(line.endswith("use a larger max_iter, or a larger noise") for line in found.warnings_)


def test_matrices_that_are_not_square_are_told_their_kind_alone():
    with pytest.raises(ValueError, match=r"6 × 8; a psd matrix has d·d\. Use kind = rectangular"):
        LowRankMatrixRegressor().fit(np.ones((3, 6, 8)), [1.0, 2.0, 3.0])


def test_the_command_says_in_a_line_that_memory_is_short(tmp_path, monkeypatch):
    def read(path, target, **told):
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measurement_files, "read", read)
    done = CliRunner().invoke(app, ["recover", "state.csv", "--out", "x"])
    assert done.exit_code == 2
    assert done.stderr.strip() == "algoreg recover: Unable to allocate 7 TiB"


def test_a_path_of_a_rectangular_fit_has_singular_values():
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((60, 4, 5))
    labels = np.einsum("mij,ij->m", matrices, np.outer(np.arange(1, 5), np.ones(5)))
    found = LowRankMatrixRegressor(kind="rectangular", max_iter=300).fit(matrices, labels)
    (kept,) = np.flatnonzero(found.path_["iteration"] == found.n_iter_)
    assert found.path_["eigenvalues"][kept, :2] == pytest.approx(found.eigenvalues_[:2], rel=1e-3)
    assert found.path_["effective_rank"][kept] == pytest.approx(found.effective_rank_, rel=1e-3)


def test_the_page_draws_eigenvalues_without_jumps():
    # By size, as a path keeps them: the two of opposite signs change places at the last look.
    kept = np.array([[-0.5, 0.4, 0.1], [-0.45, 0.44, 0.1], [0.45, -0.44, 0.1], [np.nan] * 3])
    path = {"iteration": np.arange(4), "eigenvalues": kept}

    def shown(kind):
        return report.spectrum(SimpleNamespace(path_=path, get_params=lambda: {"kind": kind}))

    looks, values, what = shown("symmetric")
    assert what == "Eigenvalues"
    assert list(looks) == [0, 1, 2]
    assert np.array_equal(values, [[0.4, 0.1, -0.5], [0.44, 0.1, -0.45], [0.45, 0.1, -0.44]])
    assert shown("rectangular")[2] == "Singular values"


def test_parquet_is_read_where_pyarrow_is_and_asked_for_where_it_is_not(tmp_path, monkeypatch):
    place = tmp_path / "entries.parquet"
    place.write_bytes(b"PAR1")
    frame = pd.DataFrame({"row": [0, 1], "column": [1, 0], "value": [1.0, 2.0]})

    def without(path):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd, "read_parquet", without)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        measurement_files.read(place)
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame)
    assert measurement_files.read(place).kind == "entries"


def test_help_has_examples_and_exit_codes():
    text = CliRunner().invoke(app, ["recover", "--help"]).output
    assert "algoreg recover table.csv --target price" in text
    assert "Exit codes: 0 done, 2" in text


def test_a_matrix_with_negative_eigenvalues_is_not_taken_for_a_psd_one_without_a_word():
    rng = np.random.default_rng(0)
    matrices, u = rng.standard_normal((150, 6, 6)), rng.standard_normal(6)
    matrices += matrices.transpose(0, 2, 1)
    said = "the observations show a negative direction, which a psd matrix cannot have; use kind = symmetric"
    # A fit that is cut off wants more steps.
    for sign, kind, steps, poor in ((1, "psd", 200, 0), (1, "psd", 20, 0), (-1, "psd", 2000, 1)):
        labels = np.einsum("mij,ij->m", matrices, sign * np.outer(u, u))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = LowRankMatrixRegressor(kind, max_iter=steps).fit(matrices, labels)
        assert found.warnings_.count(said) == poor, (sign, kind, found.warnings_)
