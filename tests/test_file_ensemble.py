"""Own measurements in the workflow: a file as an ensemble, and a chapter of one's own as its home."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, recorded_descents, setting_problems, snakemake, tier_settings, tiny_repository

from algoreg import plugins
from algoreg.ensembles.file import Ensemble, standardised
from algoreg.numerics import problems
from algoreg.numerics.svec import smat
from algoreg.results import records
from algoreg.settings import chapters
from algoreg.settings.chapters import load_chapter

sys.path.insert(0, str(ROOT / "tools"))
import own_data as tool

D, M, SEED = 4, 12, 5


def dense_of(ensemble):
    return smat(ensemble.rows.double(), ensemble.d).numpy()


def written(folder, kind):
    """Write a file of a kind; return its data block, d, and the plain matrix of every measurement with its label."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(M)
    path, more, columns = folder / f"{kind}.npz", {}, {}
    if kind in ("symmetric", "rectangular", "flat"):
        shape = (D, D) if kind == "symmetric" else (2, 3)
        matrices = columns["A"] = rng.standard_normal((M, *shape))
        if kind == "flat":
            columns["A"], more = matrices.reshape(M, 6), {"shape": [2, 3]}
    elif kind == "table":
        x = columns["X"] = 3 + 2 * rng.standard_normal((M, D - 1))
        x = np.column_stack([np.ones(M), (x - x.mean(axis=0)) / x.std(axis=0)])
        matrices = np.einsum("mi,mj->mij", x, x)
    elif kind in ("vectors", "pairs", "pairs of a table"):
        x, z = rng.standard_normal((M, 2)), rng.standard_normal((M, 3))
        columns |= {"vectors": x} | ({"partners": z} if kind == "pairs" else {})
        matrices = np.einsum("mi,mj->mij", x, x if kind == "vectors" else z)
        if kind == "pairs of a table":
            pd.DataFrame(np.hstack([x, z]), columns=list("abcde")).assign(y=y).to_csv(path, index=False)
            more = {"format": "csv", "target": "y", "table": "vectors", "shape": [2, 3]}
    elif kind in ("gaps", "gaps of a table", "gaps alone"):
        place = np.sort(rng.permutation(20)[:M])
        columns["matrix"], matrices = np.full((4, 5), np.nan), np.zeros((M, 4, 5))
        columns["matrix"].ravel()[place], matrices[np.arange(M), place // 5, place % 5] = y, 1
        if kind == "gaps of a table":
            pd.DataFrame(columns["matrix"]).to_csv(path, header=False, index=False)
            more = {"format": "csv", "table": "matrix"}
        elif kind == "gaps alone":
            with path.open("wb") as file:
                np.save(file, columns["matrix"])
            more = {"format": "npy"}
    elif kind == "entries":
        place = rng.permutation(20)[:M]
        columns |= {"rows": place // 5, "columns": place % 5}
        matrices, more = np.zeros((M, 4, 5)), {"shape": [4, 5]}
        matrices[np.arange(M), place // 5, place % 5] = 1
    else:
        one = {"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}
        # Without the identity's, which is 1.
        strings, y = [a + b for a in "IXYZ" for b in "IXYZ"][1 : M + 1], y / np.abs(y).max()
        pd.DataFrame({"pauli": strings, "expectation": y}).to_csv(path.with_suffix(".csv"), index=False)
        p = np.array([np.kron(one[a], one[b]) for a, b in strings])
        matrices = np.block([[p.real, -p.imag], [p.imag, p.real]])
        return {"path": str(path.with_suffix(".csv"))}, 8, matrices, y
    if "format" not in more:
        np.savez(path, **columns, **{{"entries": "values", "gaps": "left out"}.get(kind, "y"): y})
    if kind not in ("symmetric", "vectors", "table"):
        rows, width = matrices.shape[1:]
        lifted = np.zeros((M, rows + width, rows + width))
        lifted[:, :rows, rows:] = matrices / 2
        matrices = lifted + lifted.transpose(0, 2, 1)
    return {"path": str(path), **more}, matrices.shape[1], (matrices + matrices.transpose(0, 2, 1)) / 2, y


def test_a_constant_column_says_nothing_whatever_rounding_leaves_of_it():
    assert np.abs(standardised(np.full((300, 1), 3.3))[:, 1]).max() < 1e-12


KINDS = ("symmetric", "rectangular", "flat", "vectors", "pairs", "pairs of a table", "table", "entries", "pauli")
KINDS += ("gaps", "gaps of a table", "gaps alone")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_measured_as_plain_matrices_are(tmp_path, kind):
    data, d, matrices, y = written(tmp_path, kind)
    drawn = Ensemble.draw(d, M, SEED, 1, data=data)
    # The order is found from the labels, which all differ; both are scaled.
    label = y / np.sqrt(np.mean(y**2))
    order = [int(np.argmin(np.abs(label - one))) for one in drawn.file_labels.tolist()]
    assert sorted(order) == list(range(M))
    size = d / np.sqrt(np.square(matrices).sum(axis=(1, 2)).mean())
    np.testing.assert_allclose(dense_of(drawn), size * matrices[order], atol=1e-12)
    np.testing.assert_allclose(drawn.file_labels, label[order])
    content = tier_settings("smoke")
    content["experiments"]["mine"] = recorded_descents(**block_of(data, d))
    assert setting_problems(content) == []


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("kind", ["symmetric", "table", "entries"])
def test_numbers_of_any_size_are_scaled(tmp_path, kind, size):
    data, d, _, _ = written(tmp_path, kind)
    plain = Ensemble.draw(d, M, SEED, 0, data=data)
    arrays = records.load_arrays(data["path"])
    for name in {"A", "X", "y", "values"} & arrays.keys():
        arrays[name] = arrays[name] * size
    np.savez(data["path"], **arrays)
    drawn = Ensemble.draw(d, M, SEED, 0, data=data)
    torch.testing.assert_close(drawn.rows, plain.rows)
    torch.testing.assert_close(drawn.file_labels, plain.file_labels)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("row,column,value\n0,1,2\n0,0,1\n1,0,2\n0,1,3\n", "entry (0, 1) appears 2 times; give it once, as the mean"),
        (
            "pauli,expectation\nXX,0.5\nYY,0.4\nXX,0.6\n",
            "XX appears 2 times; give it once, as the mean over all of its shots",
        ),
        ("pauli,expectation\nXX,0.5\nYY,-1.5\n", "an expectation is from -1 to 1, not -1.5"),
        ("pauli,expectation\nII,0.9\nYY,0.5\n", "II has expectation 1, not 0.9"),
        (
            "pauli,expectation,shots\nXX,0.5,100\nYY,0.5,-3\n",
            "shots: allowed are finite numbers above 0, not -3",
        ),
        ("pauli,expectation\nXX,0.5\nI,0.4\n", "XX and I are of different lengths"),
        ("pauli,expectation\nXX,0.5\nXXX,0.4\n", "XX and XXX are of different lengths"),
        ("pauli,expectation\nXX,0.5\nyq,0.4\n", "'YQ': a Pauli string has the letters I, X, Y, Z"),
    ],
)
def test_measurements_that_no_estimator_takes_are_none(tmp_path, text, said):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said) + "$"):
        Ensemble.draw(8, 2, SEED, 0, data={"path": str(tmp_path / "data.csv")})


