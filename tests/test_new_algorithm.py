"""An algorithm made from the template: it runs at once, the contract suite takes it up,
and names that cannot be are refused.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import NOT_COPIED, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import new_algorithm as tool


@pytest.fixture
def new_algorithm(monkeypatch, capsys):
    """Return a function that asks for an algorithm, and returns what was said and the exit status."""

    def ask(*arguments):
        monkeypatch.setattr(sys, "argv", ["new_algorithm.py", *map(str, arguments)])
        status = tool.main()
        said = capsys.readouterr()
        return said.out + said.err, status

    return ask


def test_names_that_cannot_be_are_refused(new_algorithm, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").touch()
    for name in ("", "Mine", "2nd", "../x", "my-own", "class", "x" * 41, "a\nb"):
        said, status = new_algorithm(name, tmp_path)
        assert (said, status) == (
            f"NAME = {name}: allowed is a name of a-z, 0-9 and _ that starts with a letter and is no word of Python's\n",
            2,
        )
    for name in ("factored", "base"):
        said, status = new_algorithm(name, tmp_path)
        assert status == 2
        assert f"NAME = {name}: this name is taken; names in use are accelerated, " in said
    said, status = new_algorithm("mine", tmp_path)
    assert (said, status) == (
        f"{tmp_path}: no checkout of this project, as {tmp_path}/src/algoreg/algorithms is not there\n",
        2,
    )
    (tmp_path / "src" / "algoreg" / "algorithms").mkdir(parents=True)
    said, status = new_algorithm("mine", tmp_path)
    assert status == 2
    assert "test_mine.py exists; choose another name, or delete it" in said
    assert [path.name for path in tmp_path.rglob("*.py")] == ["test_mine.py"]


def test_it_runs_at_once_and_the_contract_takes_it_up(tmp_path):
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=NOT_COPIED)
    for name in ("pyproject.toml", "references.bib"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    command = [sys.executable, ROOT / "tools" / "new_algorithm.py", "mine", tmp_path]
    subprocess.run(command, cwd=tmp_path, check=True)
    # That of CONTRIBUTING, too.
    diffs = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    (diff,) = [diff for diff in diffs if "algorithms/weight_decay.py" in diff]
    subprocess.run(["git", "apply"], cwd=tmp_path, input=diff, text=True, check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/test_mine.py",
        "tests/test_engine.py",
        "-k",
        "mine or weight_decay",
    ]
    command += ["-vv", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "test_mine.py::test_it_is_the_plain_loop PASSED" in done.stdout
    assert "test_every_algorithm_runs_on_every_ensemble_that_fits[mine-gaussian] PASSED" in done.stdout
    assert "test_every_algorithm_runs_on_every_ensemble_that_fits[weight_decay-gaussian] PASSED" in done.stdout
