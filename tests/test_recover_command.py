"""The command: version, parameters, names of columns, where it writes."""

import json
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from algoreg.recover import MatrixCompleter
from algoreg.recover.command import app
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
        ("user=nobody,item=Title,value=rating", "no column nobody; it has userId, Title, rating, day"),
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
    told = ["--folds", "3", "--alpha", "0.5", "--tol", "1e-4", "--set", "reverse=true", "--set", "noise=0.1"]
    done = ran("s.csv", "--out", "x", *told[:-2])
    assert done.exit_code == 0, done.output
    parameters = json.loads((tmp_path / "x/provenance.json").read_text())["parameters"]
    assert {key: parameters[key] for key in ("folds", "alpha", "tol", "reverse")} == {
        "folds": 3, "alpha": 0.5, "tol": 1e-4, "reverse": True,
    }  # fmt: skip
    refused = ran("s.csv", "--out", "y", "--set", "colour=3")
    assert refused.exit_code == 2
    assert "--set colour=3: allowed are name=value, of dtype, method_options, reverse, shape" not in refused.output
    assert "allowed are name=value, of alpha, dtype, method_options, reverse" in refused.stderr