def test_an_expectation_in_eight_bits_is_not_small_because_its_size_has_no_room(tmp_path):
    np.savez(tmp_path / "data.npz", pauli=["XX", "YY"], expectation=np.array([-128, 1], np.int8))
    with pytest.raises(ValueError, match=r"from -1 to 1, not -128$"):
        Ensemble.draw(8, 2, SEED, 0, data={"path": str(tmp_path / "data.npz")})


def test_ensembles_are_other_orders_and_fewer_are_the_first_of_more(tmp_path):
    data, d, _, _ = written(tmp_path, "symmetric")
    one, again, other = (Ensemble.draw(d, M, SEED, number, data=data) for number in (0, 0, 1))
    assert one.digest == again.digest != other.digest
    few = Ensemble.draw(d, 5, SEED, 0, data=data)
    ratio = few.file_labels / one.file_labels[:5]
    torch.testing.assert_close(ratio, ratio[0].expand(5))


def block_of(data, d, **changes):
    problem = {"ensemble": "file", "data": data, "d": d, "rank": 1, "m": M, "target": {"kind": "unknown"}}
    return {**problem, "targets": 1, "own_targets": True, "hold_out": 0.25, **changes}


def test_labels_of_a_problem_are_the_files(tmp_path):
    data, d, _, y = written(tmp_path, "symmetric")
    arrays = problems.draw_problem(block_of(data, d), SEED, 0)
    assert not arrays["factors"].any()
    np.testing.assert_allclose(np.sort(arrays["labels"][0]), np.sort(y / np.sqrt(np.mean(y**2))))
    ensemble = problems.regenerate_ensemble(block_of(data, d), arrays, "cpu", torch.float64, "p.npz")
    np.testing.assert_allclose(ensemble.file_labels, arrays["labels"][0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": None}, "data and an ensemble that reads them go together"),
        ({"data": {"path": "nowhere.npz"}}, "no such file"),
        ({"own_targets": False}, "allowed is true with data"),
        ({"target": {"kind": "columns"}}, "allowed is data with target"),
        ({"ensemble": "gaussian"}, "data and an ensemble that reads them go together"),
        ({"ensemble": "signs"}, "= signs: it would round the data to signs; allowed with data is file"),
        ({"ensemble": "gaussian_bfloat16"}, "= gaussian_bfloat16: it would round the data to bfloat16"),
    ],
)
def test_settings_that_do_not_fit_are_named_before_any_job(tmp_path, changes, said):
    data, d, _, _ = written(tmp_path, "symmetric")
    content = tier_settings("smoke")
    block = {key: value for key, value in {**block_of(data, d), **changes}.items() if value is not None}
    if "data" not in block:
        block["target"] = {"kind": "columns"}
    content["experiments"]["mine"] = recorded_descents(**block)
    assert any(said in line for line in setting_problems(content)), setting_problems(content)


