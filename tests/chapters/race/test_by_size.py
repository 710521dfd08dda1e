"""How a lead of one method over another changes between two sizes."""

import pandas as pd
import pytest

from algoreg.chapters.race import by_size
from algoreg.settings.chapters import load_chapters


@pytest.mark.parametrize(
    ("small", "large", "outcome"),
    [
        ((0.5, 0.4, 0.6), (0.55, 0.5, 0.6), "no clear change"),
        ((0.5, 0.4, 0.6), (0.2, 0.1, 0.3), "grows"),
        ((2.0, 1.9, 2.1), (3.0, 2.8, 3.3), "grows"),
        ((0.2, 0.1, 0.3), (0.5, 0.4, 0.6), "shrinks"),
        ((3.0, 2.8, 3.3), (2.0, 1.9, 2.1), "shrinks"),
        ((0.8, 0.7, 0.9), (1.4, 1.2, 1.6), "another method leads"),
    ],
)
def test_change_of_a_lead_is_told_where_intervals_are_apart(small, large, outcome):
    assert by_size.change(small, large) == outcome


def _reference(d, estimate, low, high):
    claim = {"id": "race-tail", "estimate": estimate, "ci_low": low, "ci_high": high}
    return {"claims": [claim], "tables": {"race_tail": pd.DataFrame({"d": [d], "rank": [2]})}}


def test_rows_are_of_the_claims_that_both_tiers_have_judged():
    entries = {"race-tail": {"table": "race_tail"}}
    small, large = _reference(20, 0.9, 0.85, 0.95), _reference(40, 0.5, 0.4, 0.6)
    ((_, first, second, outcome, name),) = by_size.rows(entries, small, large)
    assert (first, second) == ("0.9 [0.85, 0.95] (d = 20, r = 2)", "0.5 [0.4, 0.6] (d = 40, r = 2)")
    assert (outcome, name) == ("grows", "`race-tail`")
    assert by_size.rows(entries, small, small)[0][3] == "measured at one size"
    assert by_size.rows(entries, small, _reference(40, None, None, None)) == []


def test_every_lead_is_a_claim_of_the_registry():
    assert set(by_size.LEADS) <= {claim["id"] for chapter in load_chapters() for claim in chapter.claims}
