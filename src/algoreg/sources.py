"""What modules have that is found by name, read from their text: nothing is imported,
so that settings are checked without torch.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from algoreg import own
from algoreg.own_paths import CHAPTER_PATH, listed

PACKAGE = Path(__file__).resolve().parent
# Modules outside of chapters that have functions found by name.
SHARED = {"estimands": ("algoreg.judge.estimands",)}


def chapter_folders() -> list[Path]:
    """Return the folders of all chapters, those with a ``chapter.yaml``: this package's,
    then those of ``ALGOREG_CHAPTER_PATH``.
    """
    places = [PACKAGE / "chapters", *map(Path, listed(CHAPTER_PATH))]
    return [file.parent for place in places for file in sorted(place.glob("*/chapter.yaml"))]


@cache
def chapters() -> dict[str, Path]:
    """Return ``{name: folder}`` of all chapters. Of two of one name the first is taken;
    :mod:`algoreg.spec` refuses the second.
    """
    found: dict[str, Path] = {}
    for folder in chapter_folders():
        found.setdefault(folder.name, folder)
    return found


@cache
def _parse(path: str | Path | None) -> ast.Module:
    return parsed(Path(str(path)).read_text(encoding="utf-8"), str(path))


# Apart from the above, which is forgotten: of what is found anew, most files are as they were.
@cache
def parsed(text: str, filename: str) -> ast.Module:
    """Return the syntax tree of a file's text.

    Raises
    ------
    ValueError
        If it is no Python; names the file and the line.
    """
    try:
        return ast.parse(text, filename=filename)
    except SyntaxError as error:
        raise ValueError(f"{filename}: line {error.lineno} is no Python: {error.msg}") from None


@cache
def module_path(name: str) -> Path | None:
    """Return the file of a module of this package or of the user's own by its dotted name, None where it is none."""
    found = own.module_path(name)
    head, *rest = name.split(".")
    if found or head != PACKAGE.name:
        return found
    base = PACKAGE.joinpath(*rest)
    if rest[:1] == ["chapters"] and rest[1:] and rest[1] in chapters():
        base = chapters()[rest[1]].joinpath(*rest[2:])
    return own.module_at(base)


def _chapter_packages() -> dict[str, Path]:
    """Return the folders of all chapters by the dotted names of their packages."""
    return {f"{PACKAGE.name}.chapters.{name}": folder for name, folder in chapters().items()}


def package_of(path: Path) -> str | None:
    """Return the dotted name of the package that a file lies in: of this one, a chapter's,
    or the user's own; None outside.
    """
    for name, folder in {**_chapter_packages(), PACKAGE.name: PACKAGE, **own.packages()}.items():
        if path.is_relative_to(folder):
            return ".".join((name, *path.parent.relative_to(folder).parts))
    return None


@cache
def modules(kind: str) -> dict[str, str]:
    """Return ``{name: dotted name}`` of what can be named in settings: ``algorithms``, ``ensembles`` or ``studies``.

    They are modules of the folder of this name, of the package or of a chapter, and algorithms of the user's own.

    Raises
    ------
    ValueError
        If two have the same name, or one of the user's own is not where it is said to be.
    """
    homes = {PACKAGE.name: PACKAGE, **_chapter_packages()}
    places = {
        f"{home}.{kind}.{path.stem}": path for home, folder in homes.items() for path in own.modules_in(folder / kind)
    }
    places |= own.algorithms() if kind == "algorithms" else {}
    found: dict[str, str] = {}
    for name, path in places.items():
        if path.stem in found:
            raise ValueError(f"{path}: {kind}: {found[path.stem]} has this name; choose another")
        found[path.stem] = name
    return dict(sorted(found.items()))


def chapter_of(module: str) -> str | None:
    """Return the chapter that a module belongs to, None for one of the core, or one that chapters share."""
    parts = module.split(".")
    return parts[2] if parts[1] == "chapters" and len(parts) > 2 and parts[2] in chapters() else None


@cache
def chapter_modules(kind: str) -> list[str]:
    """Return the dotted names of the modules that have functions found by name:
    ``estimands``, ``figures`` or ``ledger``.

    A chapter has them in a module of this name, or in the modules of a folder of this name.
    """
    found = list(SHARED.get(kind, ()))
    for chapter, folder in chapters().items():
        name = f"{PACKAGE.name}.chapters.{chapter}.{kind}"
        found += [name] if (folder / f"{kind}.py").is_file() else []
        found += [f"{name}.{path.stem}" for path in own.modules_in(folder / kind)]
    return found


@dataclass(frozen=True)
class Found:
    """A function found by name: its module's dotted name, and its syntax tree."""

    module: str
    node: ast.FunctionDef


@cache
def decorated(kind: str, decorator: str) -> dict[str, Found]:
    """Return ``{name: Found}`` of the functions of a kind that carry a decorator, without importing anything.

    Raises
    ------
    ValueError
        If two modules have one of the same name.
    """
    found: dict[str, Found] = {}
    for module in chapter_modules(kind):
        for node in _decorated_in(module, decorator):
            if node.name in found:
                raise ValueError(
                    f"{module}: {node.name}: {found[node.name].module} has one of this name; choose another"
                )
            found[node.name] = Found(module, node)
    return found


@cache
def find(kind: str, decorator: str, name: str) -> Found:
    """Return one of :func:`decorated`: a job needs no more, and only files that have the name are parsed.

    Raises
    ------
    ValueError
        If there is none.
    """
    for module in chapter_modules(kind):
        if f"def {name}(" in Path(str(module_path(module))).read_text(encoding="utf-8"):
            for node in _decorated_in(module, decorator):
                if node.name == name:
                    return Found(module, node)
    raise ValueError(f"{decorator} {name}: allowed are {', '.join(sorted(decorated(kind, decorator)))}")