def test_a_method_that_must_be_told_what_nobody_knows_is_refused(tmp_path):
    data, d, _, _ = written(tmp_path, "symmetric")
    content = tier_settings("smoke")
    run = {"step": 0.01, "iterations": 10}
    content["experiments"]["mine"] = recorded_descents(**block_of(data, d), algorithm="frank_wolfe", runs=[run])
    assert any("needs prior knowledge of the trace" in line for line in setting_problems(content))
    # θ stands in for it.
    run["theta"] = [0.5, 1.0]
    assert setting_problems(content) == []
    run["theta"] = [0.5, None]
    assert any("needs prior knowledge of the trace" in line for line in setting_problems(content))


def test_a_matrix_of_which_entries_are_known_may_be_square(tmp_path):
    data, *_ = written(tmp_path, "entries")
    content = tier_settings("smoke")
    content["experiments"]["mine"] = recorded_descents(**block_of({**data, "shape": [5, 5]}, 10))
    assert setting_problems(content) == []
    content["experiments"]["mine"]["options"]["data"]["shape"] = [5]
    (line,) = setting_problems(content)
    assert "data.shape = [5]: List should have at least 2 items" in line


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("entries", {"shape": [3, 5]}, "shape = (3, 5): the entries need at least 4 × 5"),
        ("rectangular", {"shape": [3, 2]}, "shape = (3, 2): the file determines the shape (2, 3)"),
        ("pairs of a table", {"shape": [2, 2]}, "shape = (2, 2): a row has 5 numbers; allowed are 2 (x) or 4 (x and z)"),
        ("table", {"shape": [2, 2]}, "shape = (2, 2): a table needs none; leave shape out"),
    ],
)  # fmt: skip
def test_a_shape_that_is_not_the_files_is_named(tmp_path, kind, changes, said):
    data, d, *_ = written(tmp_path, kind)
    with pytest.raises(ValueError, match=re.escape(said)):
        Ensemble.draw(d, M, SEED, 0, data={**data, **changes})


def test_what_a_table_is_has_three_names(tmp_path):
    data, d, *_ = written(tmp_path, "gaps of a table")
    content = tier_settings("smoke")
    content["experiments"]["mine"] = recorded_descents(**block_of({**data, "table": "rows"}, d))
    (line,) = setting_problems(content)
    assert "data.table = \"rows\": Input should be 'features', 'vectors' or 'matrix'" in line


@pytest.mark.parametrize(("d", "m", "said"), [(D + 1, M, "have d = 4"), (D, M + 1, "the file has 12 measurements")])
def test_sizes_that_are_not_the_files_are_named(tmp_path, d, m, said):
    data, *_ = written(tmp_path, "symmetric")
    with pytest.raises(ValueError, match=said):
        Ensemble.draw(d, m, SEED, 0, data=data)


