"""What a fit will need is compared with the machine's memory before anything is allocated, and said in one line."""

import re
import struct
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from algoreg.recover import (
    LowRankImputer,
    LowRankMatrixRegressor,
    MatrixCompleter,
    QuadraticRegressor,
    StateRegressor,
    completion,
    imputation,
    matrix,
    quadratic,
    states,
)
from algoreg.recover.command import app
from algoreg.recover.io import measurement_files, refusals, table_files

RNG = np.random.default_rng(0)
ENTRIES = [[0, 0], [1, 1], [2, 2], [0, 1]]
# What is fitted, and how many bytes its estimates and measurements take at least.
FITS = [
    (LowRankMatrixRegressor(), (RNG.standard_normal((50, 8, 8)), np.ones(50)), 8 * 50 * 36),
    (LowRankMatrixRegressor("rectangular"), (RNG.standard_normal((50, 8, 9)), np.ones(50)), 8 * 50 * 153),
    (LowRankMatrixRegressor(vectors=True), (RNG.standard_normal((50, 90)), np.ones(50)), 8 * 90**2),
    (QuadraticRegressor(), (RNG.standard_normal((50, 90)), RNG.standard_normal(50)), 4 * 8 * 91**2),
    (MatrixCompleter(shape=(90, 80)), (ENTRIES, np.arange(4.0)), 8 * 170 * 10),
    (MatrixCompleter("psd", shape=(90, 90)), (ENTRIES, np.arange(4.0)), 4 * 8 * 90**2),
    (MatrixCompleter(shape=(90, 80), method="factored"), (ENTRIES, np.arange(4.0)), 4 * 8 * 170**2),
    (StateRegressor(), (["ZZZZZ", "XXXXX"], [1.0, 0.5]), 4 * 8 * 64**2),
    (LowRankImputer(), (np.where(RNG.random((90, 80)) < 0.2, np.nan, 1.0 + RNG.random((90, 80))),), 8 * 170 * 10),
]


def has(monkeypatch, size):
    """Let the machine have so many bytes of memory."""
    monkeypatch.setattr(refusals.os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": size}.__getitem__)


@pytest.mark.parametrize(("estimator", "data", "least"), FITS)
def test_a_fit_beyond_the_memory_is_refused_before_it_begins(monkeypatch, estimator, data, least):
    def begun(*_, **__):
        raise AssertionError("the fit has begun")

    for module in (matrix, completion, quadratic, states):
        monkeypatch.setattr(module, "recover", begun)
    monkeypatch.setattr(completion.growing, "grow", begun)
    has(monkeypatch, least)
    with pytest.raises(ValueError, match=r"a fit needs about [\d.e-]+ GB of memory; this machine has [\d.e-]+ GB"):
        estimator.fit(*data)
    # A generous bound: what is kept of a run and of a measurement is some ten times as much.
    has(monkeypatch, 300 * least)
    with pytest.raises(AssertionError, match="the fit has begun"):
        estimator.fit(*data)


@pytest.mark.filterwarnings("ignore")
def test_fewer_starts_need_less(monkeypatch):
    x, y = RNG.standard_normal((60, 50)), RNG.standard_normal(60)
    has(monkeypatch, 8 * 50 * 51**2)
    with pytest.raises(ValueError, match="a fit needs about"):
        QuadraticRegressor().fit(x, y)
    for one in (QuadraticRegressor(alpha=1e-3, max_iter=2), QuadraticRegressor(noise=1.0, max_iter=2)):
        one.fit(x, y)


@pytest.mark.filterwarnings("ignore")
def test_rows_are_filled_in_blocks(monkeypatch):
    table = RNG.standard_normal((40, 2)) @ RNG.standard_normal((2, 6))
    gaps = np.where(RNG.random(table.shape) < 0.2, np.nan, table)
    found = LowRankImputer(max_iter=100).fit(gaps)
    whole = found.transform(gaps)
    monkeypatch.setattr(imputation, "BLOCK_ROWS", 7)
    assert found.transform(gaps) == pytest.approx(whole, rel=1e-12)


def test_the_command_refuses_what_memory_does_not_hold(monkeypatch, tmp_path):
    path = tmp_path / "entries.csv"
    path.write_text("row,column,value\n0,0,1\n400,3,2\n7,5,3\n")
    has(monkeypatch, path.stat().st_size * table_files.TIMES_ITS_SIZE - 1)
    with pytest.raises(ValueError, match=r"entries.csv: parsing it needs about [\d.e-]+ GB"):
        measurement_files.read(path)
    has(monkeypatch, 8 * 401 * 6 - 1)
    with pytest.raises(ValueError, match=r"a matrix of 401 × 6 needs 1\.92e-05 GB of memory"):
        measurement_files.read(path)
    # A narrow factor needs no square of the larger side.
    has(monkeypatch, 8 * 401**2 - 1)
    assert len(measurement_files.read(path).y) == 3
    done = CliRunner().invoke(app, ["recover", str(path), "--method", "factored", "--out", str(tmp_path / "found")])
    assert done.exit_code == 2
    assert re.fullmatch(r"algoreg recover: .*entries.csv: X: 3 entries of a 401 × 6 matrix .* GB\n", done.stderr)


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_memory_that_is_short_while_a_file_is_read_is_no_pickle(monkeypatch, tmp_path, suffix):
    def short(*_, **__):
        raise MemoryError

    path = tmp_path / f"data.{suffix}"
    np.savez(tmp_path / "data.npz", A=np.ones((3, 2, 2)), y=np.ones(3))
    (tmp_path / "data.csv").write_text("row,column,value\n0,0,1\n")
    monkeypatch.setattr(measurement_files.arrays.np.lib.format, "read_array", short)
    monkeypatch.setattr("pandas.read_csv", short)
    done = CliRunner().invoke(app, ["recover", str(path), "--out", str(tmp_path / "found")])
    assert done.exit_code == 2
    assert done.stderr == f"algoreg recover: {path}: out of memory\n"


def test_a_header_of_gigabytes_is_refused_by_its_length(tmp_path):
    path = tmp_path / "matrix.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{}")
    with pytest.raises(ValueError, match="not an npy of plain arrays") as refused:
        measurement_files.read(path)
    assert "MemoryError" not in str(refused.value)


def test_a_setting_of_many_letters_is_refused_before_its_strings_are_listed(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(f"setting,outcome\n{'X' * 24},{'0' * 24}\n")
    with pytest.raises(ValueError, match="a setting of 24 letters; at most 9 qubits"):
        measurement_files.read(path)


@pytest.mark.parametrize(
    ("kind", "rows", "reason"),
    [("<U0", 3 * 10**7, "pauli has elements of 0 bytes"), ("|S2", 9, r"pauli has type \|S2; allowed are texts")],
)
def test_an_array_that_cannot_be_strings_is_refused_by_its_header(monkeypatch, tmp_path, kind, rows, reason):
    path, size = tmp_path / "data.npz", int(kind[2:])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, descr, count in (("pauli", kind, rows * size), ("expectation", "|i1", rows)):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"shape": (rows,), "fortran_order": False, "descr": descr}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(bytes(count))
    monkeypatch.setattr(measurement_files.arrays.np.lib.format, "read_array", None)
    with pytest.raises(ValueError, match=reason):
        measurement_files.read(path)
