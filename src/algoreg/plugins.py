"""Find and import plugins: algorithms, ensembles, experiments, estimands, drawings of figures and macros of ledgers.

Algorithms, ensembles and experiments are modules that settings name by their file name, in a folder ``algorithms``,
``ensembles`` or ``experiments`` of this package or of a chapter. Estimands, drawings and ledger macros are functions of
the modules ``estimands``, ``figures`` and ``ledger`` of a chapter (or of the modules in a folder of that name), marked
by a decorator. The main process imports and checks all of them (:mod:`algoreg.settings.plugin_checks`). A job imports
only the plugins that its parameters name: a module by its file name, or a function by ``module:name`` (:func:`load`).

Users can add plugins without a fork. ``ALGOREG_CHAPTER_PATH`` lists folders that contain chapters, and
``ALGOREG_ALGORITHM_PATH`` lists files with one algorithm each; the workflow sets both from its settings. The entry
points of an installed package name a package of algorithms, in which every module except ``base`` is an algorithm, and
a package whose folder contains chapters::

    [project.entry-points."algoreg.algorithms"]
    mine = "mypackage.algorithms"

    [project.entry-points."algoreg.chapters"]
    mine = "mypackage.chapters"

A job may only load code whose hash its rule has as a parameter, so the rules ask here for the modules that are imported
by name. An experiment declares with ``FINDS = {option: kind}`` which of its options name a module.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
CHAPTER_PATH = "ALGOREG_CHAPTER_PATH"
ALGORITHM_PATH = "ALGOREG_ALGORITHM_PATH"
# Algorithms that are single files become modules of this package, which has no folder.
FILE_PACKAGE = "algoreg.own"
ALLOWED_FILES = "files that exist, named by a-z, 0-9 and _ with .py"

MODULE_KINDS = ("algorithms", "ensembles", "experiments")
# The kinds of functions, each with the attribute that its decorator sets.
FUNCTION_KINDS = {"estimands": "label", "figures": "draws_figure", "ledger": "tables"}
# Modules that jobs import to write down how they ran. No result contains what these compute, so that an edit of one
# reruns no job; all other code that a job imports has a hash.
JOB_RECORDS = frozenset(
    f"{PACKAGE.name}.{name}" for name in ("engine.progress", "results.joblog", "results.machine", "results.provenance")
)
# Modules whose functions all chapters share.
SHARED = {"estimands": ("algoreg.claims.estimands",)}


def paths_in(variable: str) -> list[str]:
    """Return the paths that an environment variable lists, as PATH does."""
    return [path for path in os.environ.get(variable, "").split(os.pathsep) if path]


def chapter_folders() -> list[Path]:
    """Return the folders with a ``chapter.yaml``, those of this package first."""
    return [file.parent for parent in chapter_parents() for file in sorted(parent.glob("*/chapter.yaml"))]


def chapter_parents() -> list[Path]:
    """Return the folders that contain chapters: this package's, then ``ALGOREG_CHAPTER_PATH``, then entry points."""
    return [PACKAGE / "chapters", *map(Path, paths_in(CHAPTER_PATH)), *entry_folders("chapters").values()]


@cache
def chapters() -> dict[str, Path]:
    """Return ``{name: folder}`` of all chapters; of two with one name the first, and settings reject the second."""
    found: dict[str, Path] = {}
    for folder in chapter_folders():
        found.setdefault(folder.name, folder)
    return found


def chapter_of(module: str) -> str | None:
    """Return the chapter that a module belongs to; None for modules of the core and modules that chapters share."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["chapters"] and len(parts) > 2 and parts[2] in chapters() else None


def is_algorithm_file(path: Path) -> bool:
    """Return whether a path is an existing file whose name can be a module's name."""
    return path.is_file() and bool(re.fullmatch(r"[a-z][a-z0-9_]*\.py", path.name))


