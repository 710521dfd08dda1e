import pytest

from algoreg import sources
from algoreg.spec import options


def test_short_names_stand_for_schemas():
    assert options.schema("whole >= 2") == {
        "type": "integer",
        "minimum": 2,
        "description": "a whole number of at least 2",
    }
    assert options.schema({"kind": "numbers > 0", "minItems": 0, "default": []}) == {
        "type": "array",
        "minItems": 0,
        "uniqueItems": True,
        "items": {"type": "number", "exclusiveMinimum": 0},
        "default": [],
        "description": "a list of different numbers above 0",
    }
    assert options.schema({"kind": "number >= 1", "description": "κ"})["description"] == "κ"
    own = {"enum": ["a", "b"], "default": "a"}
    assert options.schema(own) == own
    for wrong in ("whole > two", "integer >= 1", "whole"):
        with pytest.raises(ValueError, match="allowed are whole, wholes, number, numbers"):
            options.schema(wrong)


def test_every_option_of_every_study_says_what_is_allowed():
    for name in sources.module_names("studies"):
        for key, schema in options.of_study(name).items():
            assert schema.get("description"), (name, key)
