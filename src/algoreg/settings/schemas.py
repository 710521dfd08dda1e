"""JSON schemas of the settings' files for editors, generated from the models; ``make docs`` writes them."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from algoreg.settings.chapters import About, Experiments, Notes
from algoreg.settings.claims import Claim
from algoreg.settings.experiments import SECTIONS, Compared, Experiment, Selected
from algoreg.settings.files import json_by_lines
from algoreg.settings.tier import TIERS, Tier


def _plain(value):
    """Return a schema without pydantic's generated titles and without null as the default of optional settings."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = ("title",) if isinstance(value.get("title"), str) else ()
    dropped += ("default",) if value.get("default", 0) is None else ()
    return {key: _plain(one) for key, one in value.items() if key not in dropped}


def _schema(model) -> dict:
    return _plain(TypeAdapter(model).json_schema())


def _experiments():
    """Return the schema of ``experiments.yaml``, where entries have notes and may have any settings in their sizes."""
    whole, notes = _schema(Experiments), _schema(Notes)["properties"]
    made = [_schema(model) for model in (Experiment, Selected, Compared)]
    settings = {key: value for one in made for key, value in one["properties"].items()}
    block = {"type": "object", "properties": settings, "additionalProperties": False}
    sizes = {**notes["sizes"], "properties": {tier: {"$ref": "#/$defs/Size"} for tier in TIERS}}
    sizes["additionalProperties"] = False
    entry = {"type": "object", "properties": {**notes, "sizes": sizes, **settings}, "additionalProperties": False}
    for definitions in (one.get("$defs", {}) for one in made):
        whole["$defs"] |= definitions
    whole["$defs"] |= {"Notes": entry, "Size": {"anyOf": [block, {"enum": list(TIERS)}]}}
    for section in SECTIONS:
        whole["properties"][section]["additionalProperties"] = False
    return whole


def _text(schema):
    """Return a schema as JSON, with a line for each property and each definition."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json_by_lines(whole, lambda path: path in ((), ("properties",), ("$defs",)), indent=" ") + "\n"


def generated() -> dict[str, str]:
    """Return ``{path below the repository's root: text}`` of all schemas."""
    made = {"tier": _schema(Tier), "chapter": _schema(About), "experiments": _experiments()}
    made["claims"] = _schema(Annotated[list[Claim], Field(min_length=1)])
    return {f"workflow/schemas/{name}.schema.json": _text(schema) for name, schema in made.items()}