@cache
def algorithm_files() -> dict[str, Path]:
    """Return ``{module: file}`` of the algorithms that are single files.

    Raises
    ------
    ValueError
        If a file does not exist or cannot be a module.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths_in(ALGORITHM_PATH)):
        if not is_algorithm_file(path):
            raise ValueError(f"algorithm_path = {path}: allowed are {ALLOWED_FILES}, separated by {os.pathsep}")
        if (other := found.setdefault(f"{FILE_PACKAGE}.{path.stem}", path)) != path:
            raise ValueError(f"{path}: algorithms: {other} has this name; choose another")
    return found


@cache
def entry_folders(kind: str) -> dict[str, Path]:
    """Return ``{package: folder}`` of the packages that entry points name, without importing them.

    Parameters
    ----------
    kind : str
        ``algorithms`` or ``chapters``.

    Raises
    ------
    ValueError
        If an entry point does not name a package.
    """
    found, group = {}, f"{PACKAGE.name}.{kind}"
    for point in sorted(entry_points(group=group), key=lambda point: point.value):
        head, *rest = point.value.split(".")
        spec = find_spec(head)
        folders = [Path(place, *rest) for place in (spec.submodule_search_locations or () if spec else ())]
        if not folders or not folders[0].is_dir():
            owner = f" of {point.dist.name}" if point.dist else ""
            raise ValueError(f"entry point {point.name} = {point.value}{owner}: {group}: allowed is a package's folder")
        found[point.value] = folders[0]
    return found


@cache
def packages() -> dict[str, Path]:
    """Return ``{name: folder}`` of the packages whose code is hashed: this one, and those of entry points."""
    found = {PACKAGE.name: PACKAGE}
    for name, folder in (entry_folders("algorithms") | entry_folders("chapters")).items():
        head, *rest = name.split(".")
        found[head] = [folder, *folder.parents][len(rest)]
    return found


@cache
def module_file(name: str) -> Path | None:
    """Return the file of a project module (:func:`packages`, chapters and single files); None for any other name."""
    if name in algorithm_files():
        return algorithm_files()[name]
    head, *rest = name.split(".")
    if head not in packages():
        return None
    base = packages()[head].joinpath(*rest)
    if chapter := chapter_of(name):
        base = chapters()[chapter].joinpath(*rest[2:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _in_folder(package: str, folder: Path) -> Iterator[str]:
    """Yield the modules of a folder that can be plugins: all except ``base``, which plugins share."""
    for path in sorted(folder.glob("*.py")):
        if path.stem not in ("__init__", "base"):
            yield f"{package}.{path.stem}"


@cache
def all_modules(kind: str) -> list[str]:
    """Return the modules of a kind, found by listing folders; the last parts of two names may be equal."""
    homes = {PACKAGE.name: PACKAGE} if kind in MODULE_KINDS else {}
    homes |= {f"{PACKAGE.name}.chapters.{name}": folder for name, folder in chapters().items()}
    found = list(SHARED.get(kind, ()))
    for home, folder in homes.items():
        if kind in FUNCTION_KINDS and (folder / f"{kind}.py").is_file():
            found.append(f"{home}.{kind}")
        found += _in_folder(f"{home}.{kind}", folder / kind)
    if kind == "algorithms":
        found += [
            name for package, folder in entry_folders("algorithms").items() for name in _in_folder(package, folder)
        ]
        found += algorithm_files()
    return found


@cache
def modules(kind: str) -> dict[str, str]:
    """Return ``{name: module}`` of the algorithms, ensembles or experiments, by their names in settings.

    Raises
    ------
    ValueError
        If two have the same name.
    """
    found: dict[str, str] = {}
    for name in all_modules(kind):
        if (other := found.setdefault(name.rpartition(".")[2], name)) != name:
            raise ValueError(f"{module_file(name)}: {kind}: {other} has this name; choose another")
    return dict(sorted(found.items()))


def import_plugin(name: str) -> ModuleType:
    """Import a module once and return it; an algorithm that is a single file is loaded from its path."""
    if name in sys.modules or name not in algorithm_files():
        return import_module(name)
    spec = spec_from_file_location(name, algorithm_files()[name])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{algorithm_files()[name]}: cannot be loaded")
    # The module is registered before it runs, because dataclasses look up their module.
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _named(kind: str, known: Mapping[str, Any], name: str) -> Any:
    if name not in known:
        raise ValueError(f"{kind}: {name}: allowed are {', '.join(known)}")
    return known[name]


def module_name(kind: str, name: str) -> str:
    """Return the dotted name of an algorithm's, an ensemble's or an experiment's module."""
    return _named(kind, modules(kind), name)


