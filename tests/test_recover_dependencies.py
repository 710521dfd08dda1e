"""What the estimators and the command need: the core dependencies alone, and nothing before it is asked for."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.any_kernels

BLOCKING = """
import sys
BLOCKED = {blocked!r}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from importlib import metadata
found = metadata.Distribution.from_name.__func__
def from_name(cls, name):
    if name.replace("-", "_") in BLOCKED:
        raise metadata.PackageNotFoundError(name)
    return found(cls, name)
metadata.Distribution.from_name = classmethod(from_name)
"""
# Names of modules where they are not those of packages.
MODULES = {"jinja2": "jinja2", "pyyaml": "yaml", "scikit-learn": "sklearn"}

COMMAND = """
import itertools, os
import numpy as np, pandas as pd
from typer.testing import CliRunner
from algoreg.recover.command import app
rng = np.random.default_rng(0)
A = rng.standard_normal((60, 4, 4))
np.savez("m.npz", A=A, y=A[:, 0, 0])
i, j = np.divmod(rng.permutation(30)[:24], 6)
pd.DataFrame({"row": i, "column": j, "value": (1.0 + i) * j}).to_csv("e.csv", index=False)
strings = ["".join(s) for s in itertools.product("IXYZ", repeat=2)]
value = [float(set(s) <= set("IZ")) for s in strings]
pd.DataFrame({"pauli": strings, "expectation": value, "shots": 100}).to_csv("s.csv", index=False)
x = rng.standard_normal((80, 2))
pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] * x[:, 1]}).to_csv("t.csv", index=False)
for name, more in (("m.npz", ()), ("e.csv", ()), ("s.csv", ()), ("t.csv", ("--target", "y"))):
    done = CliRunner().invoke(app, ["recover", name, "--out", name[0], "--max-iter", "60", *more])
    assert done.exit_code == 0, (name, done.output, done.exception)
    assert os.path.getsize(f"{name[0]}/report.html") > 1000
"""


def run(code, folder=ROOT):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def packages(*keys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for key in keys:
        project = project[key]
    return [canonicalize_name(Requirement(text).name) for text in project]


def test_the_command_works_where_the_workflows_packages_are_not(tmp_path):
    blocked = [name.replace("-", "_") for name in packages("optional-dependencies", "workflow")]
    assert {"snakemake", "plotly", "jinja2", "nbclient", "cvxpy"} <= set(blocked)
    done = run(BLOCKING.format(blocked=[*blocked, "IPython", "notebook"]) + COMMAND, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_core_dependency_is_one():
    """No package that only the workflow imports stands among them."""
    core, folders = (
        packages("dependencies"),
        ("recover", "numerics", "engine", "ensembles", "algorithms", "results", "settings", "reporting"),
    )
    texts = [path.read_text() for name in folders for path in (ROOT / "src/algoreg" / name).rglob("*.py")]
    for name in core:
        module = MODULES.get(name, name.replace("-", "_"))
        assert any(re.search(rf"\b{module}\b", text) for text in texts), name
    assert not {"snakemake", "plotly", "nbclient", "seaborn", "cvxpy", "ziglang"} & set(core)
    # The workflow's numbers are made with compiled loops.
    assert "ziglang" in packages("optional-dependencies", "workflow")
    assert re.search("^ziglang==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_importing_takes_a_moment_and_loads_nothing_large():
    heavy = ("torch", "sklearn", "pandas", "matplotlib", "snakemake", "nbclient", "IPython", "plotly", "cvxpy")
    code = (
        "import time; start = time.perf_counter(); import sys, json, algoreg.recover; "
        f"print(json.dumps([time.perf_counter() - start, [n for n in {heavy!r} if n in sys.modules]]))"
    )
    seconds, loaded = json.loads(run(code).stdout)
    assert loaded == []
    assert seconds < 0.3


def test_the_estimators_load_nothing_of_the_workflow():
    heavy = ("snakemake", "IPython", "plotly", "cvxpy", "seaborn", "jinja2.sandbox", "nbclient")
    code = (
        "import sys; from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor; "
        f"print([n for n in {heavy!r} if n in sys.modules])"
    )
    assert run(code).stdout.strip() == "[]"
