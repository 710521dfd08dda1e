"""Which modules a script imports, and a digest of each that ignores comments and docstrings.

Snakemake does not see imported modules. Rules carry these digests as a parameter, so that editing a function
reruns exactly what depends on it and editing a comment reruns nothing. What was read from a file is kept beside what
Python keeps of it: to parse all files again takes a second or two of every start.
"""

import ast
import contextlib
import hashlib
import json
import os
import re
import sys
from functools import cache
from importlib.util import cache_from_source
from itertools import accumulate
from pathlib import Path
from typing import Any

from algoreg.sources import PACKAGE, module_path, package_of, parsed

# Of another edition of this module, what was kept is not taken.
EDITION = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@cache
def _read(path: Path) -> dict[str, Any]:
    """Return what a file imports, as (level, module, names) of each statement, and the digest of its code."""
    text, beside = path.read_text(encoding="utf-8"), _c_code(path.parent)
    key = hashlib.sha256(f"{EDITION} {len(text)} {text}{beside}".encode()).hexdigest()
    place = Path(cache_from_source(str(path))).with_suffix(".code.json")
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return kept
    tree = parsed(text, str(path))
    digest = hashlib.sha256((_said(tree) + beside).encode()).hexdigest()[:16]
    found = {"key": key, "digest": digest, "imports": list(_imports(tree))}
    if not sys.dont_write_bytecode:
        _keep(place, found)
    return found


def _keep(place: Path, found: dict[str, Any]) -> None:
    """Write a file at once and whole, where there can be one."""
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        try:
            beside.write_text(json.dumps(found), encoding="utf-8")
            os.replace(beside, place)
        finally:
            beside.unlink(missing_ok=True)


def _imports(tree: ast.Module) -> Any:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module, [alias.name for alias in node.names]


@cache
def imported_modules(path: str | Path) -> frozenset[str]:
    """Return the names of this package's modules, and the user's own,
    that the file imports itself, at any depth of its code.
    """
    return _modules(_read(Path(path))["imports"], Path(path))


def imported_by(tree: ast.Module) -> frozenset[str]:
    """Return what :func:`imported_modules` does, of code that is no module: a notebook's."""
    return _modules(_imports(tree))


def _modules(imports: Any, path: Path = Path()) -> frozenset[str]:
    found: set[str] = set()
    for level, module, names in imports:
        origin = _absolute(level, module, path)
        if origin:
            found.update(filter(module_path, (origin, *(f"{origin}.{name}" for name in names))))
    return frozenset(found)


def _absolute(level: int, module: str | None, path: Path) -> str | None:
    """Return the dotted name that is imported from; None where a relative one leads out of all packages."""
    if not level:
        return module
    package = package_of(path)
    if package is None:
        return None
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])


@cache
def closure(path: str | Path, extra: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the names of all modules of this package that a script loads, directly or not.

    Parameters
    ----------
    path : path
        The script.
    extra : tuple of str
        Modules that the script finds by name (the algorithm and the ensemble named in the settings).
    """
    seen = set()
    todo = [*imported_modules(path), *extra]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        todo.extend(imported_modules(_file(name)))
        seen.add(name)
        # A folder of a chapter may have no __init__.py: there is no code in it then.
        parents = accumulate(name.split(".")[:-1], "{}.{}".format)
        todo.extend(parent for parent in parents if parent not in seen and module_path(parent))
    return frozenset(seen)


def _file(name: str) -> Path:
    """Return a module's file."""
    found = module_path(name)
    if found is None:
        raise ModuleNotFoundError(f"{name}: no such module in {PACKAGE}")
    return found


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _said(node: Any) -> str:
    """Return a syntax tree as a text, without the docstrings; a third of the time of :func:`ast.dump`."""
    if isinstance(node, list):
        return f"[{' '.join(map(_said, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [getattr(node, name, None) for name in node._fields]
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        parts = [part[1:] if part is node.body and part and _is_docstring(part[0]) else part for part in parts]
    return f"{type(node).__name__}({' '.join(map(_said, parts))})"


@cache
def _c_code(folder: Path) -> str:
    """Return the C code that lies beside modules, which load it: without comments, its white space made one."""
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.c"))]
    return " ".join(re.sub(r"/\*.*?\*/", " ", "\n".join(files), flags=re.DOTALL).split())


def code_digest(path: str | Path) -> str:
    """Return 16 hex digits that change when the code of a file changes, not when its comments or docstrings do."""
    return _read(Path(path))["digest"]


@cache
def code_digests(script: str | Path, extra: tuple[str, ...] = ()) -> dict[str, str]:
    """Return ``{name: digest}`` for a script and for every module of this package in its closure, sorted by name."""
    digests = {f"scripts/{Path(script).name}": code_digest(script)}
    digests.update({name: code_digest(_file(name)) for name in closure(script, extra)})
    return dict(sorted(digests.items()))
