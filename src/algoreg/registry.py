"""Finds algorithms, ensembles, studies, estimands, drawings and passages by name, and says which modules that takes.

This is the only look-up by name. What a job finds here while it runs, the digests of its code hold: rules ask the
functions ``modules_of_…`` for the modules that no import statement shows. A study says by ``FINDS = {option: kind}``
which of its options name a module, so that an edit of that module reruns the study.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from algoreg import own, sources


def _module(kind: str, name: str) -> str:
    known = sources.modules(kind)
    if name not in known:
        raise ValueError(f"{kind}: {name}: allowed are {', '.join(known)}")
    return known[name]


def _function(kind: str, decorator: str, name: str) -> Callable:
    """Return a decorated function of a kind of modules."""
    return getattr(import_module(sources.find(kind, decorator, name).module), name)


def algorithm(name: str) -> type:
    """Return the class ``Algorithm`` of the module of this name."""
    module = _module("algorithms", name)
    return (_load(module) if module in own.files() else import_module(module)).Algorithm


def _load(name: str) -> ModuleType:
    """Return the module of a file of the user's own, loaded once."""
    if name not in sys.modules:
        spec = spec_from_file_location(name, own.files()[name])
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"{own.files()[name]}: cannot be loaded")
        module = module_from_spec(spec)
        # Before it runs: dataclasses look their module up.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def ensemble(name: str) -> type:
    """Return the class ``Ensemble`` of the module of this name."""
    return import_module(_module("ensembles", name)).Ensemble


def study(name: str) -> ModuleType:
    """Return the study's module."""
    return import_module(_module("studies", name))


def settings_of_study(name: str) -> ModuleType | None:
    """Return the module of settings that a study names, without torch; None where its options are its own."""
    named = sources.module_literal("studies", name, "SETTINGS")
    return import_module(named) if named else None


def estimand(name: str) -> Callable:
    """Return the estimand of this name."""
    return _function("estimands", "estimand", name)


def drawing(name: str) -> Callable:
    """Return the drawing of the figure of this name."""
    return _function("figures", "drawing", name)


def passages() -> dict[str, Callable]:
    """Return every passage, by name."""
    return {name: _function("ledger", "passage", name) for name in sources.decorated("ledger", "passage")}


def modules_of_study(name: str, chosen: Mapping[str, Any]) -> list[str]:
    """Return the modules that a study finds by name, given its complete options, or those that a job takes."""
    finds = sources.module_literal("studies", name, "FINDS", {})
    return [
        _module("studies", name),
        *(_module(kind, chosen[option]) for option, kind in finds.items() if option in chosen),
    ]


def modules_of_claim(entry: Mapping[str, Any]) -> list[str]:
    """Return the modules that judging a claim finds by name; ``entry`` is the registry's."""
    parts = [entry, *(entry[name] for name in ("control", "positive_control") if name in entry)]
    known = sources.decorated("estimands", "estimand")
    return sorted({known[part["estimand"]["name"]].module for part in parts if "name" in part["estimand"]})


def modules_of_figure(name: str) -> list[str]:
    """Return the modules that drawing a figure finds by name."""
    return [sources.decorated("figures", "drawing")[name].module]
