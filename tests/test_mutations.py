"""`verify` must be able to fail: what would be wrong in each of these mutants turns it red."""

import copy
import importlib
import sys

import numpy as np
import pytest
from conftest import ROOT, registered_claims, tier_settings

from algoreg import plugins
from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.simulations import estimands as simulations
from algoreg.claims import intervals, judging, thresholds
from algoreg.regression import comparison, references
from algoreg.regression.verify import dtypes
from algoreg.settings import plan

SMOKE = tier_settings("smoke")
REFERENCES = {tier: references.read_tier(tier) for tier in ("smoke", "quick", "standard", "full")}
# One table per algorithm, the one that ends by a stopping rule, the one in float64, and an experiment.
TABLES = ("figure_1", "figure_3", "figure_4", "figure_5a", "x_space")
CLAIMS = (
    "fig1-initialisation",
    "fig2-long-run",
    "fig3-keeps-improving",
    "fig4-projected",
    "fig5-large-init",
    "flow-equivalence",
)


@pytest.fixture(scope="module")
def tables_of():
    """Import a function of benchmarks/, which is no package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("in_process").tables_of
    sys.path.remove(str(ROOT / "benchmarks"))
    sys.modules.pop("in_process", None)


def verified(tables, judged=(), tier="smoke"):
    """Compare tables and claims with what is committed of the same name; return the lines and whether it passed."""
    old = REFERENCES[tier]
    ids = [claim["id"] for claim in judged]
    new = {"tables": tables, "comparisons": {}, "claims": list(judged)}
    kept = {
        "tables": {name: old["tables"][name] for name in tables},
        "comparisons": {},
        "claims": [claim for claim in old["claims"] if claim["id"] in ids],
    }
    found = comparison.compare(new, kept, dtypes(tier_settings(tier)))
    return found.lines, found.passed


def red(tables, tier="smoke"):
    """Return which tables verify calls different."""
    lines, _ = verified(tables, tier=tier)
    return {name for name in tables for line in lines if line.startswith(f"table {name}: {comparison.DIFFERENT}")}


def test_the_unchanged_tier_is_green(tables_of):
    lines, passed = verified(tables_of(SMOKE, TABLES))
    assert passed, lines


@pytest.mark.parametrize("batches", [2, None])
def test_runs_dealt_out_to_more_batches_are_green(tables_of, batches):
    tables = ["figure_1", "figure_4", "x_space"]
    dealt, together = tables_of(SMOKE, tables, batches=batches), tables_of(SMOKE, tables)
    for name in tables:
        named = [*references.keys_of(together[name]), "status"]
        assert dealt[name][named].equals(together[name][named])
        np.testing.assert_allclose(dealt[name]["test_error"], together[name]["test_error"], rtol=1e-4)


def test_a_step_one_percent_off_is_red(tables_of):
    tier = copy.deepcopy(SMOKE)
    for block in plan.recorded(tier).values():
        for run in block["options"]["runs"]:
            run["paper_step"] *= 1.01
    tables = [name for name in TABLES if name in plan.selected(tier)]
    assert red(tables_of(tier, tables)) == set(tables)


def test_another_seed_is_red_in_every_table(tables_of):
    assert red(tables_of({**SMOKE, "seed": SMOKE["seed"] + 1}, TABLES)) == set(TABLES)


def test_a_swapped_sign_of_the_step_is_red(tables_of, monkeypatch):
    advance = Algorithm.advance

    def ascend(self, iterate, iteration, count):
        self.steps = -self.steps
        iterate = advance(self, iterate, iteration, count)
        self.steps = -self.steps
        return iterate

    monkeypatch.setattr(Algorithm, "advance", ascend)
    assert red(tables_of(SMOKE, ["figure_1"])) == {"figure_1"}


def test_a_dropped_ensemble_and_a_dropped_target_are_red(tables_of):
    for key in ("ensembles", "targets"):
        tier = copy.deepcopy(SMOKE)
        block = tier["experiments"]["gaussian"]
        (block if key == "ensembles" else block["options"])[key] = 1
        assert red(tables_of(tier, ["figure_1"])) == {"figure_1"}
    tier = copy.deepcopy(SMOKE)
    tier["experiments"]["x_space"]["ensembles"] = 1
    assert red(tables_of(tier, ["x_space"])) == {"x_space"}


@pytest.fixture(scope="module")
def evidence():
    """Return the registry's entries and the committed quick tables that judge them."""
    registry = registered_claims()
    tables = REFERENCES["quick"]["tables"]
    seed = tier_settings("quick")["seed"]
    return {entry["id"]: entry for entry in registry}, tables, seed


def green(evidence, ids, change=None, tables=None):
    """Judge claims of the quick tier from its committed tables again; return whether verify passes."""
    entries, committed, seed = evidence
    judged = []
    for name in ids:
        entry = copy.deepcopy(entries[name])
        if change is not None:
            change(entry)
        judged.append(judging.judge(entry, tables or committed, {}, seed, plugins.functions("estimands")))
    return verified({}, judged, "quick")[1]


def test_claims_judged_again_from_committed_tables_are_green(evidence):
    assert green(evidence, CLAIMS)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_changed_margin_and_a_changed_direction_are_red(evidence, name):
    def margin(entry):
        entry["margin"] *= 1.001

    def direction(entry):
        entry["direction"] = {"above": "below", "below": "above"}[entry["direction"]]

    assert not green(evidence, [name], margin)
    assert not green(evidence, [name], direction)


@pytest.mark.parametrize(
    ("module", "constant", "value", "name"),
    [(intervals, "LEVEL", 0.9, "fig1-initialisation"), (thresholds, "THRESHOLD_ERROR", 0.33, "fig4-projected")],
)
def test_one_changed_constant_of_an_estimator_is_red(evidence, monkeypatch, module, constant, value, name):
    monkeypatch.setattr(module, constant, value)
    assert not green(evidence, [name])


def test_a_swapped_sign_in_an_estimand_is_red(evidence, monkeypatch):
    logs = simulations.log_cells

    def negative(table, keys, error):
        names, values = logs(table, keys, error)
        return names, -values

    monkeypatch.setattr(simulations, "log_cells", negative)
    assert not green(evidence, ["fig3-keeps-improving"])


# Not flow-equivalence: its runs are paired and say the same in every ensemble. Its table turns red.
@pytest.mark.parametrize("name", CLAIMS[:-1])
def test_a_claim_judged_without_one_ensemble_is_red(evidence, name):
    fewer = {key: frame[frame["ensemble"] != frame["ensemble"].max()] for key, frame in evidence[1].items()}
    assert not green(evidence, [name], tables=fewer)
