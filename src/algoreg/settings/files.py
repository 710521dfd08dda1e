"""Read YAML files as plain data with unique keys, read bibliographies, and format JSON for commits."""

import json
import os
import re
from pathlib import Path

import yaml

# The loader of libyaml, if it is installed, is ten times as fast.
_Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SettingsError(ValueError):
    """All problems of settings, one line each: ``file: key = value: message of pydantic or of a check``."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("\n" + "\n".join(self.problems))


def display_path(path):
    """Return a path as shown in messages: relative to the working directory if it is inside, else unchanged."""
    inside = Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd())
    return os.path.relpath(path) if inside else str(path)


class _Loader(_Base):
    """A safe loader that refuses duplicate keys and keys that are not strings."""


def _mapping(loader, node):
    seen = set()
    for key_node, _ in node.value:
        key, line = loader.construct_object(key_node, deep=True), key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise _Refused(f"key {key!r} (line {line}): allowed are strings")
        if key in seen:
            raise _Refused(f"{key} (line {line}): duplicate key")
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _Refused(Exception):
    """Content that a file may not have; the text is the end of the message's line."""


def _refuse_aliases(node, lists, seen):
    """Refuse aliases, because nested ones can expand to endless data; ``lists`` of single values may be aliased."""
    flat = isinstance(node, yaml.SequenceNode) and all(isinstance(one, yaml.ScalarNode) for one in node.value)
    if id(node) in seen and not (lists and flat):
        allowed = "an alias of a list of single values" if lists else "no alias; write it out"
        raise _Refused(f"an alias of line {node.start_mark.line + 1}: allowed is {allowed}")
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.CollectionNode):
        for part in node.value:
            for one in part if isinstance(part, tuple) else (part,):
                _refuse_aliases(one, lists, seen)


def load_yaml(path, aliases=False):
    """Load a YAML file, refusing duplicate keys and anything that is not plain data.

    With ``aliases`` a list of single values may be named (``&name``) and used at several places (``*name``).

    This catches mistakes, not attacks. Snakemake reads a tier file before this function does and resolves aliases of
    any depth, so a hostile file can keep it busy for ever; tier files are trusted like the rest of a checkout.

    Raises
    ------
    SettingsError
        If the file is missing, is not valid YAML, or has content that is refused.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if "*" in text:
                _refuse_aliases(node, aliases, set())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except OSError as error:
        raise SettingsError([f"{display_path(path)}: cannot be read ({error.strerror})"]) from error
    except _Refused as error:
        raise SettingsError([f"{display_path(path)}: {error}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError([f"{display_path(path)}: not valid YAML: {' '.join(str(error).split())}"]) from error


def bibliography(path):
    """Return the text of every entry of a BibTeX file, by its key."""
    parts = re.split(r"^\s*(?=@)", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    head = re.compile(r"@(?!comment|string|preamble)\w+\s*\{\s*([^\s,]+)\s*,", re.IGNORECASE)
    return {found[1]: part.rstrip() for part in parts if (found := head.match(part))}


def json_by_lines(content, opened, indent="  ", path=()):
    """Return JSON with readable diffs: one line per item of each ``opened`` container; other containers on one line.

    Parameters
    ----------
    content : mapping, sequence or scalar
        Data that JSON can represent.
    opened : callable
        Returns for a path, a tuple of keys and positions, whether the container there has one line per item.
    indent : str
        The indentation of one level.
    path : tuple
        The path of ``content``.
    """
    if not (content and opened(path)):
        return json.dumps(content, ensure_ascii=False)
    named = isinstance(content, dict)
    lines = [
        indent * (len(path) + 1)
        + (f"{json.dumps(key, ensure_ascii=False)}: " if named else "")
        + json_by_lines(value, opened, indent, (*path, key))
        for key, value in (content.items() if named else enumerate(content))
    ]
    first, last = "{}" if named else "[]"
    return "\n".join([first, ",\n".join(lines), indent * len(path) + last])
