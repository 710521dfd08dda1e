"""Estimators on planted targets, and the command from a file to a folder."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor
from algoreg.recover.command import app

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


def test_the_residual_tells_the_rank_where_the_noise_is_known():
    _, matrices, labels = planted()
    noisy = labels + 0.5 * np.random.default_rng(1).standard_normal(M)
    found = LowRankMatrixRegressor(noise=0.5, max_iter=800).fit(matrices, noisy)
    assert found.stop_ == "noise"
    assert found.rank_test_["accepted"] == 1


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda A, y: (A[:0], y[:0]), "at least one measurement"),
        (lambda A, y: (A, y[:-1]), "inconsistent"),
        (lambda A, y: (np.where(A > 2, np.nan, A), y), "NaN"),
        (lambda A, y: (A, np.ones(M)), "nothing to fit"),
    ],
)
def test_bad_measurements_are_refused(change, said):
    _, matrices, labels = planted()
    with pytest.raises(ValueError, match=said):
        LowRankMatrixRegressor().fit(*change(matrices, labels))


def test_duplicate_entries_and_negative_labels_are_refused():
    with pytest.raises(ValueError, match="stands 2 times"):
        MatrixCompleter().fit([[0, 1], [0, 1], [1, 1]], [1.0, 2.0, 3.0])
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


def test_importing_the_package_does_not_load_torch():
    code = "import sys, algoreg.recover; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
