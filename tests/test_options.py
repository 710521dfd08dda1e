from typing import Literal

import pytest

from algoreg import plugins
from algoreg.spec import base, messages, options
from algoreg.spec.base import StudyOptions, between, choices, real, reals, whole, wholes

pytestmark = pytest.mark.any_kernels


class Example(StudyOptions):
    d: int = whole(ge=2)
    ranks: list[int] = wholes()
    few: list[float] = reals([], gt=0, least=0)
    share: float = real(0.5, gt=0, lt=1)
    starts: list[Literal["a", "b"]] = choices(["a"])
    kind: Literal["x", "y", "z"] = "x"

    def wrong(self):
        if max(self.ranks) > self.d:
            yield between("d", "ranks", allowed="ranks at most d")


GOOD = {"d": 4, "ranks": [1, 2]}


def said(**change):
    return [messages.key(path) + text for path, text in messages.problems(Example, {**GOOD, **change})]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"d": 1}, "d = 1: allowed is a whole number of at least 2"),
        ({"d": 4.0}, "d = 4.0: allowed is a whole number"),
        ({"d": True}, "d = true: allowed is a whole number"),
        ({"d": None}, "d = null: allowed is a whole number"),
        ({"ranks": []}, "ranks = []: allowed is a list of different whole numbers of at least 1"),
        ({"ranks": [1, 1]}, "ranks = [1, 1]: allowed is a list of different whole numbers"),
        ({"ranks": [1, 2.0]}, "ranks = [1, 2.0]: allowed is a list of different whole numbers"),
        ({"ranks": 3}, "ranks = 3: allowed is a list"),
        ({"ranks": [9]}, "(the whole file): d = 4, ranks = [9]: allowed is ranks at most d"),
        ({"few": [0]}, "few = [0]: allowed is a list of different numbers above 0"),
        ({"few": ["1e-3"]}, "write 1.0e-3"),
        ({"share": 1}, "share = 1: allowed is a number between 0 and 1"),
        ({"share": float("inf")}, "allowed is a number between 0 and 1"),
        (
            {"share": "1e-3"},
            'share = "1e-3": allowed is a number between 0 and 1 (YAML reads 1e-3 as a text: write 1.0e-3',
        ),
        ({"starts": ["a", "c"]}, 'starts = ["a", "c"]: allowed is a list of a, b'),
        ({"kind": "w"}, 'kind = "w": allowed is x, y or z'),
        ({"knd": "x"}, 'knd = "x": unknown key; allowed are d, ranks, few, share, starts, kind'),
    ],
)
def test_what_an_option_cannot_be_is_said(change, line):
    (found,) = said(**change)
    assert line in found


def test_what_an_option_can_be_is_taken_as_it_is():
    assert not said()
    assert not said(few=[1, 0.5], share=0.25, starts=["a", "b"])
    assert options.defaults(Example) == {"few": [], "share": 0.5, "starts": ["a"], "kind": "x"}


def test_all_is_said_at_once_and_a_mistyped_key_is_guessed():
    found = [messages.key(path) + text for path, text in messages.problems(Example, {"d": 0, "rnks": [1], "kind": 3})]
    assert len(found) == 4
    assert "ranks is missing; rnks = [1] is no key of it" in found


def test_every_option_of_every_study_and_algorithm_says_what_is_allowed():
    for kind, look_up in (("studies", options.of_study), ("algorithms", options.of_algorithm)):
        for name in plugins.modules(kind):
            for key, field in look_up(name).model_fields.items():
                assert base.in_words(field) not in ("", "a value of another kind"), (name, key)
