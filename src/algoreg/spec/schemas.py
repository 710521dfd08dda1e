"""JSON schemas of the settings' files, for editors: made from the models,
written beside the workflow by ``make docs``.
"""

from algoreg.spec.base import NAME, Strict
from algoreg.spec.chapters import About, FigureNotes, Notes
from algoreg.spec.claims import Claim
from algoreg.spec.experiments import Compared, Selected, Study
from algoreg.spec.files import json_by_lines
from algoreg.spec.tier import TIERS, Tier


def _plain(value):
    """Return a schema without the titles that pydantic makes up, and without a null in place of what is left out."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = ("title",) if isinstance(value.get("title"), str) else ()
    dropped += ("default",) if value.get("default", 0) is None else ()
    return {key: _plain(one) for key, one in value.items() if key not in dropped}


def _schema(model: type[Strict]) -> dict:
    return _plain(model.model_json_schema())


def _entries(*models):
    """Return the schema of a section: entries of these models with their notes, any part of their settings in sizes."""
    made = [_schema(model) for model in models]
    settings = {key: value for one in made for key, value in one["properties"].items()}
    notes = _schema(Notes)["properties"]
    block = {"type": "object", "properties": settings, "additionalProperties": False}
    size = {"anyOf": [block, {"enum": list(TIERS)}]}
    sizes = {**notes["sizes"], "properties": dict.fromkeys(TIERS, size), "additionalProperties": False}
    entry = {"type": "object", "properties": {**notes, "sizes": sizes, **settings}, "additionalProperties": False}
    definitions = {key: value for one in made for key, value in one.get("$defs", {}).items()}
    return {"type": "object", "patternProperties": {NAME: entry}, "additionalProperties": False}, definitions


def _experiments():
    studies, definitions = _entries(Study, Selected, Compared)
    figure = {"anyOf": [_schema(FigureNotes)["properties"]["tables"], _schema(FigureNotes)]}
    properties = {"grids": {"type": "object", "description": "lists that stand at several places"}}
    properties["studies"] = studies
    properties["figures"] = {"type": "object", "patternProperties": {NAME: figure}, "additionalProperties": False}
    return {"type": "object", "properties": properties, "additionalProperties": False, "$defs": definitions}


def _claims():
    claim = _schema(Claim)
    return {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/Claim"},
        "$defs": claim.pop("$defs") | {"Claim": claim},
    }


def _text(schema):
    """Return a schema as JSON, a line for each part of its own parts."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json_by_lines(whole, lambda path: path in ((), ("properties",), ("$defs",)), indent=" ") + "\n"


def generated() -> dict[str, str]:
    """Return the text of every schema by its path below the repository's root."""
    made = {"tier": _schema(Tier), "chapter": _schema(About), "experiments": _experiments(), "claims": _claims()}
    return {f"workflow/schemas/{name}.schema.json": _text(schema) for name, schema in made.items()}
