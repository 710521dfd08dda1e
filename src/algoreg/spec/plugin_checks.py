"""What is wrong with plugins: each problem in a line that names the file, what lacks or has it, and what is allowed."""

import inspect
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from algoreg import plugins
from algoreg.spec.base import EnsembleLimits, RunOptions, StudyOptions, show
from algoreg.spec.files import shown
from algoreg.spec.messages import unknown
from algoreg.spec.options import WITHIN

# What an algorithm can be told of the target or the noise.
FACTS = ("rank", "trace", "noise")
# How an algorithm's training error may go; see :class:`algoreg.algorithms.base.Algorithm`.
ERRORS = ("falls", "ripples", "anyhow")
A_SET = 'allowed is a frozenset of names, as frozenset({"gradient"})'
Allowed = dict[str, Callable[[Any], str | None]]
COLUMNS = "allowed is a mapping of columns to their meanings"


def plugin_problems() -> list[str]:
    """Import all plugins and return a line for everything that is wrong with them."""
    found: list[str] = []
    for kind in (*plugins.MODULE_KINDS, *plugins.FUNCTION_KINDS):
        try:
            names = plugins.all_modules(kind)
        except ValueError as error:
            # Of files and packages of the user's own: it names them.
            return [str(error)]
        owners: dict[str, str] = {}
        for name in names:
            try:
                module = plugins.import_plugin(name)
            except (Exception, SystemExit) as error:
                found.append(_not_imported(plugins.module_file(name), error))
                continue
            found += _taken(kind, module, owners)
            found += CHECKS[kind](module) if kind in CHECKS else ()
    return found


def _place(module: ModuleType, part: Any = None) -> str:
    """Return a module's file, with the line of a class or a function of it."""
    line = f":{inspect.getsourcelines(part)[1]}" if part is not None and part.__module__ == module.__name__ else ""
    return f"{shown(module.__file__)}{line}"


def _not_imported(path: Path | None, error: BaseException) -> str:
    """Return the line for a module that cannot be imported, with that of its lines which failed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    text = " ".join(str(error).split())
    return f"{shown(path)}{f':{lines[-1]}' if lines else ''}: cannot be imported: {type(error).__name__}: {text}"


def _taken(kind: str, module: ModuleType, owners: dict[str, str]) -> Iterator[str]:
    """Yield a line for every name of a module's that another one of its kind has; the owners are those so far."""
    if kind in plugins.FUNCTION_KINDS:
        named = {one.__name__: _place(module, inspect.unwrap(one)) for one in plugins.functions_in(kind, module)}
    else:
        named = {module.__name__.rpartition(".")[2]: _place(module)}
    for name, place in named.items():
        if (other := owners.setdefault(name, module.__name__)) != module.__name__:
            yield f"{place}: {kind}: {name}: {other} has one of this name; choose another"


def _not_made_from(module: ModuleType, name: str, base: type, default: Any = None) -> Iterator[str]:
    """Yield a line where a module's class of this name, or its default, is not made from a base class."""
    found = getattr(module, name, default)
    if found is None:
        yield f"{_place(module)}: has no class {name}"
    elif not (inspect.isclass(found) and issubclass(found, base)):
        place = _place(module, found if inspect.isclass(found) else None)
        yield f"{place}: {name}: allowed is a class made from {base.__module__}.{base.__name__}"


def _of_class(module: ModuleType, kind: str, name: str, allowed: Allowed) -> Iterator[str]:
    """Yield what is wrong with the class of an algorithm or an ensemble.

    Parameters
    ----------
    module : module
    kind, name : str
        The plugin's kind, and the name of its class.
    allowed : dict
        For each attribute a function that returns what is wrong with its value, None where nothing is.
    """
    base = getattr(plugins.import_plugin(f"{plugins.PACKAGE.name}.{kind}.base"), name)
    if problems := list(_not_made_from(module, name, base)):
        yield from problems
        return
    found = getattr(module, name)
    place = _place(module, found)
    for attribute, problem in allowed.items():
        if text := problem(getattr(found, attribute)):
            yield f"{place}: {attribute}{text}"
    for method in sorted(found.__abstractmethods__):
        yield f"{place}: {name} has no {method}: allowed is a method, as {base.__module__} describes it"


