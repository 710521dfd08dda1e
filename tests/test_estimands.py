"""Every estimand has a test on a table whose answer is known, and none lets a run without a value through unsaid."""

import ast
import sys

import numpy as np
import pytest
from conftest import ROOT

from algoreg import plugins
from algoreg.claims.intervals import UNDEFINED
from algoreg.claims.judging import NotMeasured
from algoreg.settings.chapters import load_chapters
from algoreg.settings.entries import estimands

sys.path.insert(0, str(ROOT / "tools"))
import list_witnesses

# What takes in a run without a value, and as what. All others are undefined where one is lost.
DIVERGED_HAS_NOT_RECOVERED = (
    "curve_exponent",
    "examples_exponent",
    "examples_exponents_apart",
    "exponent_of_thresholds",
    "factor_to_dimension",
    "growth_of_threshold_ratio",
    "largest_threshold_factor",
    "largest_threshold_ratio",
    "ratio_of_examples",
    "ratio_of_thresholds",
    "smallest_threshold_ratio",
    "start_threshold",
    "threshold_exponent",
    "threshold_ratio",
    "thresholds_apart",
)
COUNTED = {
    **dict.fromkeys(DIVERGED_HAS_NOT_RECOVERED, "a run that diverged is above the tolerance"),
    "alpha_exponent": "a run that diverged counts as one that predicts 0",
    "growth_off": "a run that diverged has the error of X = 0",
    "growth_with_kappa": "a method one of whose runs did not arrive is not eligible there",
    "growth_with_kappa_off": "the same",
    "median_exponent": "a run that has not arrived takes longer than all others",
    "ratio_of_the_best": "a method one of whose runs did not arrive is not eligible there",
    "smallest_share_below": "a run without a number is not below",
    "tau_exponent": "a sign with a diverged run has the exponent 0",
    "tau_exponent_in_time": "the same",
    "test_error_once_fitted": "a run that never fits counts as 0",
}


def test_every_estimand_has_a_test_on_a_table_whose_answer_is_known():
    tested = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.known_answer":
                tested |= set(map(ast.literal_eval, node.args))
    assert tested == set(plugins.functions("estimands"))


CASES = {}
for chapter in load_chapters():
    for claim in chapter.claims:
        for entry in estimands(claim).values():
            CASES.setdefault(entry["name"], []).append(claim)


def without_a_run(frame, column, place):
    """Return a table in which the run of the row at this place has no value in a column."""
    keys = [key for key in ("target", "ensemble") if key in frame]
    lost = (frame[keys] == frame[keys].iloc[place]).all(axis=1)
    return frame.assign(**{column: frame[column].astype(float).where(~lost)})


def outcomes(name):
    """Yield what an estimand comes to where a run of a committed table lacks a value that it reads."""
    claims = [claim for claim in CASES[name] if list_witnesses.is_committed(claim)]
    if not claims:
        return
    cases = (each for claim in claims for each in list_witnesses.estimable(claim) if each[0]["name"] == name)
    entry, frames, whole = next(cases)
    for table, frame in frames.items():
        module = plugins.experiment(list_witnesses.experiment_of(table))
        for column in set(list_witnesses.measured_columns(frame)) & set(module.VALUES) - {"d", "m", "rank"}:
            one = lambda _, other, column=column: other == column  # noqa: E731
            if list_witnesses.reads(entry, frames, whole, one):
                for place in (0, len(frame) // 2, len(frame) - 1):
                    changed = {**frames, table: without_a_run(frame, column, place)}
                    try:
                        found = list_witnesses.estimate(entry, changed)
                    except (ValueError, NotMeasured):
                        # A point that is named by what is lost is missing, or nothing was measured: that is said.
                        continue
                    yield column, whole, found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", sorted(plugins.functions("estimands")))
def test_a_run_without_a_value_leaves_an_estimand_undefined_or_counts_as_it_says(name):
    for column, whole, found in outcomes(name):
        if found not in (UNDEFINED, whole):
            assert name in COUNTED, (column, found)
            assert np.isfinite([found.value, found.low, found.high]).all(), (column, found)
