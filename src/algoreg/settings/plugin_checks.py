"""Checks of plugins: every problem is a line with the file, the name that is wrong or missing, and what is allowed."""

import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from algoreg import plugins
from algoreg.settings.base import EnsembleLimits, ExperimentOptions, RunOptions, show
from algoreg.settings.files import display_path
from algoreg.settings.messages import unknown
from algoreg.settings.options import WITHIN

# The facts about the target or the noise that can be an algorithm's prior knowledge.
FACTS = ("rank", "trace", "noise")
# How an algorithm's training error may behave; see :class:`algoreg.algorithms.base.Algorithm`.
ERRORS = ("falls", "ripples", "anyhow")
# The constants of an experiment, with what is allowed in each; the first two are required.
CONSTANTS = {
    "KEYS": "a mapping of columns to their meanings",
    "VALUES": "a mapping of columns to their meanings",
    "AXES": "a mapping of columns to options",
    "FINDS": "a mapping of options to kinds of plugins",
}


def plugin_problems() -> list[str]:
    """Import all plugins and return a line for every problem."""
    checks = {"algorithms": _algorithm, "ensembles": _ensemble, "experiments": _experiment}
    found: list[str] = []
    for kind in (*plugins.MODULE_KINDS, *plugins.FUNCTION_KINDS):
        try:
            names = plugins.all_modules(kind)
        except ValueError as error:
            # The message names the user's file or package that caused it.
            return [str(error)]
        owners: dict[str, str] = {}
        for name in names:
            try:
                module = plugins.import_plugin(name)
            except (Exception, SystemExit) as error:
                found.append(_not_imported(plugins.module_file(name), error))
                continue
            found += _taken(kind, module, owners)
            found += checks[kind](module) if kind in checks else ()
    return found


def _place(module: ModuleType, part: Any = None) -> str:
    """Return a module's file, with the line of a class or a function that it defines."""
    line = f":{inspect.getsourcelines(part)[1]}" if getattr(part, "__module__", None) == module.__name__ else ""
    return f"{display_path(module.__file__)}{line}"


def _not_imported(path: Path | None, error: BaseException) -> str:
    """Return the message about a module that cannot be imported, with the number of the module's line that failed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    text = " ".join(str(error).split())
    return f"{display_path(path)}{f':{lines[-1]}' if lines else ''}: cannot be imported: {type(error).__name__}: {text}"


def _taken(kind: str, module: ModuleType, owners: dict[str, str]) -> Iterator[str]:
    """Yield a line for every plugin of a module whose name is taken; ``owners`` maps the names so far to modules."""
    named: dict[str, Any] = {module.__name__.rpartition(".")[2]: None}
    if kind in plugins.FUNCTION_KINDS:
        named = {one.__name__: inspect.unwrap(one) for one in plugins.functions_in(kind, module)}
    for name, part in named.items():
        if (other := owners.setdefault(name, module.__name__)) != module.__name__:
            yield f"{_place(module, part)}: {kind}: {name}: {other} has this name; choose another"


def _not_made_from(module: ModuleType, name: str, base: type, default: Any = None) -> Iterator[str]:
    """Yield a line if a module's class of this name, or the default, is missing or not derived from a base class."""
    found = getattr(module, name, default)
    if found is None:
        yield f"{_place(module)}: has no class {name}"
    elif not (inspect.isclass(found) and issubclass(found, base)):
        yield f"{_place(module, found)}: {name}: allowed is a class derived from {base.__module__}.{base.__name__}"


def _attributes(found: type, names: str, **words: Any) -> Iterator[str]:
    """Yield the problems of a class's set of names, of attributes with allowed words, and of missing methods."""
    if not isinstance(getattr(found, names), set | frozenset):
        # A string would be treated as the set of its letters.
        yield f'{names} = {show(getattr(found, names))}: allowed is a frozenset of names, as frozenset({{"gradient"}})'
    for name, known in words.items():
        if getattr(found, name) not in list(known):
            yield f"{name}{unknown(getattr(found, name), known, 'word')}"
    for method in sorted(getattr(found, "__abstractmethods__", ())):
        yield f"{found.__name__} has no {method}: allowed is a method, as its base class describes it"


