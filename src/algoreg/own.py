"""Where algorithms of the user's own lie that need no fork: files that are named, and packages that are installed.

``ALGOREG_ALGORITHM_PATH`` (``algorithm_path`` of a tier) names files, each the module of one algorithm. An installed
package names a package of algorithms by an entry point, every module of which but ``base`` is one::

    [project.entry-points."algoreg.algorithms"]
    mine = "mypackage.algorithms"

Nothing is imported to find them.
"""

import os
import re
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from algoreg.own_paths import ALGORITHM_PATH, listed

GROUP = "algoreg.algorithms"
# The package that modules of single files are in; it has no folder.
PLACE = "algoreg.own"
NAME = r"[a-z][a-z0-9_]*"
ALLOWED_FILES = "files that exist, named by a-z, 0-9 and _ with .py"


def is_module_file(path: Path) -> bool:
    """Return whether a path is that of a file which can be a module of its own."""
    return path.is_file() and path.suffix == ".py" and bool(re.fullmatch(NAME, path.stem))


@cache
def files() -> dict[str, Path]:
    """Return ``{dotted name: file}`` of the algorithms that are files of their own.

    Raises
    ------
    ValueError
        If one is not there, or cannot be a module's, or two have the same name.
    """
    found: dict[str, Path] = {}
    for path in map(Path, listed(ALGORITHM_PATH)):
        if not is_module_file(path):
            raise ValueError(f"algorithm_path = {path}: allowed are {ALLOWED_FILES}, separated by {os.pathsep}")
        name = f"{PLACE}.{path.stem}"
        if name in found:
            raise ValueError(f"{path}: algorithms: {found[name]} has this name; choose another")
        found[name] = path
    return found


@cache
def folders() -> dict[str, Path]:
    """Return ``{dotted name: folder}`` of the packages of algorithms that installed packages name by entry points.

    Raises
    ------
    ValueError
        If one is not there.
    """
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.value):
        head, *rest = point.value.split(".")
        folder = _folder(head)
        folder = folder.joinpath(*rest) if folder else None
        if folder is None or not folder.is_dir():
            owner = f" of {point.dist.name}" if point.dist else ""
            raise ValueError(f"entry point {point.name} = {point.value}{owner}: {GROUP}: allowed is a package's folder")
        found[point.value] = folder
    return found


def _folder(head: str) -> Path | None:
    """Return the folder of an installed package that is not in another, without importing it."""
    try:
        spec = find_spec(head)
    except ValueError:
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


@cache
def packages() -> dict[str, Path]:
    """Return ``{name: folder}`` of the outermost packages that algorithms of :func:`folders` are in."""
    heads = {name.partition(".")[0]: (name.count("."), folder) for name, folder in folders().items()}
    return {head: folder.parents[depth - 1] if depth else folder for head, (depth, folder) in heads.items()}


def algorithms() -> dict[str, Path]:
    """Return ``{dotted name: file}`` of every algorithm of the user's own."""
    found = {f"{package}.{path.stem}": path for package, folder in folders().items() for path in modules_in(folder)}
    return {**found, **files()}


def modules_in(folder: Path) -> list[Path]:
    """Return the modules of a folder that can be named: not what they have in common."""
    return sorted(path for path in folder.glob("*.py") if path.stem not in ("__init__", "base"))


def module_at(base: Path) -> Path | None:
    """Return the file of the module, or of the package, with this path less its suffix; None where there is neither."""
    found = (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
    return next(found, None)


def module_path(name: str) -> Path | None:
    """Return the file of a module of the user's own by its dotted name, None where it is none."""
    if name in files():
        return files()[name]
    head, *rest = name.split(".")
    return module_at(packages()[head].joinpath(*rest)) if head in packages() else None
