"""What is wrong with modules that settings name: what is read of them without importing them, each in a line."""

from collections.abc import Iterator
from typing import Any

from algoreg import sources
from algoreg.spec import options
from algoreg.spec.base import show
from algoreg.spec.files import shown
from algoreg.spec.messages import unknown

KINDS = ("algorithms", "ensembles", "studies")
FUNCTIONS = (("estimands", "estimand"), ("figures", "drawing"), ("ledger", "passage"))
# What an algorithm can be told of the target or the noise.
FACTS = ("rank", "trace", "noise")
# How an algorithm's training error may go; see :class:`algoreg.algorithms.base.Algorithm`.
ERRORS = ("falls", "ripples", "anyhow")


def broken() -> list[str]:
    """Return lines for names that two modules have, and for what cannot be read of those whose names are clear."""
    return _twice() or [*_unlabelled(), *_unreadable()]


def _twice() -> list[str]:
    """Return a line for each kind of module in which a name is found in two chapters."""
    found = []
    look_ups: list[tuple[Any, tuple]] = [(sources.modules, (kind,)) for kind in KINDS]
    for look_up, arguments in look_ups + [(sources.decorated, pair) for pair in FUNCTIONS]:
        try:
            look_up(*arguments)
        except ValueError as error:
            found.append(str(error))
    return found


def _unlabelled() -> Iterator[str]:
    for name, found in sources.decorated("estimands", "estimand").items():
        arguments = [one for decorator in found.node.decorator_list for one in getattr(decorator, "args", ())]
        if not any(isinstance(getattr(one, "value", None), str) for one in arguments):
            file = shown(sources.module_path(found.module))
            yield f'{file}: {name}: allowed is @estimand("what it is"), whose words the criterion is made of'


def _unreadable() -> Iterator[str]:
    checks = {"algorithms": _algorithm, "ensembles": _ensemble, "studies": _study}
    for kind, check in checks.items():
        for name, module in sources.modules(kind).items():
            file = shown(sources.module_path(module))
            try:
                yield from (f"{file}: {line}" for line in check(name))
            except ValueError as error:
                # It names the file.
                yield str(error)


def _algorithm(name: str) -> Iterator[str]:
    """Yield what is wrong with the literals of an algorithm."""
    yield from _no_set("requires", sources.class_literal("algorithms", name, "requires"))
    space, told, error = (sources.class_literal("algorithms", name, one) for one in ("estimates", "told", "error"))
    if space not in options.WITHIN:
        yield f"estimates{unknown(space, options.WITHIN, 'space')}"
    if not isinstance(told, tuple) or not set(told) <= set(FACTS):
        yield f"told = {show(told)}: allowed is a tuple of {', '.join(FACTS)}"
    if error not in ERRORS:
        yield f"error{unknown(error, ERRORS, 'course')}"


def _no_set(constant: str, found: Any) -> Iterator[str]:
    """Yield what is wrong with a literal that is to be a set of names: of a text it would be that of its letters."""
    if not isinstance(found, set | frozenset):
        yield f'{constant} = {show(found)}: allowed is a frozenset of names, as frozenset({{"gradient"}})'


def _ensemble(name: str) -> Iterator[str]:
    """Yield what is wrong with the literals of an ensemble."""
    yield from _no_set("provides", sources.class_literal("ensembles", name, "provides"))
    space = sources.class_literal("ensembles", name, "acts_on")
    if space not in options.WITHIN:
        yield f"acts_on{unknown(space, options.WITHIN, 'space')}"


def _study(name: str) -> Iterator[str]:
    """Yield what is wrong with the literals of a study."""
    columns: dict[str, Any] = {}
    for constant in ("KEYS", "VALUES"):
        found = sources.module_literal("studies", name, constant)
        if found is None:
            yield f"{constant} is missing: allowed is a mapping of columns to their meanings"
        elif not isinstance(found, dict) or not found:
            yield f"{constant} = {show(found)}: allowed is a mapping of columns to their meanings"
        else:
            columns |= found
    known = options.of_study(name).model_fields
    yield from _measure(name, known)
    for column, option in sources.module_literal("studies", name, "AXES", {}).items():
        if column not in columns:
            yield f"AXES{unknown(column, columns, 'column')}"
        if option not in known:
            yield f"AXES.{column}{unknown(option, known, 'option')}"
    for option, kind in sources.module_literal("studies", name, "FINDS", {}).items():
        if option not in known:
            yield f"FINDS{unknown(option, known, 'option')}"
        if kind not in KINDS:
            yield f"FINDS.{option}{unknown(kind, KINDS, 'kind of module')}"
    ensemble = sources.module_literal("studies", name, "ENSEMBLE")
    if ensemble is not None and ensemble not in sources.modules("ensembles"):
        yield f"ENSEMBLE{unknown(ensemble, sources.modules('ensembles'), 'ensemble')}"


def _measure(name: str, known: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the parameters of a study's function; those after the first three are options."""
    parameters = sources.parameters("studies", name, "measure")
    if parameters is None:
        yield "has no function measure(options, context, number)"
    for option in (parameters or [])[3:]:
        if option not in known:
            yield f"measure{unknown(option, known, 'option')}"
