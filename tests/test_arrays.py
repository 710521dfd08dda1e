"""Small files that unpack to large arrays: nothing is unpacked before its size is known to fit."""

import io
import os
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from algoreg.recover.io import measurement_files
from algoreg.results import arrays

pytestmark = pytest.mark.any_kernels

# Zeros: 300 MB in a file of 0.3 MB.
LARGE = np.zeros(300_000_000, np.int8)
FITTING = {"A": np.ones((10, 3, 3)), "y": np.ones(10)}


@pytest.fixture(autouse=True)
def little_memory():
    """Fail a test that takes more than a tenth of the large array."""
    tracemalloc.start()
    yield tracemalloc.reset_peak
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGE.nbytes / 10


def packed(array, shape=None):
    """Return the bytes of an ``.npy``, perhaps with another shape in its header."""
    text = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(text, {**header, "shape": shape or array.shape})
    return text.getvalue() + array.tobytes()


def refused(path):
    """Return the line with which a file of measurements is refused."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        measurement_files.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_arrays_that_are_not_asked_for_stay_packed(tmp_path, little_memory):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **FITTING, unused=LARGE)
    assert path.stat().st_size < 1_000_000
    little_memory()
    found = measurement_files.read(path)
    assert found.notes == ("arrays not read: unused",)
    assert np.array_equal(found.X, FITTING["A"])
    assert list(arrays.load_arrays(path, ["y"])) == ["y"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"y": LARGE}, "lengths differ: A has 10, y has 300000000"),
        ({"y": LARGE.reshape(10, -1)}, "y has shape (10, 30000000); allowed is 1 dimension"),
        ({"A": LARGE.reshape(10, 3, -1), "y": np.ones(11)}, "lengths differ: A has 10, y has 11"),
        ({"matrix": LARGE, "A": LARGE}, "allowed are 2 dimensions of real numbers"),
        ({"A": LARGE.reshape(10, 3, -1)}, "they need 0.3 GB of memory; this machine has 0.2 GB"),
        ({"A": LARGE.reshape(10, -1)}, "allowed are 3 dimensions, or 2 with d·d columns"),
    ],
)
def test_arrays_of_wrong_sizes_stay_packed(tmp_path, monkeypatch, little_memory, changed, said):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 200_000_000}.get)
    content = {**FITTING, **changed}
    if "matrix" in content:
        del content["y"], content["A"]
    np.savez_compressed(tmp_path / "data.npz", **content)
    little_memory()
    assert said in refused(tmp_path / "data.npz")


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_a_header_that_says_more_or_less_than_there_is_is_refused(tmp_path, kind):
    path = tmp_path / f"data.{kind}"
    for shape in (9,), (10**12,), (2**62, 2**62):
        content = packed(np.ones(10), shape)
        if kind == "npz":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("y.npy", content)
                archive.writestr("A.npy", packed(FITTING["A"]))
        else:
            path.write_bytes(content)
        assert re.search(r"(y|the array) has \d+ bytes; by its header, of shape|no np[zy] of plain", refused(path))


def test_what_is_unpacked_ends_where_the_archive_says(tmp_path, little_memory):
    path, content = tmp_path / "data.npz", packed(LARGE, shape=(10,))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A.npy", packed(FITTING["A"]))
        archive.writestr("y.npy", content)
    declared = len(content) - len(LARGE) + 10
    text = path.read_bytes()
    # Before its content, and in the directory.
    assert text.count(len(content).to_bytes(4, "little")) == 2
    path.write_bytes(text.replace(len(content).to_bytes(4, "little"), declared.to_bytes(4, "little")))
    del text, content
    little_memory()
    # The checksum is that of all.
    assert "not an npz of plain arrays (BadZipFile)" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_python_unpacks_without_a_limit_is_refused(tmp_path, method, little_memory):
    with zipfile.ZipFile(tmp_path / "data.npz", "w", method) as archive:
        for name, array in FITTING.items():
            archive.writestr(f"{name}.npy", packed(array))
    little_memory()
    assert "not an npz of plain arrays" in refused(tmp_path / "data.npz")


def test_pickles_are_refused_wherever_they_are(tmp_path):
    np.savez(tmp_path / "data.npz", **FITTING, unused=np.array([{}], object))
    assert "pickles are refused" in refused(tmp_path / "data.npz")
    np.save(tmp_path / "data.npy", np.array([[{}]], object))
    assert "pickles are refused" in refused(tmp_path / "data.npy")
    np.savez(tmp_path / "data.npy.npz", **FITTING)
    (tmp_path / "data.npy.npz").rename(tmp_path / "data.npy")
    assert "not an npy of plain arrays" in refused(tmp_path / "data.npy")
