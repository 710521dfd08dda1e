"""What is wrong with settings, in lines: ``file: key = value: allowed is …``, all of them at once."""

import math
import re

from pydantic import ValidationError

from algoreg.spec.base import show

# No size or time is near it, and products of three such numbers are still finite.
LARGEST = 1e100


def key(path):
    """Return a path of keys and positions as one text: ``runs[0].step``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w-]+", part) else show(part)
            text += f".{name}" if text else name
    return text or "(the whole file)"


def in_file(file, *start):
    """Return the function that says where a path is: in this file, below ``start``."""
    return lambda path: f"{file}: {key((*start, *path))}"


def _hint(value):
    """Return what to write in place of a number that YAML reads as a text."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", one):
            mantissa, exponent = re.split("[eE]", one)
            return f" (YAML reads {one} as a text: write {mantissa}.0e{int(exponent):+d}, a whole number in digits)"
    return ""


def wrong(value, allowed):
    """Return what stands after a key whose value is not allowed."""
    return f" = {show(value)}: allowed is {allowed}{_hint(value)}"


def unknown(value, known, what="key"):
    """Return what stands after a key, or before a value, that is none of the known ones."""
    return f" = {show(value)}: unknown {what}; allowed are {', '.join(map(str, known)) or 'none'}"


def _line(error):
    """Return what stands after the key of an error of :class:`algoreg.spec.base.Strict`."""
    said, value = error["ctx"]["said"], error["input"]
    match error["type"]:
        case "unknown":
            return unknown(value, [said])
        case "lacking":
            return f" is missing{said}"
        case "together":
            return f": {', '.join(f'{name} = {show(one)}' for name, one in value.items())}: allowed is {said}"
    return wrong(value, said)


def problems(model, content):
    """Return ``(path, line after the key)`` of all that a model (:class:`algoreg.spec.base.Strict`)
    does not allow in a content.
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        return [(one["loc"], _line(one)) for one in error.errors(include_url=False)]
    return []


def beyond_range(content, path=()):
    """Return ``(path, line after the key)`` of every number in a content that is infinite,
    none, or beyond :data:`LARGEST`.
    """
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return [line for name, value in items for line in beyond_range(value, (*path, name))]
    if isinstance(content, float) and not math.isfinite(content):
        return [(path, f" = {content}: allowed is a finite number")]
    if isinstance(content, int | float) and abs(content) > LARGEST:
        return [(path, f" = {show(content)}: allowed is a number of at most {LARGEST:g}")]
    return []


def lines(found, where):
    """Return problems ``(path, line after the key)`` as lines, each once; ``where`` returns ``file: key`` of a path."""
    return list(dict.fromkeys(where(path) + text for path, text in found))
