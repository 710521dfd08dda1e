"""The command: version, parameters, names of columns, where it writes."""

import json
import re
from importlib import metadata
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from algoreg import recover as estimators
from algoreg.recover import MatrixCompleter, StateRegressor, expectations_from_counts
from algoreg.recover.command import ESTIMATORS, app
from algoreg.recover.io import measurement_files
from algoreg.results import records


def ran(*arguments):
    return CliRunner().invoke(app, ["recover", *arguments])


def ratings():
    """Return ratings by users and items with ids, one rank and a mean."""
    rng = np.random.default_rng(0)
    users, items = 1000 + 7 * np.arange(20), [f"film {i}" for i in range(15)]
    whole = 3 + np.outer(rng.standard_normal(20), rng.standard_normal(15))
    known = np.argwhere(rng.random(whole.shape) < 0.6)
    return pd.DataFrame(
        {"userId": users[known[:, 0]], "Title": np.array(items)[known[:, 1]], "rating": whole[tuple(known.T)], "day": 1}
    )


def test_the_version_is_the_packages():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"algoreg {metadata.version('algoreg')}\n")


def test_columns_may_have_any_names_and_rows_ids(tmp_path):
    frame = ratings()
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    out = tmp_path / "elsewhere" / "found"
    done = ran(str(tmp_path / "ratings.csv"), "--out", str(out), "--columns", "user=userId,item=Title,value=rating")
    assert done.exit_code == 0, done.output
    assert "note: columns not read: day" in done.stderr
    found = records.load_arrays(out / "matrix.npz")
    plain = MatrixCompleter(max_iter=5000).fit(frame[["userId", "Title"]].astype(str), frame["rating"])
    assert found["row_names"].tolist() == plain.row_names_.tolist()
    assert found["column_names"].tolist() == plain.column_names_.tolist()
    assert np.allclose(found["matrix"], plain.matrix_, atol=0.05)


def test_known_names_are_found_in_any_case_and_text_is_names(tmp_path):
    frame = ratings().rename(columns={"userId": "Row", "Title": "COLUMN", "rating": "Value"})[
        ["Row", "COLUMN", "Value"]
    ]
    frame["Row"] -= 1000
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    found = measurement_files.read(tmp_path / "ratings.csv")
    assert found.kind == "entries"
    # Rows are positions, columns names.
    assert found.X[:, 0].tolist() == frame["Row"].tolist()
    assert found.names[1][found.X[:, 1]].tolist() == frame["COLUMN"].tolist()
    # With a target it is a table, whose names stay.
    table = frame.assign(COLUMN=1.0)
    table.to_csv(tmp_path / "table.csv", index=False)
    assert measurement_files.read(tmp_path / "table.csv", "Value").kind == "table"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("user=nobody,item=Title,value=rating", "no column nobody; the file has userId, Title, rating, day"),
        ("user=userId,user=Title", "columns = user=userId,user=Title: allowed are pairs such as value=rating, of row"),
        ("who=userId", "allowed are pairs such as value=rating, of row, column, user, item, value"),
        ("user", "allowed are pairs such as value=rating"),
    ],
)
def test_columns_that_are_none_are_refused_in_a_line(tmp_path, monkeypatch, columns, said):
    monkeypatch.chdir(tmp_path)
    ratings().to_csv("ratings.csv", index=False)
    done = ran("ratings.csv", "--out", "found", "--columns", columns)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_row_without_a_name_is_refused(tmp_path):
    frame = ratings().astype({"Title": object})
    frame.loc[3, "Title"] = None
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    told = measurement_files.mapping("user=userId,item=Title,value=rating")
    with pytest.raises(ValueError, match="column column has no name in measurement 4"):
        measurement_files.read(tmp_path / "ratings.csv", columns=told)


def test_every_parameter_can_be_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"pauli": ["+zi", "-ZZ", "XI"], "expectation": [0.9, -0.8, 0.1], "shots": 100}).to_csv(
        "s.csv", index=False
    )
    told = ["--folds", "3", "--alpha", "0.5", "--tol", "1e-4", "--reverse", "--step", "0.2", "--dtype", "float32"]
    told += ["--method", "factored", "--method-options", "{start: gaussian, width: 2}"]
    done = ran("s.csv", "--out", "x", *told)
    assert done.exit_code == 0, done.output
    parameters = json.loads((tmp_path / "x/provenance.json").read_text())["parameters"]
    said = {
        "folds": 3, "alpha": 0.5, "tol": 1e-4, "reverse": True, "step": 0.2, "dtype": "float32",
        "method_options": {"start": "gaussian", "width": 2},
    }  # fmt: skip
    assert {key: parameters[key] for key in said} == said


def test_every_parameter_of_every_estimator_is_an_option():
    options = {parameter.name for parameter in get_command(app).commands["recover"].params}
    # Told by the file (vectors, ids), or under another name.
    options |= {"vectors", "ids", "verbose", "method", "random_state"}
    for name in set(ESTIMATORS.values()):
        assert set(getattr(estimators, name)().get_params()) <= options, name


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["--no-biases"], "--no-biases: this file is fitted by StateRegressor, which has no such parameter; of these options it has --reverse"),
        (["--method-options", "width"], '--method-options width: allowed is a mapping such as "{width: 1, start: spectral}"'),
        (["--method-options", "{"], "--method-options {: allowed is a mapping"),
        (["--step", "-1"], "step = -1.0: allowed is a number above 0"),
    ],
)  # fmt: skip
def test_a_parameter_that_does_not_fit_is_refused_in_one_line(tmp_path, monkeypatch, told, said):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"pauli": ["Z", "X"], "expectation": [0.9, 0.1]}).to_csv("s.csv", index=False)
    refused = ran("s.csv", "--out", "y", *told)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def counted_shots():
    """Return a line per shot of measured settings, of three qubits in the state |010⟩."""
    rng = np.random.default_rng(0)
    settings = ["".join(letters) for letters in product("XYZ", repeat=3)]
    found = []
    for setting in settings:
        for _ in range(8):
            bits = ["010"[place] if letter == "Z" else str(rng.integers(2)) for place, letter in enumerate(setting)]
            found.append((setting, "".join(bits)))
    return found


