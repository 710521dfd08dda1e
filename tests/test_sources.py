import re
import shutil

import pytest
from conftest import ROOT
from rattler import MatchSpec, PackageName

from algoreg import sources

pytestmark = pytest.mark.any_kernels


def test_comments_and_docstrings_do_not_change_a_digest(tmp_path):
    path = tmp_path / "a.py"

    def digest(text):
        path.write_text(text)
        sources._parse.cache_clear()
        sources.code_digest.cache_clear()
        return sources.code_digest(path)

    base = digest('"""Doc."""\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    assert base == digest('"""Other."""\n# comment\ndef f(x):\n    """Other."""\n\n    return x + 1  # why\n')
    assert base != digest('"""Doc."""\ndef f(x):\n    """Doc."""\n    return x + 2\n')


def test_c_code_beside_a_module_is_part_of_its_digest(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")

    def digest(text):
        (tmp_path / "a.c").write_text(text)
        sources.code_digest.cache_clear()
        return sources.code_digest(tmp_path / "a.py")

    base = digest("/* Twice. */\nint f(int x) { return 2 * x; }\n")
    assert base == digest("int f(int x) {\n    /* Double\n       it. */\n    return 2 * x;\n}\n")
    assert base != digest("/* Twice. */\nint f(int x) { return 3 * x; }\n")


def test_closure_follows_imports_and_named_modules():
    names = sources.closure(ROOT / "scripts" / "draw_problem.py", ("algoreg.ensembles.gaussian",))
    assert {"algoreg.numerics.seeds", "algoreg.numerics.svec", "algoreg.numerics.problems"} <= names
    assert "algoreg.tell.figures" not in names
    with pytest.raises(ModuleNotFoundError, match=r"algoreg\.ensembles\.nothing"):
        sources.closure(ROOT / "scripts" / "draw_problem.py", ("algoreg.ensembles.nothing",))


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
    found = {}
    for line in lines:
        spec = MatchSpec(line)
        assert spec.name is not None
        name = re.match(r"[a-z0-9-]+", line).group()
        assert PackageName(name)
        found[name] = line[len(name) :]
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
    from algoreg.judge.published import curves, load_published

    for name in curves():
        # Three points, at least, make a curve: the tables that a paper prints have no more rows.
        assert len(load_published(name)) >= 3
    assert shutil.which("git") is None or (ROOT / "LICENSE").exists()
