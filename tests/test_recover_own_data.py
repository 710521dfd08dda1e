"""One's own data in the forms that they have: vectors in place of matrices,
a matrix with gaps, a shape that data do not say.
"""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter
from algoreg.recover.command import app
from algoreg.recover.io import measurement_files
from algoreg.results import records

pytestmark = pytest.mark.filterwarnings("ignore")


def bilinear(kind, m, size=1.0):
    """Return a matrix of a kind, rows (x, z), or x alone where M is psd, of some size, and their labels xᵀMz."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((4, 1)), rng.standard_normal((6, 1))
    target = {"psd": left @ left.T, "symmetric": -left @ left.T, "rectangular": left @ right.T}[kind]
    x, z = rng.standard_normal((m, 4)), rng.standard_normal((m, target.shape[1]))
    z = x if kind == "psd" else z
    rows = x if kind == "psd" else np.hstack([x, z])
    return target, x, z, size * rows, np.einsum("mi,ij,mj->m", x, target, z)


# The larger number of measurements is read as a Gram matrix.
@pytest.mark.parametrize("m", [60, 200])
@pytest.mark.parametrize("kind", ["psd", "symmetric", "rectangular"])
def test_vectors_measure_what_their_matrices_measure(kind, m):
    target, x, z, rows, labels = bilinear(kind, m)
    noisy = labels + 0.1 * np.random.default_rng(1).standard_normal(m)
    told = {"kind": kind, "noise": 0.1, "max_iter": 800}
    plain = LowRankMatrixRegressor(**told).fit(x[:, :, None] * z[:, None, :], noisy)
    found = LowRankMatrixRegressor(**told, vectors=True, shape=None if kind == "psd" else target.shape)
    found.fit(rows, noisy)
    assert np.allclose(found.matrix_, plain.matrix_, atol=1e-10)
    assert found.n_iter_ == plain.n_iter_
    assert found.rank_test_ is None
    assert np.allclose(found.predict(rows), np.einsum("mi,ij,mj->m", x, found.matrix_, z))


@pytest.mark.parametrize("size", [1e-100, 1e100])
def test_vectors_of_any_size_find_the_same_matrix(size):
    target, _, _, rows, labels = bilinear("rectangular", 60, size)
    found = LowRankMatrixRegressor("rectangular", target.shape, vectors=True, max_iter=800).fit(rows, labels)
    assert np.allclose(found.matrix_ * size**2, target, atol=1e-2 * np.abs(target).max())


def test_vectors_whose_products_are_0_are_refused():
    _, _, _, rows, labels = bilinear("psd", 60, 1e-200)
    with pytest.raises(ValueError, match="observations divided by measurements are of size inf, and so is the matrix"):
        LowRankMatrixRegressor(vectors=True).fit(rows, labels)


def test_a_truncation_is_in_the_units_of_the_labels():
    target, _, _, rows, labels = bilinear("psd", 60)

    def fitted(of_rows, of_labels, truncation):
        # xᵀMx of larger x asks for a smaller M, larger labels for a larger one.
        unit = of_labels / of_rows**2
        told = {"tau": unit * np.trace(target), "truncation": of_labels * truncation}
        options = {"method": "quadratic", "method_options": told, "alpha": 0.5, "stop": "budget", "max_iter": 30}
        return LowRankMatrixRegressor(vectors=True, **options).fit(of_rows * rows, of_labels * labels).matrix_ / unit

    first = fitted(1, 1, 1.0)
    np.testing.assert_allclose(fitted(30, 1, 1.0), first, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted(1, 50, 1.0), first, rtol=1e-6, atol=1e-9)
    # At this level it is the truncation that decides.
    assert np.linalg.norm(fitted(1, 1, 1e9) - first) > 0.1 * np.linalg.norm(first)


@pytest.mark.parametrize(
    ("told", "width", "said"),
    [
        (
            {"kind": "rectangular"},
            10,
            "kind = rectangular: give the shape (d1, d2) of M; X has d1 + d2 = 10 numbers a row",
        ),
        (
            {"kind": "rectangular", "shape": (4, 5)},
            10,
            "shape = (4, 5): X has 10 numbers a row; allowed are 9 (x and z)",
        ),
        ({"shape": (4, 4)}, 10, "shape = (4, 4): X has 10 numbers a row; allowed are 4 (x) or 8 (x and z)"),
        ({"shape": (4, 6)}, 10, "shape = (4, 6): a psd matrix is square; any other is kind = rectangular"),
    ],
)
def test_vectors_of_another_length_than_the_shape_are_refused(told, width, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        LowRankMatrixRegressor(**told, vectors=True).fit(np.ones((20, width)), np.ones(20))


def test_matrices_are_refused_where_vectors_are_told_and_where_the_shape_is_another():
    with pytest.raises(
        ValueError, match=re.escape("vectors = True: X has shape (20, 4, 4); allowed is a row of numbers")
    ):
        LowRankMatrixRegressor(vectors=True).fit(np.ones((20, 4, 4)), np.ones(20))
    with pytest.raises(ValueError, match=re.escape("shape = (2, 8): X has matrices of shape (4, 4)")):
        LowRankMatrixRegressor(shape=(2, 8)).fit(np.ones((20, 4, 4)), np.ones(20))


def test_both_mirrors_of_an_entry_may_stand_if_they_are_the_same():
    rng = np.random.default_rng(0)
    factor, known = rng.standard_normal((12, 1)), rng.random((12, 12)) < 0.4
    target, known = factor @ factor.T, known | known.T
    places = np.argwhere(known)
    upper = places[:, 0] <= places[:, 1]
    found = MatrixCompleter("psd", max_iter=300, stop="hold-out", hold_out=0.2).fit(places, target[known])
    once = MatrixCompleter("psd", max_iter=300, stop="hold-out", hold_out=0.2).fit(places[upper], target[known][upper])
    assert np.array_equal(found.matrix_, once.matrix_)
    assert len(found.held_out_)
    assert np.array_equal(places[found.held_out_], places[upper][once.held_out_])


def gaps():
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((15, 1)) @ rng.standard_normal((1, 20)) + 3
    known = rng.random(whole.shape) < 0.6
    known[-1], known[:, -2:] = False, False
    return whole, known


def ran(*arguments, out="found"):
    return CliRunner().invoke(app, ["recover", *arguments, "--out", out, "--max-iter", "100"])


def test_the_command_takes_the_shape_that_entries_do_not_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, known = gaps()
    rows, columns = np.nonzero(known)
    pd.DataFrame({"row": rows, "column": columns, "value": whole[known]}).to_csv("entries.csv", index=False)
    done = ran("entries.csv", "--shape", "15x20")
    assert done.exit_code == 0, done.output
    assert "no entry is known of 1 row (the first is 14) and 2 columns (the first is 18)" in done.stderr
    assert records.load_arrays("found/matrix.npz")["matrix"].shape == (15, 20)


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("entries.csv", ["--shape", "15"], "shape = 15: allowed are two whole numbers of at least 1, such as 20x30"),
        ("entries.csv", ["--shape", "0x3"], "shape = 0x3: allowed are two whole numbers of at least 1"),
        ("entries.csv", ["--shape", "1x2"], "entries.csv: shape = (1, 2): the entries need at least 2 × 2"),
        ("table.csv", ["--target", "y", "--shape", "2,2"], "table.csv: shape = (2, 2): a table needs none; leave shape out"),
        ("state.csv", ["--shape", "2×2"], "state.csv: shape = (2, 2): a state needs none; leave shape out"),
        ("state.csv", ["--target", "expectation"], "state.csv: column pauli is not of numbers, the first 'X' in measurement 1"),
        ("state.csv", ["--kind", "psd"], "state.csv: kind = psd: a state has no kind; leave --kind out"),
        ("table.csv", ["--target", "y", "--table", "vectors", "--shape", "2x2"], "shape = (2, 2): a row has 1 numbers; allowed are 2 (x) or 4 (x and z)"),
        ("table.csv", ["--target", "y", "--table", "vectors", "--shape", "2x3"], "shape = (2, 3): a row has 1 numbers; allowed are 5 (x and z)"),
        ("matrices.npz", ["--shape", "3x2"], "matrices.npz: shape = (3, 2): the file determines the shape (2, 3)"),
        ("entries.csv", ["--table", "vectors"], "entries.csv: table = vectors: this file has entries; leave it out"),
        ("entries.csv", ["--table", "rows"], "entries.csv: table = rows: allowed are features, vectors, matrix"),
        ("entries.csv", ["--table", "matrix", "--target", "y"], "column 1 is not of numbers, the first 'row' in line 1"),
        ("pairs.npz", ["--table", "matrix"], "pairs.npz: table = matrix: this file has vectors; leave it out"),
        ("gaps.npy", ["--table", "matrix", "--target", "y"], "gaps.npy: target = y: allowed only for a table; matrix has shape (2, 3). Leave"),
        ("gaps.npy", ["--shape", "3x2"], "gaps.npy: shape = (3, 2): the file determines the shape (2, 3)"),
        ("pairs.npz", ["--shape", "3x2"], "pairs.npz: shape = (3, 2): the file determines the shape (2, 3)"),
        ("flat.npz", [], "flat.npz: A has shape (9, 6); allowed are 3 dimensions, or 2 with d·d columns (if d1·d2, give"),
        ("flat.npz", ["--shape", "2x2"], "flat.npz: shape = (2, 2): A has 6 numbers per measurement, not 4"),
    ],
)  # fmt: skip
def test_a_shape_that_does_not_fit_is_refused_in_one_line(tmp_path, monkeypatch, name, more, said):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "entries.csv").write_text("row,column,value\n0,1,1\n1,0,2\n1,1,3\n")
    (tmp_path / "table.csv").write_text("x,y\n1,2\n3,4\n5,1\n")
    (tmp_path / "state.csv").write_text("pauli,expectation\nX,0.5\nZ,0.5\n")
    np.save("gaps.npy", [[1, 2, np.nan], [3, 4, 5]])
    np.savez("pairs.npz", vectors=rng.standard_normal((9, 2)), partners=rng.standard_normal((9, 3)), y=np.ones(9))
    np.savez("flat.npz", A=rng.standard_normal((9, 6)), y=np.ones(9))
    np.savez("matrices.npz", A=rng.standard_normal((9, 2, 3)), y=np.ones(9))
    done = ran(name, *more)
    assert done.exit_code == 2
    assert done.stderr.startswith("algoreg recover: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_reads_rectangular_matrices_row_by_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matrices = np.random.default_rng(0).standard_normal((60, 2, 3))
    np.savez("flat.npz", A=matrices.reshape(60, 6), y=matrices[:, 0, 1])
    assert np.array_equal(measurement_files.read("flat.npz", shape=(2, 3)).X, matrices)
    assert ran("flat.npz", "--shape", "2x3", "--kind", "rectangular").exit_code == 0
    assert records.load_arrays("found/matrix.npz")["matrix"].shape == (2, 3)


WRITTEN = {
    "npz": lambda place, matrix: np.savez(place, matrix=matrix),
    "npy": np.save,
    "csv": lambda place, matrix: pd.DataFrame(matrix).to_csv(place, header=False, index=False),
}


@pytest.mark.parametrize(("form", "table"), [("npz", "features"), *((form, "matrix") for form in WRITTEN)])
@pytest.mark.parametrize("complete", [False, True])
def test_a_matrix_with_gaps_is_its_known_entries(tmp_path, form, table, complete):
    whole, known = gaps()
    known |= complete
    path = tmp_path / f"gaps.{form}"
    WRITTEN[form](path, np.where(known, whole, np.nan))
    found = measurement_files.read(path, table=table)
    assert (found.kind, found.shape) == ("entries", whole.shape)
    assert np.array_equal(found.X, np.argwhere(known))
    assert np.array_equal(found.y, whole[known])


@pytest.mark.parametrize(
    "text",
    [
        "1.5,,-2\n,3e2,\n",
        "1.5, ,-2\r\nNaN, 3e2,NA\r\n\r\n",
        "\ufeff1,5;;-2\n;300;\n",
        "1.5;;-2\n;300;\n",
        "1,5\t\t-2\n\t3e2\t\n",
        '"1.5","","-2"\n"","300",""',
    ],
)
def test_a_matrix_is_read_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "gaps.csv").write_text(text, encoding="utf-8", newline="")
    found = measurement_files.read(tmp_path / "gaps.csv", table="matrix")
    assert found.shape == (2, 3)
    assert found.X.tolist() == [[0, 0], [0, 2], [1, 1]]
    assert found.y.tolist() == [1.5, -2, 300]


def test_gaps_may_stand_first_and_fill_a_line(tmp_path):
    (tmp_path / "gaps.csv").write_text("\t2\n\t\n1\t\n")
    found = measurement_files.read(tmp_path / "gaps.csv", table="matrix")
    assert (found.shape, found.X.tolist(), found.y.tolist()) == ((3, 2), [[0, 1], [2, 0]], [2, 1])


HINT = 'a matrix is numbers and gaps, without names: frame.to_csv("gaps.csv", header=False, index=False)'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,7,9\n3,0.5,\n4,,1\n", f"column 1 is not of numbers, the first 'user' in line 1; {HINT}"),
        ("0.5,2,a\n3,,4\n", f"column 3 is not of numbers, the first 'a' in line 1; {HINT}"),
        ("0,5;x\n2,5;3\n", "column 2 is not of numbers, the first 'x' in line 1"),
        ("0,5;1\n-;3\n", "column 1 is not of numbers, the first '-' in line 2"),
        ('"0,5",1\n"1,5",3\n', "column 1 is not of numbers, the first '0,5' in line 1"),
        ("True,2\nFalse,1\n", "column 1 is not of numbers"),
        ("1,2,5\n3,\n", "line 2 has 2 fields; allowed are 3, as in the first line"),
        ("1,2,5\n\n3,4,\n", "line 2 has 0 fields; allowed are 3"),
        ("1,2\n3,4,5\n", "line 2 has 3 fields; allowed are 2"),
        ("0,1,2\n0.5,,3\n1,2,\n", f"the first line counts, 0, 1, …, as names do; {HINT}. If it is data, write an npy"),
        (",0,1\n0,0.5,\n1,,0.4\n", "the first line counts, 0, 1, …"),
        ("1,2,3\n0.5,,3\n1,2,\n", "the first line counts, 1, 2, …"),
        ("0,0.5,\n1,,0.4\n2,1,1\n", "the first column counts, 0, 1, …"),
        (",7,9\n1,0.5,\n2,,0.4\n", "the first column counts, 1, 2, …"),
        ("1,inf\n,2\n", "entries of matrix has missing or infinite numbers in 1 of 3"),
        (",\n,\n", "no measurements"),
        ("\n", "no measurements"),
    ],
)  # fmt: skip
def test_a_matrix_with_anything_but_numbers_and_gaps_is_refused(tmp_path, text, said):
    (tmp_path / "gaps.csv").write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"gaps.csv: {said}")):
        measurement_files.read(tmp_path / "gaps.csv", table="matrix")


def test_numbers_that_do_not_count_are_data(tmp_path):
    (tmp_path / "gaps.csv").write_text("0,1,3\n2,,\n3,5,\n")
    assert len(measurement_files.read(tmp_path / "gaps.csv", table="matrix").y) == 6


def test_a_parquet_table_may_be_a_matrix(tmp_path, monkeypatch):
    place = tmp_path / "gaps.parquet"
    place.write_bytes(b"PAR1")
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": pd.array([0, None], dtype="Int64"), "c": [5, 6]})
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame)
    found = measurement_files.read(place, table="matrix")
    assert (found.shape, found.X.tolist(), found.y.tolist()) == ((2, 3), [[0, 0], [0, 1], [0, 2], [1, 2]], [1, 0, 5, 6])
    frame["b"] = ["x", "y"]
    with pytest.raises(ValueError, match="column 2 is not of numbers, the first 'x' in line 1"):
        measurement_files.read(place, table="matrix")
    del frame["b"]
    frame["a"] = [0, 1]
    with pytest.raises(ValueError, match="the first column counts, 0, 1, …"):
        measurement_files.read(place, table="matrix")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("row,column,value,day,who\n0,1,1,1,a\n1,0,2,,b\n1,1,3,2,c\n", "columns not read: day, who"),
        ("pauli,expectation,shots,when\nX,0.5,10,x\nZ,0.5,10,y\n", "columns not read: when"),
        ("row,column,value\n0,1,1\n1,0,2\n1,1,3\n", None),
    ],
)
def test_the_command_says_which_columns_are_not_read(tmp_path, monkeypatch, text, note):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(text)
    done = ran("data.csv")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stderr.splitlines() if "not read" in line]
    assert lines == ([f"note: {note}"] if note else [])


def test_arrays_that_are_not_read_are_named(tmp_path):
    np.savez(tmp_path / "data.npz", vectors=np.ones((3, 2)), y=np.ones(3), partners=np.ones((3, 4)), more=np.ones(9))
    assert measurement_files.read(tmp_path / "data.npz").notes == ("arrays not read: more",)
    np.savez(tmp_path / "data.npz", matrix=np.ones((3, 2)), ids=np.ones(3))
    assert measurement_files.read(tmp_path / "data.npz").notes == ("arrays not read: ids",)


def test_a_pivot_of_ratings_is_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, known = gaps()
    rows, columns = np.nonzero(known)
    ratings = pd.DataFrame({"user": rows + 100, "item": columns + 100, "rating": whole[known]})
    pivot = ratings.pivot(index="user", columns="item", values="rating")
    pivot.to_csv("named.csv")
    done = ran("named.csv", "--table", "matrix")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert HINT in done.stderr
    pivot.to_csv("gaps.csv", header=False, index=False)
    pd.DataFrame({"row": rows, "column": columns, "value": whole[known]}).to_csv("entries.csv", index=False)
    for name, more in (("gaps.csv", ["--table", "matrix"]), ("entries.csv", [])):
        done = ran(name, *more, out=name.partition(".")[0])
        assert done.exit_code == 0, done.output
    gaps_found, found = (records.load_arrays(f"{name}/matrix.npz")["matrix"] for name in ("gaps", "entries"))
    assert np.array_equal(gaps_found, found)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.ones((2, 2, 2)), "matrix has shape (2, 2, 2) and type float64; allowed are 2 dimensions of real numbers"),
        (np.ones((2, 2)) * 1j, "type complex128; allowed are 2 dimensions of real numbers, NaN for unknown entries"),
        (np.full((2, 2), np.nan), "no measurements"),
        (np.array([[1, np.inf], [2, 3]]), "entries of matrix has missing or infinite numbers in 1 of 4"),
    ],
)
def test_a_matrix_that_is_none_is_refused(tmp_path, matrix, said):
    np.save(tmp_path / "matrix.npy", matrix)
    with pytest.raises(ValueError, match=re.escape(said)):
        measurement_files.read(tmp_path / "matrix.npy")


def test_residuals_that_are_the_same_but_for_rounding_are_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("same.npz", A=np.stack([np.eye(2)] * 20), y=1e8 + 1e-8 * (np.arange(20) % 2))
    told = ["--stop", "budget", "--max-iter", "12"]
    done = CliRunner().invoke(app, ["recover", "same.npz", "--out", "found", *told])
    assert done.exit_code == 0, done.output


def test_the_command_reads_vectors_and_pairs_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target, x, z, rows, labels = bilinear("rectangular", 80)
    np.savez("pairs.npz", vectors=x, partners=z, y=labels)
    pd.DataFrame(rows, columns=[f"c{i}" for i in range(10)]).assign(y=labels).to_csv("pairs.csv", index=False)
    np.savez("table.npz", X=rows, y=labels)
    asked = {
        "pairs.npz": (),
        "pairs.csv": ("--target", "y", "--table", "vectors", "--shape", "4x6"),
        "table.npz": ("--table", "vectors", "--shape", "4x6"),
    }
    for name, more in asked.items():
        done = ran(name, "--kind", "rectangular", "--stop", "budget", *more, out=name.replace(".", "-"))
        assert done.exit_code == 0, done.output
        found = records.load_arrays(f"{name.replace('.', '-')}/matrix.npz")["matrix"]
        assert np.allclose(found, target, atol=1e-2 * np.abs(target).max())
    _, x, _, _, labels = bilinear("psd", 60)
    np.savez("vectors.npz", vectors=x, y=labels)
    assert ran("vectors.npz", "--methods", "factored,projected").exit_code == 0
    assert records.load_arrays("found/matrix.npz")["matrix_projected"].shape == (4, 4)