@pytest.mark.parametrize("form", ["shots", "counts", "renamed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_outcomes_of_settings_are_read_as_a_plain_loop_counts_them(tmp_path, monkeypatch, form, reverse):
    monkeypatch.chdir(tmp_path)
    shots = counted_shots()
    frame = pd.DataFrame(shots, columns=["Setting", "outcome"])
    if form != "shots":
        frame = frame.value_counts().reset_index(name="count")
    frame = frame.rename(columns={"Setting": "basis", "outcome": "Bits"}) if form == "renamed" else frame
    told = {"setting": "basis", "outcome": "Bits"} if form == "renamed" else {}
    frame.to_csv("c.csv", index=False)
    found = measurement_files.read("c.csv", columns=told)
    assert found.kind == "pauli"
    assert len(found.X) == 4**3 - 1
    for string, expectation, counted in zip(found.X, found.y, found.shots, strict=True):
        signs = []
        for setting, outcome in shots:
            if all(letter in ("I", basis) for letter, basis in zip(string, setting, strict=True)):
                signs.append(1)
                for letter, bit in zip(string, outcome, strict=True):
                    signs[-1] *= -1 if letter != "I" and bit == "1" else 1
        assert counted == len(signs)
        assert expectation == pytest.approx(sum(signs) / len(signs))
    if form == "counts":
        done = ran("c.csv", "--out", "x", *(["--reverse"] if reverse else []))
        assert done.exit_code == 0, done.output
        counts = frame.groupby("Setting")[["outcome", "count"]].apply(lambda one: dict(one.to_numpy()))
        strings, y, of_each = expectations_from_counts(counts, reverse=reverse)
        order = np.argsort(strings)
        same = StateRegressor().fit(np.array(strings)[order], y[order], shots=of_each[order])
        assert np.allclose(records.load_arrays(Path("x/matrix.npz"))["matrix"], same.matrix_, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("setting,outcome\nXZ,0\n", "setting XZ: outcome '0'; allowed are 2 digits, 0 or 1"),
        ("setting,outcome\nXZ,02\n", "setting XZ: outcome '02'; allowed are 2 digits, 0 or 1"),
        ("setting,outcome\nXI,01\n", "setting XI: allowed are the letters X, Y, Z, the basis of every qubit"),
        ("setting,outcome\nXQ,01\n", "'XQ': a Pauli string has the letters I, X, Y, Z"),
        ("setting,outcome\nXZ,01\nX,1\n", "settings are of different lengths"),
        ("setting,outcome\nXZ,01\n,11\n", "setting is nan in line 2 below the names; allowed are letters, such as XZ"),
        ("setting,outcome\nXZ,01\nXZ,\n", "outcome is nan in line 2 below the names; allowed are bits as text, such as 001"),
        ("setting,outcome,count\nXZ,01,2.5\n", "setting XZ, outcome 01: count 2.5; allowed are whole numbers from 0"),
        ("setting,outcome,count\nXZ,01,-1\n", "setting XZ, outcome 01: count -1"),
        ("setting,outcome,count\nXZ,01,many\n", "column count is not of numbers, the first 'many' in measurement 1"),
        ("setting,outcome,count\nXZ,01,3\nXZ,10,\n", "count has missing or infinite numbers in 1 of 2 measurements"),
        ("setting,outcome,count\nXZ,01,3\nXZ,01,4\n", "setting XZ, outcome 01 appears twice; give it once, as the sum of its counts"),
        ("setting,outcome,count\nXZ,01,0\n", "counts: there are no shots"),
        ("setting,result\nXZ,01\n", "column setting is not of numbers"),
    ],
)  # fmt: skip
def test_outcomes_that_cannot_be_are_refused(tmp_path, text, said):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        measurement_files.read(tmp_path / "c.csv")


def test_outcomes_that_are_numbers_have_lost_their_zeros(tmp_path, monkeypatch):
    (tmp_path / "c.parquet").touch()
    monkeypatch.setattr(pd, "read_parquet", lambda path: pd.DataFrame({"setting": ["XZ"], "outcome": [1]}))
    with pytest.raises(ValueError, match="outcome is 1 in line 1 below the names; allowed are bits as text"):
        measurement_files.read(tmp_path / "c.parquet")


def test_out_may_be_anywhere_that_does_not_exist_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.csv").write_text("user,item,value\nann,a,1\nbob,a,2\nann,b,2\nbob,b,4\n")
    asked = ["recover", "r.csv", "--columns", "user=user,item=item,value=value", "--out"]
    assert CliRunner().invoke(app, [*asked, "new/folder/below"]).exit_code == 0
    assert Path("new/folder/below/report.html").is_file()
    assert [path.name for path in Path("new/folder").iterdir()] == ["below"]
    refused = CliRunner().invoke(app, [*asked, "r.csv/below"])
    assert refused.exit_code == 2
    assert "is not a folder that can be written to" in refused.stderr
    Path("r.csv").write_text("user,item,value\nann,a,1\nbob,a,2\nann,a,2\n")
    refused = CliRunner().invoke(app, [*asked, "other"])
    assert refused.stderr.endswith("entry ('ann', 'a') appears 2 times; give it once, as the mean\n")
