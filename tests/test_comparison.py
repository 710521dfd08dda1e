"""`make verify` passes what rounding does and fails what a fault does, on small tables (quick: test_verify.py)."""

import math
import statistics

import numpy as np
import pandas as pd
import pytest

from algoreg.regression import comparison
from algoreg.regression.comparison import DIFFERENT, IDENTICAL, WITHIN

pytestmark = pytest.mark.any_kernels
RNG = np.random.default_rng(7)


def small():
    """Return a table of three methods at four sizes, on 3 targets × 4 ensembles: two columns, one over decades."""
    rows = [
        {"method": method, "m": m, "target": target, "ensemble": ensemble}
        for method in "abc"
        for m in (10, 20, 40, 80)
        for target in range(3)
        for ensemble in range(4)
    ]
    frame = pd.DataFrame(rows).assign(status="budget")
    draws = RNG.normal(size=(3, 4))[frame["target"], frame["ensemble"]]
    frame["error"] = 0.3 * np.exp(0.2 * draws) * (10 / frame["m"]) ** 2
    frame["iterations"] = np.round(1000 * np.exp(0.3 * draws + 0.01 * frame["m"]))
    return frame


def some(frame, **values):
    """Return which rows have these values."""
    return np.logical_and.reduce([(frame[key] == value).to_numpy() for key, value in values.items()])


def outcome(new, old):
    return comparison.compare_table(new, old)[0]


def rounding(frame):
    return frame.assign(error=frame["error"] * (1 + 1e-7 * RNG.normal(size=len(frame))))


def chaotic_method(frame):
    """One method of three diverges, so that its errors are decades apart on another processor."""
    old = frame.copy()
    rows = some(frame, method="c")
    old.loc[rows, "error"] = 10 ** RNG.uniform(3, 5, rows.sum())
    new = old.copy()
    new.loc[rows, "error"] = 10 ** RNG.uniform(3, 5, rows.sum())
    return new, old


def another_ending(frame):
    new = frame.copy()
    new.loc[[3, 60], "status"] = "diverged"
    new.loc[[3, 60], "error"] = np.nan
    return new


def test_what_rounding_does_agrees():
    table = small()
    assert outcome(table.copy(), table) == IDENTICAL
    assert outcome(rounding(table), table) == WITHIN
    assert outcome(*chaotic_method(table)) == WITHIN
    assert outcome(another_ending(table), table) == WITHIN
    # Residuals of a solver are rounding alone.
    noise = table.assign(error=1e-15 * RNG.uniform(size=len(table)))
    assert outcome(noise.assign(error=1e-15 * RNG.uniform(size=len(table))), noise) == WITHIN


FAULTS = {
    "a step 1 % off": lambda frame: frame.assign(error=frame["error"] * 1.01),
    "a formula's constant": lambda frame: frame.assign(iterations=frame["iterations"] + 5),
    "one method's step": lambda frame: frame.assign(error=frame["error"] * np.where(frame["method"] == "b", 1.02, 1)),
    "one size twice as long": lambda frame: frame.assign(
        iterations=frame["iterations"] * np.where(frame["m"] == 20, 2, 1)
    ),
    "one ensemble drawn anew": lambda frame: _moved(frame, ensemble=2),
    "one target drawn anew": lambda frame: _moved(frame, target=0),
    "every ensemble is the first": lambda frame: _first_ensemble(frame),
    "another seed": lambda frame: frame.assign(
        error=frame["error"] * np.exp(RNG.normal(size=len(frame))),
        iterations=np.round(frame["iterations"] * np.exp(RNG.normal(size=len(frame)))),
    ),
    "a lost row": lambda frame: frame.iloc[1:].reset_index(drop=True),
    "a renamed column": lambda frame: frame.rename(columns={"error": "test_error"}),
    "a tenth of the runs end otherwise": lambda frame: frame.assign(
        status=np.where(np.arange(len(frame)) % 10 == 0, "diverged", "budget")
    ),
    "a column that one side lacks": lambda frame: frame.assign(error=np.nan),
}


def _moved(frame, **draw):
    """Return the table with one draw's values exchanged for others as far away as draws are."""
    rows, new = some(frame, **draw), frame.copy()
    factors = np.exp(0.4 * RNG.normal(size=rows.sum()))
    new.loc[rows, "error"] *= factors
    new.loc[rows, "iterations"] = np.round(new.loc[rows, "iterations"] * factors)
    return new


def _first_ensemble(frame):
    keys = ["method", "m", "target"]
    first = frame[frame["ensemble"] == 0].set_index(keys)
    rows = pd.MultiIndex.from_frame(frame[keys])
    return frame.assign(**{name: first[name].reindex(rows).to_numpy() for name in ("error", "iterations")})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_small_table_is_different(fault):
    table = small()
    assert outcome(FAULTS[fault](table), table) == DIFFERENT


