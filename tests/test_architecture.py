"""The house: arrows between rooms point down, core rooms name nothing of a chapter, modules and functions stay short.

What still breaks a rule is listed beside it. The lists only get shorter.
"""

import ast
import importlib
import re
from functools import cache

import pytest
from conftest import ROOT

from algoreg import code_hash, plugins
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels

# From the bottom to the top: a room imports those below it, and itself. See docs/architecture.md.
FLOORS = (
    "plugins",
    "code_hash",
    "settings",
    "results",
    "recover.io",
    "jobs",
    "numerics",
    "engine.kernels",
    "ensembles",
    "algorithms",
    "engine",
    "experiments",
    "testing",
    "claims",
    "regression",
    "reporting",
    "recipes",
    "recover",
    "chapters",
)
NAME_A_CHAPTERS_WORK = {"settings.fitting", "reporting.page"}


@cache
def modules():
    """Return ``{dotted name: path}`` of every module of the package."""
    found = {}
    for path in sorted(plugins.PACKAGE.rglob("*.py")):
        parts = path.relative_to(plugins.PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def room(module):
    """Return the room of a module, None for the package itself; an engine's kernels are a floor of their own."""
    name = module.partition(".")[2]
    floors = [floor for floor in FLOORS if f"{name}.".startswith(f"{floor}.")]
    return max(floors, key=len, default=name or None)


def imports(module):
    """Return the modules of the package that a module imports; a package's own folder counts only where it has code."""
    return [name for name in code_hash.imported_modules(module) if has_code(modules()[name])]


@cache
def has_code(path):
    """Return whether a module has more than a docstring."""
    body = ast.parse(path.read_text()).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def test_every_module_is_in_a_room_and_empty_where_it_only_marks_a_folder():
    for module, path in modules().items():
        assert room(module) in (None, *FLOORS), module
        if path.name == "__init__.py" and module not in ("algoreg.chapters", "algoreg.recover"):
            assert not has_code(path), module


def test_no_arrow_points_upwards():
    found = {
        (module, name)
        for module in modules()
        for name in imports(module)
        if None not in (room(module), room(name)) and FLOORS.index(room(name)) > FLOORS.index(room(module))
    }
    assert not found, sorted(found)


@pytest.mark.parametrize("home", ["claims", "regression", "reporting", "results", "settings"])
def test_what_judges_and_reports_knows_no_matrix(home):
    """Another field's replication uses these packages alone. What is found by name is found through ``plugins``."""
    mine = [module for module in modules() if f"{module}.".startswith(f"algoreg.{home}.")]
    assert len(mine) > 3
    # The explorer of this project's own page is about matrices, and takes two formulas from `numerics`.
    reached = {name for module in mine for name in imports(module)}
    if home in ("claims", "regression"):
        reached = code_hash.closure(frozenset(mine))
        assert {name for name in reached if room(name) == "numerics"} <= {"algoreg.numerics", "algoreg.numerics.seeds"}
    above = ("ensembles", "algorithms", "engine", "engine.kernels", "experiments", "recover", "chapters")
    assert not sorted(name for name in reached if room(name) in above)


def test_no_modules_import_one_another_in_a_circle():
    todo = {module: set(imports(module)) - {module} for module in modules()}
    while free := {module for module, wanted in todo.items() if not wanted}:
        todo = {module: wanted - free for module, wanted in todo.items() if module not in free}
    assert not todo, f"in or above a circle: {sorted(todo)}"


def test_a_chapter_imports_no_other_chapter():
    """A paper's formulas, which its chapters share, lie beside them: they belong to none."""
    for module in modules():
        own = plugins.chapter_of(module) if module != "algoreg" else None
        others = plugins.chapters().keys() - {own}
        for name in imports(module):
            assert plugins.chapter_of(name) not in others, f"{module} imports {name}"


@cache
def chapters_words():
    """Return the names of claims, papers, published curves, tables and figures;
    plain words such as `window` left out.
    """
    words = set()
    for chapter in load_chapters():
        words |= {entry["id"] for entry in chapter.claims} | set(chapter.papers) | set(chapter.published)
        for section in ("experiments", "figures"):
            words |= set(chapter.entries.get(section, {}))
    return {word for word in words if re.search(r"[\d_-]", word)}


def texts(tree):
    """Return the texts and the names of functions in a syntax tree; docstrings, which cite papers, left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def test_core_rooms_name_nothing_of_a_chapter():
    assert {"fig1-initialisation", "li2018", "figure_5a_sgd", "rank_r_dynamics"} <= chapters_words()
    for module, path in modules().items():
        if room(module) in (None, "chapters") or module.partition(".")[2] in NAME_A_CHAPTERS_WORK:
            continue
        assert not [name for name in imports(module) if room(name) == "chapters"], module
        for text in texts(ast.parse(path.read_text())):
            named = {word for word in re.findall(r"[\w-]+", text) if word in chapters_words() or "LMZ" in word}
            assert not named, f"{module}: {sorted(named)}"


def is_there(name):
    """Return whether a dotted name is a module of the package, or something in one."""
    module = name
    while module not in modules():
        module = module.rpartition(".")[0]
    found = importlib.import_module(module)
    for part in name.removeprefix(module).split(".")[1:]:
        found = getattr(found, part, None)
    return found is not None


def test_what_texts_refer_to_by_its_full_name_is_there():
    for path in [*modules().values(), *(ROOT / "tools").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        named = re.findall(r":(?:func|class|meth|mod|attr|data):`~?(algoreg\.[\w.]+)`", path.read_text())
        assert not [name for name in named if not is_there(name)], path
