"""Hashes of the code that a job runs: its script's, and those of every module of ours that it imports.

Snakemake does not see imported modules. Rules have these hashes as a parameter, so that an edit of a function reruns
exactly the jobs that depend on it, and an edit of a comment or a docstring reruns nothing.
"""

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import resolve_name
from itertools import accumulate
from pathlib import Path

from algoreg import plugins

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def _read(path: Path, package: str) -> tuple[str, frozenset[str]]:
    """Return the hash of a file's code, and the modules of ours that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imported = imports_of(tree, package)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    code = ast.dump(tree) + _c_code(path.parent)
    return hashlib.sha256(code.encode()).hexdigest()[:16], imported


def imports_of(tree: ast.Module, package: str = "") -> frozenset[str]:
    """Return the modules of ours that some code imports itself, at any depth.

    Parameters
    ----------
    tree : ast.Module
    package : str
        The package that the code is in, which relative imports start from.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            found.update([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
    return frozenset(filter(plugins.module_file, found))


@cache
def _c_code(folder: Path) -> str:
    """Return the C code beside a module, which the module loads, without comments and with single spaces."""
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.c"))]
    return " ".join(re.sub(r"/\*.*?\*/", " ", "\n".join(files), flags=re.DOTALL).split())


def _read_module(name: str) -> tuple[str, frozenset[str]]:
    path = plugins.module_file(name)
    if path is None:
        raise ModuleNotFoundError(f"{name}: no such module in {plugins.PACKAGE}")
    return _read(path, name if path.name == "__init__.py" else name.rpartition(".")[0])


def imported_modules(name: str) -> frozenset[str]:
    """Return the modules of ours that a module imports itself."""
    return _read_module(name)[1]


@cache
def closure(modules: frozenset[str]) -> frozenset[str]:
    """Return the names of some modules and of all modules of ours that they import, directly or not."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(imported_modules(name))
            # A folder of a chapter may have no __init__.py: there is no code in it then.
            todo.extend(filter(plugins.module_file, accumulate(name.split(".")[:-1], "{}.{}".format)))
    return frozenset(seen)


def code_hashes(script: str | Path | None, modules: Iterable[str] = ()) -> dict[str, str]:
    """Return ``{name: hash}`` of a script and of every module of ours that it imports, directly or not.

    Parameters
    ----------
    script : path, optional
        None for the modules alone.
    modules : iterable of str
        Plugins that the script finds by name, such as the algorithm that the settings name.
    """
    found, imported = {}, frozenset(modules)
    if script is not None:
        found[f"scripts/{Path(script).name}"], own = _read(Path(script), "")
        imported |= own
    found |= {name: _read_module(name)[0] for name in closure(imported)}
    return dict(sorted(found.items()))


def forget() -> None:
    """Read all files anew, and find plugins anew."""
    plugins.forget()
    for function in (_read, _c_code, closure):
        function.cache_clear()
