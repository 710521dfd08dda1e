import re
import shutil

import pytest
from conftest import ROOT

pytestmark = pytest.mark.any_kernels


def test_environment_and_pyproject_ask_for_the_same():
    import tomllib

    from packaging.specifiers import SpecifierSet

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    renamed = {
        "torch": "pytorch",
        "matplotlib": "matplotlib-base",
        "seaborn": "seaborn-base",
        "snakemake": "snakemake-minimal",
    }
    wanted = {}
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["workflow"]]:
        name, spec = re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", requirement).groups()
        wanted[renamed.get(name, name.lower())] = spec
    wanted["python"] = project["requires-python"]
    lines = re.findall(r"^ +- ([a-z].*[0-9])$", (ROOT / "environment.yml").read_text(), re.MULTILINE)
    found = dict(re.fullmatch(r"([a-z0-9-]+)([<>=].*)", line).groups() for line in lines)
    assert all(SpecifierSet(spec) for spec in found.values())
    assert found == wanted
    release = re.search(r"^torch==([0-9.]+)", (ROOT / "requirements-torch.txt").read_text(), re.MULTILINE)[1]
    assert SpecifierSet(wanted["pytorch"]).contains(release)


def test_lock_meets_pyproject_and_is_hashed():
    import tomllib

    from packaging.requirements import Requirement

    lock = (ROOT / "requirements.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    assert "torch" not in pins
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["workflow"]]:
        requirement = Requirement(text)
        if requirement.name != "torch":
            assert requirement.specifier.contains(pins[requirement.name.lower()]), text
    assert lock.count("--hash=sha256:") >= len(pins)


def test_published_curves_are_complete():
    from algoreg.claims.published import curves, load_published

    for name in curves():
        # Three points, at least, make a curve: the tables that a paper prints have no more rows.
        assert len(load_published(name)) >= 3
    assert shutil.which("git") is None or (ROOT / "LICENSE").exists()
