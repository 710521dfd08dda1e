import pytest
from conftest import ROOT

from algoreg import code_hash, plugins

pytestmark = pytest.mark.any_kernels

CODE = '''"""Doc."""
from functools import cache

import algoreg.jobs


@cache
def f(x, by=1):
    """Doc."""
    return x + by
'''
OTHER_WORDS = '''"""Other."""
# comment
from functools import cache
import algoreg.jobs
@cache
def f(x, by=1):
    """Other."""

    return x + by  # why
'''


def hash_of(path):
    """Return the hash of a script as a process has it that has not yet read the file."""
    code_hash.forget()
    return code_hash.code_hashes(path)[f"scripts/{path.name}"]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.py").write_text(CODE)
    return tmp_path / "a.py"


def test_comments_docstrings_and_layout_do_not_change_a_hash(path):
    base = hash_of(path)
    path.write_text(OTHER_WORDS)
    assert hash_of(path) == base


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + by", "x - by"),
        ("by=1", "by=2"),
        ("@cache\n", ""),
        ("@cache\n", "@cache\n@cache\n"),
        ("import algoreg.jobs", "import algoreg.settings.plan"),
        ("def f(x, by=1)", "def f(x, *, by=1)"),
        ("def f(x, by=1)", "def f(x, by: int = 1)"),
        ("def f(", "def g("),
        ("return x", "'a text'; return x"),
    ],
)
def test_code_decorators_and_defaults_change_a_hash(path, old, new):
    base = hash_of(path)
    assert old in CODE
    path.write_text(CODE.replace(old, new))
    assert hash_of(path) != base


def test_c_code_beside_a_module_is_part_of_its_hash(path):
    beside = path.with_suffix(".c")
    beside.write_text("/* Twice. */\nint f(int x) { return 2 * x; }\n")
    base = hash_of(path)
    beside.write_text("int f(int x) {\n    /* Double\n       it. */\n    return 2 * x;\n}\n")
    assert hash_of(path) == base
    beside.write_text("/* Twice. */\nint f(int x) { return 3 * x; }\n")
    assert hash_of(path) != base


def test_a_script_has_the_hashes_of_what_it_imports_and_of_the_plugins_that_it_is_told():
    names = code_hash.code_hashes(ROOT / "scripts" / "generate.py", ["algoreg.ensembles.gaussian"])
    wanted = {"scripts/generate.py", "algoreg", "algoreg.ensembles.gaussian", "algoreg.numerics.devices"}
    assert wanted | {"algoreg.numerics.seeds", "algoreg.numerics.svec"} <= names.keys()
    assert "algoreg.reporting.figures" not in names
    assert list(names) == sorted(names)
    with pytest.raises(ModuleNotFoundError, match=r"algoreg\.ensembles\.nothing"):
        code_hash.code_hashes(ROOT / "scripts" / "generate.py", ["algoreg.ensembles.nothing"])


def test_relative_imports_of_a_chapter_of_ones_own_are_followed(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    (folder / "experiments").mkdir(parents=True)
    (folder / "chapter.yaml").touch()
    (folder / "words.py").write_text("from algoreg.numerics import seeds\n")
    (folder / "experiments" / "far.py").write_text("from ..words import one\nfrom . import near\n")
    (folder / "experiments" / "near.py").write_text("")
    monkeypatch.setenv(plugins.CHAPTER_PATH, str(tmp_path))
    plugins.forget()
    names = code_hash.code_hashes(None, ["algoreg.chapters.mine.experiments.far"])
    assert {f"algoreg.chapters.mine.{name}" for name in ("words", "experiments.near")} <= names.keys()
    assert "algoreg.numerics.seeds" in names
    # Folders without an __init__.py have no code.
    assert "algoreg.chapters.mine" not in names
    monkeypatch.undo()
    plugins.forget()


def test_a_script_that_is_no_python_is_named(path):
    path.write_text("x = 1\ndef f(:\n")
    with pytest.raises(SyntaxError, match=r"\(a\.py, line 2\)"):
        hash_of(path)