def test_what_moved_is_counted_as_information():
    table = small()
    new = table.copy()
    new.loc[5, "error"] *= 1.5
    assert comparison.compare_table(new, table)[1] == "1 of 288 cells and 0 of 24 groups moved"


def test_groups_of_few_rows_are_joined_along_the_longest_sweep():
    keys = pd.DataFrame({"method": ["a"] * 6 + ["b"] * 6, "m": [1, 1, 2, 2, 3, 3] * 2, "ensemble": [0, 1] * 6})
    assert comparison.groups(keys).tolist() == [0] * 6 + [1] * 6
    assert comparison.groups(keys[["m", "ensemble"]]).tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert comparison.groups(keys.iloc[:3]).tolist() == [0] * 3


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_mean_that_moved_is_held_against_both_standard_errors(scale):
    old = scale * np.array([1.0, 1.2, 0.9, 1.1, 1.3, 0.8])
    apart = scale * np.array([0.3, -0.2, 0.25, -0.3, 0.2, -0.22])
    errors, explained = comparison.mean_difference(old + apart, old, 1e-12)
    # By hand: mean .005, sum of squares .37075, so a standard deviation of √.07415.
    absolute = comparison._standard_errors(apart)
    assert absolute == pytest.approx(0.005 / (0.07415**0.5 / 6**0.5), rel=1e-3)
    # The logarithms of the ratios differ by more, and the larger of both counts.
    logs = [
        math.log10(a / b) for a, b in zip([1.3, 1.0, 1.15, 0.8, 1.5, 0.58], [1, 1.2, 0.9, 1.1, 1.3, 0.8], strict=True)
    ]
    relative = abs(statistics.mean(logs)) / (statistics.stdev(logs) / 6**0.5)
    assert errors == pytest.approx(relative, rel=1e-9)
    assert relative > absolute
    assert explained
    assert not comparison.mean_difference(old + 0.01 * scale, old, 1e-12)[1]
    assert not comparison.mean_difference(old * 1.01, old, 1e-12)[1]
    # Beyond divergence and below precision no difference is left.
    assert comparison.mean_difference(np.array([1e63, 1e-20, 1.0]), np.array([1e77, 1e-14, 1.0]), 1e-12) == (0.0, True)


CLAIM = {
    "id": "a",
    "verdict": "supported",
    "estimate": 0.3,
    "ci_low": 0.2,
    "ci_high": 0.4,
    "margin": 0.1,
    "control_verdict": "refuted",
    "positive_control_verdict": "supported",
}


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "refuted"},
        {"margin": 0.101},
        {"control_verdict": "inconclusive"},
        {"positive_control_verdict": "refuted"},
        {"positive_control_verdict": None},
        {"estimate": 0.33},
        {"ci_low": None},
        {"ci_high": 0.43},
    ],
)
def test_a_claim_that_turns_or_moves_is_different(change):
    empty = {"tables": {}, "comparisons": {}}
    found = comparison.compare({**empty, "claims": [{**CLAIM, **change}]}, {**empty, "claims": [CLAIM]})
    assert not found.passed
    assert found.failed[0].startswith("claim a: DIFFERENT: ")
    near = {**CLAIM, "estimate": 0.31, "ci_low": 0.22}
    assert comparison.compare({**empty, "claims": [near]}, {**empty, "claims": [CLAIM]}).passed


def test_derived_tables_of_another_length_or_with_other_words_are_different():
    old = pd.DataFrame({"alpha": [1.0, 0.1, 0.01], "ours": [0.5, 0.4, 0.3], "inside": [True, True, False]})
    assert comparison.compare_derived(old.copy(), old)[0] == IDENTICAL
    assert comparison.compare_derived(old.assign(ours=old["ours"] * (1 + 1e-7)), old)[0] == WITHIN
    assert comparison.compare_derived(old.iloc[:2], old)[0] == DIFFERENT
    assert comparison.compare_derived(old.assign(ours=old["ours"] * 1.01), old)[0] == DIFFERENT
    assert comparison.compare_derived(old.assign(inside=[False, False, True]), old)[0] == DIFFERENT


def test_the_largest_difference_is_of_all_groups_and_not_of_those_that_chance_explains():
    table = small()
    shift = np.where(some(table, method="a", m=10), 0.05 * (1 + 0.1 * RNG.normal(size=len(table))), 0.0)
    outcome, _, (errors, column) = comparison.compare_table(table.assign(error=table["error"] * (1 + shift)), table)
    assert (outcome, column) == (WITHIN, "error")
    assert errors > 10


def test_infinite_and_missing_cells_are_endings():
    table = small()
    infinite = table.assign(error=np.where(table["m"] == 10, np.inf, table["error"]))
    assert outcome(infinite.copy(), infinite) == IDENTICAL
    assert outcome(rounding(infinite), infinite) == WITHIN
    assert outcome(infinite, table) == DIFFERENT
    assert outcome(table, infinite) == DIFFERENT
