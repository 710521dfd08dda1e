"""The options of a study as JSON schemas; the common ones have a short name.

``"whole >= 2"``, ``"number > 0"`` are single values, ``"wholes >= 1"``, ``"numbers > 0"`` lists of different ones, not empty.
``{"kind": "wholes >= 1", "default": [5], ...}`` adds to a short name or overrides what it stands for; any other mapping is a
JSON schema itself.
"""

import re

from algoreg.sources import module_literal

TYPES = {"whole": ("integer", "whole number"), "number": ("number", "number")}
BOUNDS = {">=": ("minimum", "of at least"), ">": ("exclusiveMinimum", "above")}


def schema(option):
    """Return the JSON schema of an option.

    Raises
    ------
    ValueError
        If a short name is none.
    """
    kind, rest = (option, {}) if isinstance(option, str) else (option.get("kind"), option)
    if kind is None:
        return option
    found = re.fullmatch(r"(whole|number)(s?) (>=|>) (\d+)", kind)
    if found is None:
        raise ValueError(f"{kind!r}: allowed are whole, wholes, number, numbers, then >= or >, then a whole number")
    name, several, sign, bound = found.groups()
    (type_name, noun), (keyword, words) = TYPES[name], BOUNDS[sign]
    one = {"type": type_name, keyword: int(bound)}
    if several:
        one = {"type": "array", "minItems": 1, "uniqueItems": True, "items": one}
    said = f"a list of different {noun}s {words} {bound}" if several else f"a {noun} {words} {bound}"
    return {**one, "description": said, **{key: value for key, value in rest.items() if key != "kind"}}


def of_study(name):
    """Return the schema of every option of ``algoreg.studies.<name>``, read without importing it."""
    return {key: schema(option) for key, option in module_literal("studies", name, "OPTIONS", {}).items()}