def module(kind: str, name: str) -> ModuleType:
    """Return the module of an algorithm, an ensemble or an experiment."""
    return import_plugin(module_name(kind, name))


def algorithm(name: str) -> Any:
    """Return the class ``Algorithm`` of the module of this name."""
    return module("algorithms", name).Algorithm


def ensemble(name: str) -> Any:
    """Return the class ``Ensemble`` of the module of this name."""
    return module("ensembles", name).Ensemble


def experiment(name: str) -> ModuleType:
    """Return the experiment's module."""
    return module("experiments", name)


def functions_in(kind: str, module: ModuleType) -> list[Callable]:
    """Return the functions of a kind that a module defines, without those that it imports from other modules."""
    own = (one for one in vars(module).values() if getattr(one, "__module__", None) == module.__name__)
    return [one for one in own if callable(one) and hasattr(one, FUNCTION_KINDS[kind])]


@cache
def functions(kind: str) -> dict[str, Any]:
    """Return ``{name: function}`` of all estimands, drawings or ledger macros, after importing all of their modules."""
    found = (function for name in all_modules(kind) for function in functions_in(kind, import_plugin(name)))
    return {function.__name__: function for function in found}


def function(kind: str, name: str) -> Callable:
    """Return the estimand, the drawing or the ledger macro of a name."""
    return _named(kind, functions(kind), name)


def reference(kind: str, name: str) -> str:
    """Return ``module:name`` of an estimand or a drawing, which a job passes to :func:`load`."""
    return f"{function(kind, name).__module__}:{name}"


def load(reference: str) -> Callable:
    """Return the function of a :func:`reference`, after importing its module alone."""
    module, _, name = reference.partition(":")
    return getattr(import_plugin(module), name)


def estimands_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return ``{name: module:name}`` of the estimands that judge a claim and its controls."""
    parts = [entry, *(entry[name] for name in ("control", "positive_control") if name in entry)]
    names = sorted({part["estimand"]["name"] for part in parts if "name" in part["estimand"]})
    return {name: reference("estimands", name) for name in names}


def modules_of_experiment(name: str, options: Mapping[str, Any]) -> list[str]:
    """Return the module of an experiment and those that its options name; the options may be a job's subset."""
    finds = getattr(experiment(name), "FINDS", {})
    found = [module_name(kind, options[option]) for option, kind in finds.items() if option in options]
    return [module_name("experiments", name), *found]


def generated_from(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that an experiment's ``generate`` takes: all, unless its module has ``GENERATED_FROM``."""
    named = getattr(experiment(name), "GENERATED_FROM", None)
    return {key: value for key, value in options.items() if named is None or key in named}


def first_paragraph(documented: Any) -> str:
    """Return the first paragraph of a docstring as one line; empty if there is no docstring."""
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())


def module_title(kind: str, name: str) -> str:
    """Return the first paragraph of a module's docstring, without its full stop."""
    return (first_paragraph(module(kind, name)) or name).rstrip(".")


def figure_title(name: str) -> str:
    """Return a figure's title: the first paragraph of its drawing's docstring, without "Draw"."""
    text = (first_paragraph(function("figures", name)) or name).removeprefix("Draw ").rstrip(".")
    text = re.sub(r" \[[A-Z]+[0-9]+, (.*?)\]", r" (the paper's \1)", text)
    return text[:1].upper() + text[1:]


def figure_chapter(name: str) -> str | None:
    """Return the chapter that a figure belongs to."""
    return chapter_of(function("figures", name).__module__)


def forget() -> None:
    """Clear the caches and unload plugins outside this package, because the environment may name others now."""
    elsewhere = []
    for name, module in sys.modules.items():
        if name.startswith(f"{PACKAGE.name}."):
            # A namespace package (a folder without an __init__.py) has no file.
            path = getattr(module, "__file__", None) or next(iter(module.__path__))
            elsewhere += [] if Path(path).is_relative_to(PACKAGE) else [name]
    for name in elsewhere:
        del sys.modules[name]
    for found in (chapters, algorithm_files, entry_folders, packages, module_file, all_modules, modules, functions):
        found.cache_clear()
    if "algoreg.chapters" in sys.modules:
        sys.modules["algoreg.chapters"].__path__[:] = map(str, chapter_parents())