def forget() -> None:
    """Find all anew: the environment names other chapters, or other files of algorithms."""
    for found in (own.files, chapters, _parse, module_path, modules, chapter_modules, decorated, find):
        found.cache_clear()


def _decorated_in(module: str, decorator: str) -> Iterator[ast.FunctionDef]:
    for node in (one for one in _parse(module_path(module)).body if isinstance(one, ast.FunctionDef)):
        if decorator in (getattr(getattr(d, "func", d), "id", None) for d in node.decorator_list):
            yield node


def parameters(kind: str, name: str, function: str) -> list[str] | None:
    """Return the parameters of a function of a module of :func:`modules`,
    without importing it; None where it has no such one.
    """
    for node in _tree(kind, name).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return [one.arg for one in node.args.args]
    return None


def _tree(kind: str, name: str) -> ast.Module:
    return _parse(module_path(modules(kind)[name]))


def _literal(node: ast.expr, path: Path | None, constant: str) -> Any:
    """Return the value of a literal; what is computed is refused by name."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        allowed = "allowed is a literal, as it is read without importing the module"
        raise ValueError(f"{path}: {constant} = {ast.unparse(node)}: {allowed}") from error


def module_literal(kind: str, name: str, constant: str, default: Any = None) -> Any:
    """Return a literal of a module of :func:`modules`, or the default, read without importing the module (or torch).

    Raises
    ------
    ValueError
        If what it stands for is computed.
    """
    for node in _tree(kind, name).body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", None) == constant for t in node.targets):
            return _literal(node.value, module_path(modules(kind)[name]), constant)
    return default


def class_literal(kind: str, name: str, constant: str) -> Any:
    """Return a literal of the class of an algorithm's or an ensemble's module,
    its own or inherited, read without importing it.

    Raises
    ------
    ValueError
        If there is no class, neither it nor those that it is made from have one of this name, or it is computed.
    """
    path, called = module_path(modules(kind)[name]), {"algorithms": "Algorithm", "ensembles": "Ensemble"}[kind]
    if _class_in(path, called) is None:
        raise ValueError(f"{path}: has no class {called}")
    found = _class_constant(kind, path, called, constant)
    if found is None:
        raise ValueError(f"{path}: its class has no {constant}")
    return found


def _class_constant(kind: str, path: Path | None, name: str, constant: str) -> Any:
    """Return a literal, or a frozenset of one, of a class or of what it is made from in the same folder;
    None without one.
    """
    node = _class_in(path, name)
    if node is None:
        return None
    for line in (one for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign) and one.value):
        targets = line.targets if isinstance(line, ast.Assign) else [line.target]
        if any(getattr(target, "id", None) == constant for target in targets):
            value: Any = line.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "frozenset" and len(value.args) == 1:
                return frozenset(_literal(value.args[0], path, constant))
            return frozenset() if ast.unparse(value) == "frozenset()" else _literal(value, path, constant)
    shared = {"base": f"{PACKAGE.name}.{kind}.base", **modules(kind)}
    for parent in node.bases:
        # ``factored.Algorithm``; or ``Measurements``, of this module or of the folder's base.
        if isinstance(parent, ast.Attribute) and getattr(parent.value, "id", None) in shared:
            return _class_constant(kind, module_path(shared[ast.unparse(parent.value)]), parent.attr, constant)
        if isinstance(parent, ast.Name):
            place = path if _class_in(path, parent.id) else module_path(shared["base"])
            return _class_constant(kind, place, parent.id, constant)
    return None


def _class_in(path: Path | None, name: str) -> ast.ClassDef | None:
    found = (node for node in _parse(path).body if isinstance(node, ast.ClassDef) and node.name == name)
    return next(found, None)


def class_alone(kind: str, name: str, class_name: str, offered: Any) -> Any:
    """Return a class of a module of :func:`modules`, made without the rest of its module; None where it has none.

    It may use the names that are ``offered``, and add to that of another module of the kind:
    ``class Options(other.Options)``.

    Raises
    ------
    ValueError
        If it uses others.
    """
    path = module_path(modules(kind)[name])
    node = _class_in(path, class_name)
    if node is None:
        return None
    names = {"__name__": modules(kind)[name], **offered}
    for other in (getattr(getattr(base, "value", None), "id", None) for base in node.bases):
        if other in modules(kind):
            names[other] = SimpleNamespace(**{class_name: class_alone(kind, other, class_name, offered)})
    try:
        exec(compile(ast.Module([node], []), str(path), "exec"), names)
    except Exception as error:
        raise ValueError(
            f"{path}: class {class_name}: {error}; it is read without the rest of its module, and may use only {', '.join(offered)}"
        ) from error
    return names[class_name]


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def module_title(kind: str, name: str) -> str:
    """Return the first paragraph of a module's docstring, without its full stop."""
    return _first_paragraph(ast.get_docstring(_tree(kind, name)) or name).rstrip(".")


def figure_title(name: str) -> str:
    """Return what a figure shows: the first paragraph of its drawing's docstring, as a caption."""
    text = _first_paragraph(ast.get_docstring(decorated("figures", "drawing")[name].node) or name)
    text = text.removeprefix("Draw ").rstrip(".")
    text = re.sub(r" \[[A-Z]+[0-9]+, (.*?)\]", r" (the paper's \1)", text)
    return text[:1].upper() + text[1:]