def _no_set(value: Any) -> str | None:
    # Of a text it would be a set of its letters.
    return None if isinstance(value, set | frozenset) else f" = {show(value)}: {A_SET}"


def _one_of(known: Any, what: str) -> Callable[[Any], str | None]:
    return lambda value: None if isinstance(value, str) and value in known else unknown(value, known, what)


def _no_facts(value: Any) -> str | None:
    if isinstance(value, tuple) and set(value) <= set(FACTS):
        return None
    return f" = {show(value)}: allowed is a tuple of {', '.join(FACTS)}"


def _algorithm(module: ModuleType) -> Iterator[str]:
    allowed = {"requires": _no_set, "estimates": _one_of(WITHIN, "space"), "told": _no_facts}
    yield from _of_class(module, "algorithms", "Algorithm", {**allowed, "error": _one_of(ERRORS, "course")})
    yield from _not_made_from(module, "Options", RunOptions, RunOptions)


def _ensemble(module: ModuleType) -> Iterator[str]:
    allowed = {"provides": _no_set, "acts_on": _one_of(WITHIN, "space")}
    yield from _of_class(module, "ensembles", "Ensemble", allowed)
    yield from _not_made_from(module, "Limits", EnsembleLimits, EnsembleLimits)


def _study(module: ModuleType) -> Iterator[str]:
    """Yield what is wrong with the constants, the options and the function of a study."""
    wrong_options = list(_not_made_from(module, "Options", StudyOptions, StudyOptions))
    mappings = {"KEYS": None, "VALUES": None, "AXES": {}, "FINDS": {}}
    found = {name: getattr(module, name, default) for name, default in mappings.items()}
    lost = [f" {name} is missing: {COLUMNS}" for name, value in found.items() if value is None]
    lost += [
        f" {name} = {show(value)}: {COLUMNS if name in ('KEYS', 'VALUES') else 'allowed is a mapping'}"
        for name, value in found.items()
        if value is not None and (not isinstance(value, dict) or (not value and name in ("KEYS", "VALUES")))
    ]
    yield from wrong_options
    yield from (f"{_place(module)}:{text}" for text in lost)
    measure = getattr(module, "measure", None)
    if not inspect.isfunction(measure):
        yield f"{_place(module)}: has no function measure(options, context, number)"
    if wrong_options or lost:
        return
    options = getattr(module, "Options", StudyOptions).model_fields
    yield from (f"{_place(module)}: {text}" for text in _names(found, options, getattr(module, "ENSEMBLE", None)))
    for option in list(inspect.signature(measure).parameters)[3:] if inspect.isfunction(measure) else ():
        if option not in options:
            yield f"{_place(module, measure)}: measure{unknown(option, options, 'option')}"


def _names(found: dict[str, Any], options: Any, ensemble: Any) -> Iterator[str]:
    """Yield the names in a study's constants that are none of its columns, its options or its plugins."""
    columns = {**found["KEYS"], **found["VALUES"]}
    for column, option in found["AXES"].items():
        if column not in columns:
            yield f"AXES{unknown(column, columns, 'column')}"
        if option not in options:
            yield f"AXES.{column}{unknown(option, options, 'option')}"
    for option, kind in found["FINDS"].items():
        if option not in options:
            yield f"FINDS{unknown(option, options, 'option')}"
        if kind not in plugins.MODULE_KINDS:
            yield f"FINDS.{option}{unknown(kind, plugins.MODULE_KINDS, 'kind of module')}"
    known = [name.rpartition(".")[2] for name in plugins.all_modules("ensembles")]
    if ensemble not in (None, *known):
        yield f"ENSEMBLE{unknown(ensemble, known, 'ensemble')}"


CHECKS = {"algorithms": _algorithm, "ensembles": _ensemble, "studies": _study}
