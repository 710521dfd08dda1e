import pytest
from conftest import ROOT

from algoreg import digests, sources

pytestmark = pytest.mark.any_kernels

CODE = '"""Doc."""\nimport algoreg.own\n\n\ndef f(x):\n    """Doc."""\n    return x + 1\n'


def fresh(path):
    """Return a digest as a process does that has not yet read the file."""
    digests._read.cache_clear()
    digests._c_code.cache_clear()
    digests.imported_modules.cache_clear()
    return digests.code_digest(path)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(digests.sys, "dont_write_bytecode", False)
    (tmp_path / "a.py").write_text(CODE)
    return tmp_path / "a.py"


@pytest.fixture
def parsed(monkeypatch):
    """The syntax trees that are looked through from now on."""
    seen, imports = [], digests._imports
    monkeypatch.setattr(digests, "_imports", lambda tree: seen.append(tree) or imports(tree))
    return seen


def test_comments_and_docstrings_do_not_change_a_digest(path):
    base = fresh(path)
    path.write_text(
        '"""Other."""\n# comment\nimport algoreg.own\ndef f(x):\n    """Other."""\n\n    return x + 1  # why\n'
    )
    assert fresh(path) == base
    path.write_text(CODE.replace("x + 1", "x + 2"))
    assert fresh(path) != base


def test_c_code_beside_a_module_is_part_of_its_digest(path):
    beside = path.with_suffix(".c")
    beside.write_text("/* Twice. */\nint f(int x) { return 2 * x; }\n")
    base = fresh(path)
    beside.write_text("int f(int x) {\n    /* Double\n       it. */\n    return 2 * x;\n}\n")
    assert fresh(path) == base
    beside.write_text("/* Twice. */\nint f(int x) { return 3 * x; }\n")
    assert fresh(path) != base


def test_a_file_is_parsed_once_for_all_processes(path, parsed):
    base = fresh(path)
    assert fresh(path) == base
    assert digests.imported_modules(path) == {"algoreg.own"}
    assert len(parsed) == 1
    path.write_text(CODE.replace("algoreg.own", "algoreg.jobs"))
    assert fresh(path) != base
    assert digests.imported_modules(path) == {"algoreg.jobs"}


def test_what_another_edition_kept_is_not_taken(path, parsed, monkeypatch):
    fresh(path)
    monkeypatch.setattr(digests, "EDITION", "another")
    fresh(path)
    assert len(parsed) == 2


@pytest.mark.parametrize("kept", ["", "{", "[]", "{}", '{"key": 1}'])
def test_a_broken_file_beside_is_not_taken(path, parsed, kept):
    base = fresh(path)
    (place,) = path.parent.rglob("*.code.json")
    place.write_text(kept)
    assert fresh(path) == base
    assert len(parsed) == 2


def test_nothing_is_kept_where_python_keeps_nothing(path, parsed, monkeypatch):
    monkeypatch.setattr(digests.sys, "dont_write_bytecode", True)
    assert fresh(path) == fresh(path)
    assert len(parsed) == 2
    assert [file.name for file in path.parent.rglob("*")] == ["a.py"]


def test_a_folder_that_cannot_be_written_to_is_no_error(path, parsed):
    # As root there is none: a file where the folder should be.
    (path.parent / "__pycache__").write_text("")
    assert fresh(path) == fresh(path)
    assert len(parsed) == 2


def test_closure_follows_imports_and_named_modules():
    names = digests.closure(ROOT / "scripts" / "generate.py", ("algoreg.studies.descents",))
    assert {"algoreg.numerics.seeds", "algoreg.studies.descents", "algoreg.numerics.problems"} <= names
    assert "algoreg.tell.figures" not in names
    with pytest.raises(ModuleNotFoundError, match=r"algoreg\.ensembles\.nothing"):
        digests.closure(ROOT / "scripts" / "generate.py", ("algoreg.ensembles.nothing",))


def test_relative_imports_of_a_chapter_of_ones_own_are_followed(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    (folder / "studies").mkdir(parents=True)
    (folder / "words.py").write_text("from algoreg.numerics import seeds\n")
    (folder / "studies" / "far.py").write_text("from ..words import one\nfrom . import near\n")
    (folder / "studies" / "near.py").write_text("from .... import nothing\n")
    monkeypatch.setattr(sources, "chapters", lambda: {"mine": folder})
    names = digests.closure(folder / "studies" / "far.py")
    assert {f"algoreg.chapters.mine.{name}" for name in ("words", "studies.near")} <= names
    assert "algoreg.numerics.seeds" in names


def test_a_full_disk_leaves_nothing_half_written_beside(path, monkeypatch):
    def refuse(*_):
        raise OSError("no space left")

    monkeypatch.setattr(digests.os, "replace", refuse)
    fresh(path)
    assert not list((path.parent / "__pycache__").iterdir())


def test_a_file_that_is_no_python_is_named(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("x = 1\ndef f(:\n")
    with pytest.raises(ValueError, match=r"broken\.py: line 2 is no Python"):
        digests.code_digest(path)