@pytest.mark.workflow
def test_own_measurements_are_a_chapter_that_is_judged(tmp_path):
    folder = tiny_repository(tmp_path / "repository", tier="quick")
    data, *_ = written(folder, "symmetric")
    rng = np.random.default_rng(1)
    u, matrices = rng.standard_normal((D, 1)), rng.standard_normal((60, D, D))
    np.savez(data["path"], A=matrices, y=np.einsum("mij,ij->m", matrices, u @ u.T))
    made = [sys.executable, str(folder / "tools" / "own_data.py"), "symmetric.npz", "own"]
    for _ in range(2):
        done = subprocess.run(made, cwd=folder, capture_output=True, text=True)
        assert done.stdout == "symmetric\n", done.stderr
    # Nothing but its own claims: what the rest of the tier has takes longer.
    more = ("chapter_symmetric", "--config", "chapter_path=own", "chapters=[symmetric]")
    done = snakemake(folder, *more, tier="quick")
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"verdict": "supported"' in (folder / "results/quick/claims/symmetric-predicts.json").read_text()
    table = pd.read_csv(folder / "results/quick/tables/symmetric.csv")
    assert table["test_error"].isna().all()
    assert table["hold_out_error"].notna().all()


def test_a_file_that_is_none_makes_no_chapter(tmp_path):
    made = [sys.executable, str(ROOT / "tools" / "own_data.py"), "nothing.npz", str(tmp_path / "own")]
    done = subprocess.run(made, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file" in done.stderr
    assert not (tmp_path / "own").exists()


# What is said of a chapter that was made.
KEPT = "change it, and run again"


@pytest.fixture
def own_data(tmp_path, monkeypatch, capsys):
    """Return a function that asks for a chapter of a file, and returns the exit status and what was said.

    In this process: each start of the command takes seconds.
    """

    def forget():
        plugins.forget()
        # Python keeps which folder a relative path was when it was first read.
        sys.path_importer_cache.pop("own", None)
        load_chapter.cache_clear()
        chapters.references.cache_clear()

    def ask(*arguments):
        monkeypatch.setattr(sys, "argv", ["own_data.py", *arguments])
        # The command tells the package of its folder by the environment.
        monkeypatch.setenv(plugins.CHAPTER_PATH, "")
        forget()
        status, said = tool.main(), capsys.readouterr()
        return status, said.out + said.err

    monkeypatch.chdir(tmp_path)
    yield ask
    monkeypatch.undo()
    forget()


def test_a_chapter_that_is_there_stands_for_one_file_and_target(own_data, tmp_path):
    rows = np.random.default_rng(0).standard_normal((30, 3))
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    (tmp_path / "other").mkdir()
    for place in ("data.csv", "other/data.csv"):
        table.to_csv(tmp_path / place, index=False)
    assert own_data("data.csv", "own", "a")[0] == 0
    assert own_data(str(tmp_path / "data.csv"), "own", "a") == (0, "data\n")
    for path, target in (("other/data.csv", "a"), ("data.csv", "b")):
        said = f"DATA = {path}: own/data is of data.csv, target a: rename the file or delete own/data\n"
        assert own_data(path, "own", target) == (2, said)
    table[:20].to_csv(tmp_path / "data.csv", index=False)
    status, said = own_data("data.csv", "own", "a")
    assert (status, said.count("\n")) == (2, 1)
    assert "own/data/experiments.yaml: experiments.data_runs: options.m = 30: the file now has 20 measurements" in said
    (tmp_path / "data.csv").unlink()
    assert own_data("data.csv", "own", "a") == (2, "DATA = data.csv: no such file\n")


def test_a_files_name_may_hold_what_stands_in_the_template(own_data, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "DATA ALGORITHM").mkdir()
    path = "DATA ALGORITHM/STEP mychapter ITSSIZE.npz"
    np.savez(tmp_path / path, A=rng.standard_normal((30, 4, 4)), y=rng.standard_normal(30))
    command = f".venv/bin/algoreg recover '{path}' --out found"
    said = f"step_mychapter_itssize\nwrote own/step_mychapter_itssize: {KEPT}. The matrix itself: {command}\n"
    assert own_data(path, "own") == (0, said)
    assert f"data: {{path: {path}}}" in (tmp_path / "own/step_mychapter_itssize/experiments.yaml").read_text()
    np.savez(tmp_path / "a{b}.npz", A=rng.standard_normal((30, 4, 4)), y=rng.standard_normal(30))
    status, said = own_data("a{b}.npz", "own")
    assert (status, said.count("\n")) == (2, 1)
    assert "allowed is a path without { and }" in said
    status, said = own_data(path, "own:more")
    assert (status, said.count("\n")) == (2, 1)
    assert "CHAPTER_PATH = own:more: allowed is one folder" in said


def test_a_square_matrix_makes_a_chapter_and_a_refused_one_leaves_nothing(own_data, tmp_path):
    place = np.random.default_rng(0).permutation(24)[:20]
    square = {"rows": place // 5, "columns": place % 5, "values": np.arange(20.0)}
    np.savez(tmp_path / "square.npz", **{name: np.append(values, 4) for name, values in square.items()})
    np.savez(tmp_path / "few.npz", **{name: values[:1] + 1 for name, values in square.items()})
    status, said = own_data("few.npz", "own")
    assert status == 2
    assert "hold_out = 0.2: allowed is 0 where m = 1" in said
    assert not (tmp_path / "own").exists()
    assert own_data("square.npz", "own")[0] == 0
    assert "shape: [5, 5]" in (tmp_path / "own" / "square" / "experiments.yaml").read_text()


def test_a_chapter_of_a_table_says_how_it_is_read(own_data, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.standard_normal((30, 5)), columns=list("abcde")).assign(y=rng.standard_normal(30))
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    table = ("--table", "vectors")
    status, said = own_data("pairs.csv", "own", "y", *table, "--shape", "2x3")
    assert status == 0
    command = "recover pairs.csv --target y --table vectors --shape 2x3 --kind rectangular --out found\n"
    assert said.endswith(f".venv/bin/algoreg {command}")
    kept = "{path: pairs.csv, shape: [2, 3], table: vectors, target: y}"
    assert f"data: {kept}\n" in (tmp_path / "own/pairs/experiments.yaml").read_text()
    # The shape is the chapter's where none is said.
    assert own_data("pairs.csv", "own", "y", *table) == (0, "pairs\n")
    is_of = "own/pairs is of pairs.csv, shape [2, 3], table vectors, target y: rename the file or delete own/pairs\n"
    for more in ((), (*table, "--shape", "1x4")):
        assert own_data("pairs.csv", "own", "y", *more) == (2, f"DATA = pairs.csv: {is_of}")


def test_a_chapter_of_a_matrix_with_gaps_is_made(own_data, tmp_path):
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((6, 5)) < 0.7, rng.standard_normal((6, 5)), np.nan)
    pd.DataFrame(matrix).to_csv(tmp_path / "gaps.csv", header=False, index=False)
    status, said = own_data("gaps.csv", "own", "", "--table=matrix", "--shape=")
    assert status == 0
    assert "recover gaps.csv --table matrix --out found" in said
    kept = "{path: gaps.csv, shape: [6, 5], table: matrix}"
    assert f"data: {kept}\n" in (tmp_path / "own/gaps/experiments.yaml").read_text()


def test_a_matrix_with_gaps_asks_for_the_option_of_make(own_data, tmp_path):
    (tmp_path / "gaps.csv").write_text("3,,5\n4,5,\n")
    said = "the first line has numbers; allowed are the columns' names. A matrix with gaps needs TABLE=matrix"
    assert own_data("gaps.csv", "own", "", "--table=", "--shape=") == (2, f"DATA = gaps.csv: {said}\n")


def test_columns_that_are_not_read_are_said(own_data, tmp_path):
    rows = np.argwhere(np.ones((6, 5)))
    frame = pd.DataFrame({"row": rows[:, 0], "column": rows[:, 1], "value": np.arange(30.0), "day": "Monday"})
    frame.to_csv(tmp_path / "days.csv", index=False)
    status, said = own_data("days.csv", "own")
    assert status == 0
    assert "note: columns not read: day\n" in said


def test_measurements_beyond_the_memory_are_refused_by_their_size(own_data, tmp_path):
    entries = "".join(f"0,{column},1\n" for column in range(2000))
    (tmp_path / "far.csv").write_text(f"row,column,value\n20000,20000,1\n{entries}")
    status, said = own_data("far.csv", "own")
    assert status == 2
    assert said.startswith(
        "DATA = far.csv: 2001 measurements of d = 40002 need 1.28e+04 GB of memory; this machine has "
    )
    (tmp_path / "far.csv").write_text("row,column,value\n10000000,0,1\n0,0,1\n")
    assert own_data("far.csv", "own")[1].startswith("DATA = far.csv: 2 measurements of d = 10000002 need ")
    assert not (tmp_path / "own").exists()
