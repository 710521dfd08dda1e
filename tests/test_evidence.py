"""What several seeds together say of a claim, from numbers by hand."""

import pytest

from algoreg.regression import evidence

CLAIM = {"id": "a", "verdict": "supported", "estimate": 1.0, "ci_low": 0.9, "ci_high": 1.2}
FRESH = {
    "1": {"a": {**CLAIM, "estimate": 1.3, "ci_low": 1.1, "ci_high": 1.5}},
    "2": {"a": {**CLAIM, "verdict": "inconclusive", "estimate": 0.8, "ci_low": 0.7, "ci_high": 0.85}},
    "3": {"a": {**CLAIM, "verdict": "invalid", "estimate": 1.0, "ci_low": None, "ci_high": None}},
    "4": {"b": CLAIM},
}


def test_evidence_counts_seeds_and_has_the_outermost_ends():
    assert evidence.of_claims([CLAIM], FRESH) == [
        {
            "id": "a",
            "verdict": "supported",
            "seeds": 4,
            "kept": 2,
            "outer_low": 0.7,
            "outer_high": 1.5,
            "control_kept": 3,
        }
    ]


def test_a_claim_that_is_not_judged_has_no_evidence_and_stays_as_it_is():
    idle = {"id": "b", "verdict": "not-judged", "estimate": None, "ci_low": None, "ci_high": None}
    assert evidence.of_claims([idle], FRESH) == []
    assert evidence.joined([idle], FRESH) == [idle]


def test_without_numbers_there_are_no_ends():
    assert evidence.outermost([{**CLAIM, "estimate": None, "ci_low": None, "ci_high": None}]) == (None, None)


@pytest.mark.parametrize(("seeds", "firm"), [({}, False), ({"1": FRESH["1"]}, True), (FRESH, False)])
def test_a_verdict_is_firm_if_several_seeds_have_it_and_none_another(seeds, firm):
    (claim,) = evidence.joined([CLAIM], seeds)
    assert evidence.is_firm(claim) is firm
