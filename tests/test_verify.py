"""`make verify` on whole committed tiers: rounding passes, one ensemble or one column that is off does not."""

import numpy as np
import pandas as pd
import pytest
from conftest import tier_settings

from algoreg.regression import comparison, references, replications
from algoreg.regression.comparison import DIFFERENT
from algoreg.regression.verify import dtypes, verify

pytestmark = pytest.mark.any_kernels
RNG = np.random.default_rng(7)
QUICK = references.read_tier("quick")
TYPES = dtypes(tier_settings("quick"))
# A table whose only measured column that is no count is rounding for the most part.
ROUNDING = {"root_widths"}
# Columns whose cells are rounding, of the clock, or for the most part zero or missing.
UNSEEN = {
    ("frank_wolfe_straggler", "mean_delay"),
    ("noisy_degrees", "closest"),
    ("norm_descent", "flipped"),
    ("rank_r_dynamics", "early_rate_over_bound"),
    ("root_widths", "excess"),
    ("spare_unit", "excess"),
    ("spare_widths", "excess"),
    ("unique_far", "distance"),
}
# Tables that cannot tell a new ensemble: fewer than four cells differ between draws, or their numbers are counts.
UNTOLD = {
    "balance",
    "frank_wolfe_messages",
    "frank_wolfe_straggler",
    "large_basis",
    "lemma_printed",
    "root_widths",
    "spare_unit",
    "whitened",
}


def whole_tier(**tables):
    content = {**QUICK, "tables": {**QUICK["tables"], **tables}}
    return comparison.compare(content, QUICK, TYPES)


def test_quick_with_rounding_in_all_its_digits_is_green():
    noisy = {}
    for name, table in QUICK["tables"].items():
        unit = np.finfo(TYPES[name]).eps
        values = references.values_of(table)
        # A hundred roundings on the scale of each cell, and ten of the column's.
        moved = {
            column: table[column] * (1 + 100 * unit * RNG.normal(size=len(table)))
            + 10 * unit * comparison.column_scale(table[column].to_numpy()) * RNG.normal(size=len(table))
            for column in values
        }
        noisy[name] = table.assign(**moved)
    found = whole_tier(**noisy)
    assert found.passed, found.failed
    assert found.equal == found.claims == len(QUICK["claims"])


@pytest.mark.parametrize("name", [name for name, table in QUICK["tables"].items() if table["ensemble"].nunique() > 1])
def test_one_ensemble_of_quick_drawn_anew_is_different_in_every_table(name):
    """Its last ensemble's values are those of its first, as if it had been drawn from that stream."""
    table = QUICK["tables"][name]
    keys = [key for key in references.keys_of(table) if key != "ensemble"]
    values, numbers = references.values_of(table), sorted(table["ensemble"].unique())
    first = table[table["ensemble"] == numbers[0]].set_index(keys)[values]
    rows = (table["ensemble"] == numbers[-1]).to_numpy()
    index = pd.MultiIndex.from_frame(table.loc[rows, keys])
    index = index if len(keys) > 1 else index.get_level_values(0)
    new = table.copy()
    new.loc[rows, values] = first.reindex(index).to_numpy()
    result = comparison.compare_table(new, table, TYPES[name])[0]
    assert (result == DIFFERENT) == (name not in UNTOLD)


@pytest.mark.parametrize("name", [name for name in QUICK["tables"] if name not in ROUNDING])
def test_a_table_of_quick_one_percent_off_is_different(name):
    """Each column that is not counted in whole numbers is 1 % larger."""
    table = QUICK["tables"][name]
    moved = {}
    for column in references.values_of(table):
        values = table[column].to_numpy()
        known = values[np.isfinite(values)]
        if len(known) and np.abs(known).max() > 1e-3 and (known != np.round(known)).any():
            moved[column] = values * 1.01
    if moved:
        assert comparison.compare_table(table.assign(**moved), table, TYPES[name])[0] == DIFFERENT


@pytest.mark.parametrize("name", QUICK["tables"])
def test_one_column_of_quick_ten_percent_off_is_different(name):
    table, unseen = QUICK["tables"][name], set()
    for column in references.values_of(table):
        values = table[column].to_numpy()
        known = values[np.isfinite(values)]
        if len(known) and np.abs(known).max() >= 1e-3:
            result = comparison.compare_table(table.assign(**{column: 1.1 * values}), table, TYPES[name])[0]
            unseen |= {(name, column)} if result != DIFFERENT else set()
    assert unseen == {one for one in UNSEEN if one[0] == name}


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_the_committed_fresh_seeds_agree_and_turned_verdicts_do_not(tier):
    """A run's claims are judged together: single chapters of a few claims may lose more than a tenth."""
    old = references.read_tier(tier)["claims"]
    committed = {claim["id"]: claim for claim in old}
    for run in replications.read(tier).values():
        fresh = [{**committed[name], **summary} for name, summary in run.items() if name in committed]
        assert comparison.compare_seeds(fresh, old).passed
    found = comparison.compare_seeds([{**claim, "verdict": "refuted"} for claim in old], old)
    assert not found.passed
    assert "verdicts are the same" in found.lines[-1]
    assert len(found.summary()) == 1


def test_the_report_begins_with_the_verdicts_and_both_sides(tmp_path, monkeypatch):
    text, passed = verify_without_results(tmp_path, monkeypatch)
    lines = text.splitlines()
    assert lines[0] == f"verdicts as in the reference: {len(QUICK['claims'])} of {len(QUICK['claims'])}"
    assert lines[1].startswith(f"tables that agree: {len(QUICK['tables'])} of {len(QUICK['tables'])} (")
    assert any(line.startswith("processor: ") and "reference: " in line for line in lines)
    assert lines[-1] == "verify: passed"
    assert passed


def verify_without_results(tmp_path, monkeypatch):
    """Verify quick's references against themselves."""
    from algoreg.regression import verify as module

    def committed(results, tier, chapter, partial):
        return references.read(chapter, tier["tier"])

    monkeypatch.setattr(module.snapshots, "snapshot", committed)
    return verify(tmp_path, tier_settings("quick"), None)
