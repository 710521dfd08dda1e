from typing import Literal

import pytest
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg import plugins
from algoreg.reporting.documents import allowed
from algoreg.settings import messages, options
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit

pytestmark = pytest.mark.any_kernels


class Example(ExperimentOptions):
    d: int = Field(ge=2)
    ranks: Several[PositiveInt]
    few: Different[PositiveFloat] = Field([])
    share: float = Field(0.5, gt=0, lt=1)
    starts: Several[Literal["a", "b"]] = Field(["a"])
    kind: Literal["x", "y", "z"] = "x"
    level: PositiveFloat | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.ranks) > self.d:
            raise misfit(self, "ranks at most d", "d", "ranks")
        return self


GOOD = {"d": 4, "ranks": [1, 2]}


def said(**change):
    return [messages.key(path) + text for path, text in messages.problems(Example, {**GOOD, **change})]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"d": 1}, "d = 1: Input should be greater than or equal to 2"),
        ({"d": 4.0}, "d = 4.0: Input should be a valid integer"),
        ({"d": True}, "d = true: Input should be a valid integer"),
        ({"d": None}, "d = null: Input should be a valid integer"),
        ({"ranks": []}, "ranks = []: Value should have at least 1 item"),
        ({"ranks": [1, 1]}, "ranks = [1, 1]: a value is given twice"),
        ({"ranks": [1, 2.0]}, "ranks[1] = 2.0: Input should be a valid integer"),
        ({"ranks": 3}, "ranks = 3: Input should be a valid list"),
        ({"ranks": [9]}, "d = 4, ranks = [9]: allowed is ranks at most d"),
        ({"few": [0]}, "few[0] = 0: Input should be greater than 0"),
        ({"few": ["1e-3"]}, "write 1.0e-3"),
        ({"share": 1}, "share = 1: Input should be less than 1"),
        ({"share": float("inf")}, "share = Infinity: Input should be a finite number"),
        (
            {"share": "1e-3"},
            'share = "1e-3": Input should be a valid number (YAML reads 1e-3 as a string: write 1.0e-3',
        ),
        ({"starts": ["a", "c"]}, "starts[1] = \"c\": Input should be 'a' or 'b'"),
        ({"kind": "w"}, "kind = \"w\": Input should be 'x', 'y' or 'z'"),
        ({"level": -1}, "level = -1: Input should be greater than 0, or: Input should be 'auto'"),
        (
            {"knd": "x"},
            'knd = "x": unknown key; did you mean kind? allowed are d, ranks, few, share, starts, kind, level',
        ),
    ],
)
def test_what_an_option_cannot_be_is_said(change, line):
    (found,) = said(**change)
    assert line in found


def test_what_an_option_can_be_is_taken_as_it_is():
    assert not said()
    assert not said(few=[1, 0.5], share=0.25, starts=["a", "b"])
    assert options.defaults(Example) == {"few": [], "share": 0.5, "starts": ["a"], "kind": "x", "level": "auto"}


def test_all_is_said_at_once_and_a_mistyped_key_is_guessed():
    found = [messages.key(path) + text for path, text in messages.problems(Example, {"d": 0, "rnks": [1], "kind": 3})]
    assert len(found) == 4
    assert "rnks = [1]: unknown key; did you mean ranks? allowed are d, ranks, few, share, starts, kind, level" in found


def test_a_table_of_options_says_what_each_allows():
    schemas = Example.model_json_schema()["properties"]
    assert {key: allowed(schema) for key, schema in schemas.items()} == {
        "d": "integer ≥ 2",
        "ranks": "list of integer > 0",
        "few": "list of number > 0",
        "share": "number > 0, < 1",
        "starts": "list of a, b",
        "kind": "x, y, z",
        "level": "number > 0 or auto",
    }


def test_every_option_of_every_experiment_and_algorithm_says_its_type():
    for kind, look_up in (("experiments", options.of_experiment), ("algorithms", options.of_algorithm)):
        for name in plugins.modules(kind):
            for key, schema in look_up(name).model_json_schema()["properties"].items():
                assert {"type", "enum", "const", "anyOf", "oneOf", "$ref"} & schema.keys(), (name, key)