def _algorithm(module: ModuleType) -> Iterator[str]:
    yield from _not_made_from(module, "Options", RunOptions, RunOptions)
    base = plugins.import_plugin("algoreg.algorithms.base").Algorithm
    if problems := list(_not_made_from(module, "Algorithm", base)):
        yield from problems
        return
    found = module.Algorithm
    for text in _attributes(found, "requires", estimates=WITHIN, error=ERRORS):
        yield f"{_place(module, found)}: {text}"
    if not isinstance(found.prior_knowledge, tuple) or not set(found.prior_knowledge) <= set(FACTS):
        yield f"{_place(module, found)}: prior_knowledge = {show(found.prior_knowledge)}: allowed is a tuple of {', '.join(FACTS)}"


def _ensemble(module: ModuleType) -> Iterator[str]:
    yield from _not_made_from(module, "Limits", EnsembleLimits, EnsembleLimits)
    base = plugins.import_plugin("algoreg.ensembles.base").Ensemble
    if problems := list(_not_made_from(module, "Ensemble", base)):
        yield from problems
        return
    for text in _attributes(module.Ensemble, "provides", acts_on=WITHIN):
        yield f"{_place(module, module.Ensemble)}: {text}"


def _experiment(module: ModuleType) -> Iterator[str]:
    """Yield the problems of an experiment's options, function and constants."""
    problems = list(_not_made_from(module, "Options", ExperimentOptions, ExperimentOptions))
    measure: Any = getattr(module, "measure", None)
    if not inspect.isfunction(measure):
        problems.append(f"{_place(module)}: has no function measure(options, context, number)")
    needed = list(CONSTANTS)[:2]
    constants: dict[str, Any] = {name: getattr(module, name, None if name in needed else {}) for name in CONSTANTS}
    for name, value in constants.items():
        if not isinstance(value, dict) or (name in needed and not value):
            text = " is missing" if value is None else f" = {show(value)}"
            problems.append(f"{_place(module)}: {name}{text}: allowed is {CONSTANTS[name]}")
    yield from problems
    if not problems:
        options = getattr(module, "Options", ExperimentOptions).model_fields
        allowed_in = {"READS": options, "GENERATED_FROM": options, "FROM_TIER": [*options, "dtype"]}
        for name, allowed in {**allowed_in, "OF_THE_CLOCK": constants["VALUES"]}.items():
            value = getattr(module, name, ())
            if not isinstance(value, tuple) or not {*value} <= {*allowed}:
                yield f"{_place(module)}: {name} = {show(value)}: allowed is a tuple of {', '.join(allowed)}"
        for option in list(inspect.signature(measure).parameters)[3:]:
            if option not in options:
                yield f"{_place(module, measure)}: measure{unknown(option, options, 'option')}"
        for key, value, known, what in _names(constants, options, getattr(module, "ENSEMBLE", None)):
            if value not in known:
                yield f"{_place(module)}: {key}{unknown(value, known, what)}"


def _names(constants: dict[str, dict], options: Any, ensemble: Any) -> Iterator[tuple[str, Any, list, str]]:
    """Yield ``(key, name, known names, what they name)`` for every name in an experiment's constants."""
    columns, options = [*constants["KEYS"], *constants["VALUES"]], list(options)
    for column, option in constants["AXES"].items():
        yield "AXES", column, columns, "column"
        yield f"AXES.{column}", option, options, "option"
    for option, kind in constants["FINDS"].items():
        yield "FINDS", option, options, "option"
        yield f"FINDS.{option}", kind, list(plugins.MODULE_KINDS), "kind of module"
    if ensemble is not None:
        yield "ENSEMBLE", ensemble, [name.rpartition(".")[2] for name in plugins.all_modules("ensembles")], "ensemble"
