"""YAML files as they are read: plain data, every key once; and the error that holds all problems of a file."""

import yaml


class SettingsError(ValueError):
    """All problems of a settings file, one line each: ``file: key = value: what is allowed``."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("\n" + "\n".join(self.problems))


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that refuses duplicate keys, and aliases but those of flat lists: nested ones can stand for endless data."""

    aliases = False

    def compose_node(self, parent, index):
        event = self.peek_event()
        node = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent) and not (self.aliases and _is_flat_list(node)):
            allowed = "an alias of a list of single values" if self.aliases else "no alias; write it out"
            raise SettingsError(
                [f"{self.name}: *{event.anchor} (line {event.start_mark.line + 1}): allowed is {allowed}"]
            )
        return node


class _AliasLoader(_StrictLoader):
    aliases = True


def _is_flat_list(node):
    return isinstance(node, yaml.SequenceNode) and all(isinstance(one, yaml.ScalarNode) for one in node.value)


def _mapping(loader, node):
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise SettingsError([f"{loader.name}: key {key!r} (line {key_node.start_mark.line + 1}): keys are texts"])
        if key in seen:
            raise SettingsError([f"{loader.name}: {key} (line {key_node.start_mark.line + 1}): duplicate key"])
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_yaml(path, aliases=False):
    """Load a YAML file, refusing duplicate keys and anything that is not plain data.

    With ``aliases`` a list of single values may be named (``&name``) and stand at several places (``*name``).

    Snakemake's own reader sees a tier file first and resolves aliases, however deeply nested: a hostile file can keep it
    busy for ever. Tier files are trusted, as the rest of a checkout is; what is refused here are mistakes.

    Raises
    ------
    SettingsError
        Also for a file that is missing or not YAML.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            return yaml.load(handle, Loader=_AliasLoader if aliases else _StrictLoader)  # noqa: S506 (a SafeLoader that refuses more)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error
    except SettingsError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from error
