"""A module of the working folder never stands for an installed one: each decoy there would leave a file."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

pytestmark = pytest.mark.any_kernels

# Programs that are started by name, libraries, and modules of Python's own.
NAMES = ("ziglang", "torch", "numpy", "scipy", "pandas", "yaml", "snakemake", "sphinx", "typst", "json", "platform")
# A template is no program.
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py") if not path.stem.startswith("template_"))


@pytest.fixture
def decoys(tmp_path):
    """Return a working folder with decoys, and a function that names those that ran."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / name)!r} + '.hit', 'w')\nraise SystemExit('decoy')\n"
        )

    def hit():
        return [path.name for path in tmp_path.glob("*.hit")]

    # The traps work.
    subprocess.run([sys.executable, "-c", "import ziglang"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert hit() == ["ziglang.hit"]
    (tmp_path / "ziglang.hit").unlink()
    return tmp_path, hit


def test_a_recovery_compiles_its_kernels_beside_decoys(decoys, monkeypatch):
    folder, hit = decoys
    matrices = np.random.default_rng(0).standard_normal((60, 4, 4))
    np.savez(folder / "data.npz", A=matrices, y=matrices[:, 0, 0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    command = [Path(sys.executable).with_name("algoreg"), "recover", "data.npz", "--out", "found", "--max-iter", "50"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert hit() == []
    assert list((folder / "cache" / "algoreg").glob("*.so"))


def test_a_chapter_of_ones_own_data_is_made_beside_decoys(decoys, monkeypatch):
    folder, hit = decoys
    matrices = np.random.default_rng(0).standard_normal((60, 4, 4))
    np.savez(folder / "data.npz", A=matrices, y=matrices[:, 0, 0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "own_data.py", "data.npz", "own"], cwd=folder, capture_output=True, text=True
    )
    assert (done.stdout, hit()) == ("data\n", []), done.stderr


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_starts_beside_decoys(decoys, name):
    folder, hit = decoys
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{name}.py", "--help"], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, hit()) == (0, []), done.stderr


# In an environment of other packages, with whole runs, or on a GPU: how they are started is read from the text.


def test_every_interpreter_is_started_without_the_working_folder_among_its_modules():
    folders = [ROOT / name for name in ("src", "tools", "scripts", "benchmarks", "workflow")]
    files = [path for folder in folders for kind in ("*.py", "*.smk") for path in folder.rglob(kind)]
    started = 0
    for path in files:
        text = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"sys\.executable,\s*[\"']-[mc]\b", text), path
        started += len(re.findall(r"sys\.executable,\s*[\"']-P\b", text))
    assert started >= 5
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert len(re.findall(r'(?:python|"\$\$PYTHON") -P -m', recipes)) >= 8
    # The question for the version has nothing to look for, and before 3.11 there was no -P.
    assert re.findall(r"""(?:python|"\$\$PYTHON") -[mc] ?'?\w+ \w+""", recipes) == ['"$$PYTHON" -c \'import sys']
