"""Which modules a script imports, and a digest of each that ignores comments and docstrings.

Snakemake does not see imported modules. Rules carry these digests as a parameter, so that editing a function
reruns exactly what depends on it and editing a comment reruns nothing.
"""

import ast
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@cache
def _parse(path):
    return ast.parse(Path(path).read_text(encoding="utf-8"), filename=str(path))


def module_path(name):
    """Return the file of a module of this package, or None if ``name`` is not one.

    Parameters
    ----------
    name : str
        A dotted name such as ``algoreg.seeds``.
    """
    head, *rest = name.split(".")
    if head != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*rest)
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    if (base / "__init__.py").is_file():
        return base / "__init__.py"
    return None


def module_names(folder):
    """Return the names of the modules in a folder of this package, sorted."""
    return sorted(path.stem for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__")


@dataclass(frozen=True)
class Found:
    """A function found by name: its module's dotted name, and its syntax tree."""

    module: str
    node: ast.FunctionDef


@cache
def decorated(folder, decorator):
    """Return ``{name: Found}`` of a folder's functions that carry a decorator, without importing anything.

    Raises
    ------
    ValueError
        If two modules have one of the same name.
    """
    found = {}
    for module in module_names(folder):
        for node in _parse(PACKAGE / folder / f"{module}.py").body:
            if isinstance(node, ast.FunctionDef):
                names = [getattr(getattr(d, "func", d), "id", None) for d in node.decorator_list]
                if decorator in names:
                    if node.name in found:
                        raise ValueError(f"{folder}: {node.name} is in {found[node.name].module} and in {module}")
                    found[node.name] = Found(f"{PACKAGE.name}.{folder}.{module}", node)
    return found


def module_literal(folder, name, constant, default=None):
    """Return a literal of ``algoreg.<folder>.<name>``, or the default, read without importing the module (or torch)."""
    for node in _parse(PACKAGE / folder / f"{name}.py").body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", None) == constant for t in node.targets):
            return ast.literal_eval(node.value)
    return default


def module_title(folder, name):
    """Return the first line of a module's docstring, without its full stop."""
    return ast.get_docstring(_parse(PACKAGE / folder / f"{name}.py")).splitlines()[0].rstrip(".")


def figure_title(name):
    """Return what a figure shows: the first line of its drawing's docstring, as a caption."""
    text = ast.get_docstring(decorated("drawings", "drawing")[name].node) or name
    text = text.splitlines()[0].removeprefix("Draw ").rstrip(".")
    text = re.sub(r" \[LMZ18, (.*?)\]", r" (the paper's \1)", text)
    return text[:1].upper() + text[1:]


@cache
def imported_modules(path):
    """Return the names of this package's modules that the file imports itself, at any depth of its code."""
    found = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found.update(name for name in names if module_path(name))
    return frozenset(found)


@cache
def closure(path, extra=()):
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
        file = module_path(name)
        if file is None:
            raise ModuleNotFoundError(f"{name}: no such module in {PACKAGE}")
        seen.add(name)
        todo.extend(imported_modules(file))
        parent = name.rpartition(".")[0]
        if parent:
            todo.append(parent)
    return frozenset(seen)


class _WithoutDocstrings(ast.NodeTransformer):
    def _strip(self, node):
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _strip


@cache
def code_digest(path):
    """Return 16 hex digits that change when the code of a file changes, not when its comments or docstrings do."""
    tree = _WithoutDocstrings().visit(ast.parse(Path(path).read_text(encoding="utf-8")))
    return hashlib.sha256((ast.dump(tree) + _c_code(Path(path).parent)).encode()).hexdigest()[:16]


def _c_code(folder):
    """Return the C code that lies beside modules, which load it: without comments, its white space made one."""
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.c"))]
    return " ".join(re.sub(r"/\*.*?\*/", " ", "\n".join(files), flags=re.DOTALL).split())


def code_digests(script, extra=()):
    """Return ``{name: digest}`` for a script and for every module of this package in its closure, sorted by name."""
    digests = {f"scripts/{Path(script).name}": code_digest(script)}
    digests.update({name: code_digest(module_path(name)) for name in closure(script, tuple(extra))})
    return dict(sorted(digests.items()))
