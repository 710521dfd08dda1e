"""Hashes of the code that a job runs: its script, and every project module that the script imports.

A project module belongs to this package, to a chapter or to a plugin of the user's own. Snakemake does not see imported
modules. Rules therefore have these hashes as a parameter: an edit of a function reruns exactly the jobs that depend on
it, and an edit of a comment or a docstring reruns nothing. Nor does an edit of a module that only writes down how a job
ran (:data:`algoreg.plugins.JOB_RECORDS`), which has no hash.
"""

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import resolve_name
from itertools import accumulate
from pathlib import Path
from typing import Any

from algoreg import plugins

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)


@cache
def _read(path: Path, package: str) -> tuple[str, frozenset[str]]:
    """Return the hash of a file's code, and the project modules that the file imports."""
    tree, text, imports = ast.parse(path.read_text(encoding="utf-8"), filename=str(path)), [], []
    _write(tree, text, imports)
    code = " ".join(text) + _c_code(path.parent)
    return hashlib.sha256(code.encode()).hexdigest()[:16], _modules_in(imports, package)


def _write(node: Any, text: list[str], imports: list[ast.AST]) -> None:
    """Append a syntax tree's code, without docstrings and positions, to a list of words, and its imports to another.

    One pass takes about a quarter of the time that :func:`ast.dump` and two walks take, and hundreds of files are read
    at every start.
    """
    if isinstance(node, ast.AST):
        text.append(type(node).__name__)
        if isinstance(node, IMPORTS):
            imports.append(node)
        documented = isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None
        for name in node._fields:
            value: Any = getattr(node, name, None)
            _write(value[1:] if documented and name == "body" else value, text, imports)
        text.append(")")
    elif isinstance(node, list):
        text.append("[")
        for part in node:
            _write(part, text, imports)
        text.append("]")
    else:
        text.append(repr(node))


def imports_of(tree: ast.Module, package: str = "") -> frozenset[str]:
    """Return the project modules that some code imports directly, also inside functions and classes.

    Parameters
    ----------
    tree : ast.Module
    package : str
        The package that contains the code; relative imports are resolved against it.
    """
    return _modules_in(ast.walk(tree), package)


def _modules_in(nodes: Iterable[ast.AST], package: str) -> frozenset[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            found.update([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
    return frozenset(filter(plugins.module_file, found))


@cache
def _c_code(folder: Path) -> str:
    """Return the C code in a module's folder, which the module loads, without comments and with single spaces."""
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.c"))]
    return " ".join(re.sub(r"/\*.*?\*/", " ", "\n".join(files), flags=re.DOTALL).split())


def _read_module(name: str) -> tuple[str, frozenset[str]]:
    path = plugins.module_file(name)
    if path is None:
        raise ModuleNotFoundError(f"{name}: no such module in {plugins.PACKAGE}")
    return _read(path, name if path.name == "__init__.py" else name.rpartition(".")[0])


def imported_modules(name: str) -> frozenset[str]:
    """Return the project modules that a module imports directly."""
    return _read_module(name)[1]


@cache
def closure(modules: frozenset[str]) -> frozenset[str]:
    """Return the names of some modules and of all project modules that they import, directly or indirectly."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(imported_modules(name))
            # A folder of a chapter without an __init__.py has no code of its own.
            todo.extend(filter(plugins.module_file, accumulate(name.split(".")[:-1], "{}.{}".format)))
    return frozenset(seen)


def code_hashes(script: str | Path | None, modules: Iterable[str] = ()) -> dict[str, str]:
    """Return ``{name: hash}`` of a script and of every project module that it imports, directly or indirectly.

    Modules that only write down how a job ran (:data:`algoreg.plugins.JOB_RECORDS`) have no hash.

    Parameters
    ----------
    script : path, optional
        If None, only the modules are hashed.
    modules : iterable of str
        Plugins that the script imports by name, such as the algorithm that the settings choose.
    """
    found, imported = {}, frozenset(modules)
    if script is not None:
        found[f"scripts/{Path(script).name}"], own = _read(Path(script), "")
        imported |= own
    found |= {name: _read_module(name)[0] for name in closure(imported) - plugins.JOB_RECORDS}
    return dict(sorted(found.items()))


def forget() -> None:
    """Clear the caches, so that files are read and plugins are searched for again."""
    plugins.forget()
    for function in (_read, _c_code, closure):
        function.cache_clear()
