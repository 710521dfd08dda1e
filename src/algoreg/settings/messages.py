"""Messages about wrong settings, all at once, a line each: ``file: key = value: message of pydantic or of a check``."""

import difflib
import math
import re
from contextlib import suppress
from typing import get_args

from pydantic import BaseModel, ValidationError

from algoreg.settings.base import as_list, show

# The largest number allowed: no size or time is near it, and products of three such numbers are still finite.
LARGEST = 1e100
# The key that messages use for a file as a whole.
WHOLE_FILE = "(the whole file)"


def key(path):
    """Return a path of keys and positions as one text: ``runs[0].step``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w-]+", part) else show(part)
            text += f".{name}" if text else name
    return text or WHOLE_FILE


def in_file(file, *start):
    """Return the function that describes the location of a path: in this file, below ``start``."""
    return lambda path: f"{file}: {key((*start, *path))}"


def _hint(value):
    """Return a hint on how to write a number that YAML reads as a string."""
    for one in as_list(value):
        if isinstance(one, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", one):
            mantissa, exponent = re.split("[eE]", one)
            return f" (YAML reads {one} as a string: write {mantissa}.0e{int(exponent):+d}, a whole number in digits)"
    return ""


def not_allowed(value, allowed):
    """Return the message after a key whose value is not allowed."""
    return f" = {show(value)}: allowed is {allowed}{_hint(value)}"


def unknown(value, known, what="key"):
    """Return the message after an unknown key, or before an unknown value."""
    return f" = {show(value)}: unknown {what}; allowed are {', '.join(map(str, known)) or 'none'}"


def problems(model, content):
    """Return ``(path, message after the key)`` for everything in a content that a pydantic model does not allow."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        found = {}
        for one in error.errors(include_url=False):
            found.setdefault(_path(one, content), []).append((one, _message(one, model)))
        # Every member of a union reports what it would allow.
        return [(path, _line(one[0][0], ", or: ".join(text for _, text in one))) for path, one in found.items()]
    return []


def _path(error, content):
    """Return the path of an error in a content, without the members of unions that pydantic's path also contains."""
    path = []
    for part in error["loc"]:
        with suppress(KeyError, IndexError, TypeError):
            content = content[part]
            path.append(part)
    return (*path, error["loc"][-1]) if error["type"] == "missing" else tuple(path)


def _message(error, model):
    """Return the message of an error; for an unknown key it lists the known ones."""
    # Here pydantic's message would contain the name of a class, or no allowed keys.
    if error["type"] in ("extra_forbidden", "invalid_key"):
        known = _known(model, error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        return f"unknown key; {f'did you mean {near[0]}? ' if near else ''}allowed are {', '.join(known)}"
    if error["type"] == "model_type":
        return f"Input should be a mapping of {', '.join(_known(model, error['loc']))}"
    return error["msg"].removeprefix("Value error, ")


def _line(error, message):
    """Return the text after the key: the value, unless it is missing or in the message already, and the message."""
    value = error["input"]
    if error["type"] == "missing" or (error["type"] == "value_error" and isinstance(value, dict)):
        return f": {message}"
    return f" = {show(value)}: {message}{_hint(value)}"


def _known(model, place):
    """Return the keys that a model knows at one of pydantic's paths, which also contain members of unions."""
    models = [model]
    for part in place:
        fields = _fields(models)
        chosen = [one for one in models if one.__name__ == part]
        models = chosen or (_models(fields[part].annotation) if part in fields else models)
    return list(_fields(models))


def _fields(models):
    return {field.alias or name: field for model in models for name, field in model.model_fields.items()}


def _models(annotation):
    """Return the models in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def beyond_range(content, path=()):
    """Return ``(path, message after the key)`` for every number that is not finite or exceeds :data:`LARGEST`."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return [line for name, value in items for line in beyond_range(value, (*path, name))]
    if isinstance(content, float) and not math.isfinite(content):
        return [(path, f" = {content}: allowed is a finite number")]
    if isinstance(content, int | float) and abs(content) > LARGEST:
        return [(path, f" = {show(content)}: allowed is a number of at most {LARGEST:g}")]
    return []


def lines(found, locate):
    """Return problems ``(path, message after the key)`` as different lines; ``locate`` maps a path to ``file: key``."""
    # A check of the whole file names the keys itself, so WHOLE_FILE is left out.
    return list(dict.fromkeys((locate(path) + text).replace(f"{WHOLE_FILE}: ", "") for path, text in found))
