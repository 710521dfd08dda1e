"""Which method to take: read from committed tables and literals, or said to be missing;
installed algorithms do not show.
"""

import pandas as pd
import pytest

from algoreg.chapters.race import by_rank, ledger, which_method
from algoreg.chapters.race.words import SAMPLES
from algoreg.regression import references
from algoreg.reporting.ledger import Ledgers
from algoreg.reporting.report import BEST
from algoreg.settings import checking
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels


def as_reference(rows):
    """Return rows as a reference has a table."""
    return pd.DataFrame(rows).assign(status="budget")


def race(**passes):
    """Return the table of a race at κ = 1 and 100 in which methods take so many passes; ``told`` is in their names."""
    rows = [
        {
            "method": method, "told": told, "kappa": kappa, "tolerance": 1e-6, "target": target, "ensemble": ensemble,
            "d": 30, "rank": 2, "m": 300, "passes": None if number is None else float(number * kappa * (1 + target)),
        }
        for method, (told, number) in passes.items()
        for kappa in (1, 100)
        for target in range(2)
        for ensemble in range(2)
    ]  # fmt: skip
    return as_reference(rows).astype({"passes": float})


REFERENCE = {
    "tables": {
        "race": race(
            **{"descent_1e-8": ("nothing", 50), "deep_3": ("nothing", 40)},
            least_trace=("nothing", 5),
            descent_r=("rank", 20),
            thresholding=("rank", None),
            frank_wolfe=("trace", None),
        )
    }
}


def kinds(label):
    """Return the kinds of knowledge that share a row."""
    return label.removesuffix(")").replace(" (the same with: ", "; ").split("; ")


def test_the_best_method_of_each_that_is_told_is_read_from_the_table():
    best = which_method.best_by_passes(REFERENCE["tables"]["race"])
    assert best["nothing"] == {kappa: {"deep_3": pytest.approx(40 * kappa * 2**0.5)} for kappa in (1.0, 100.0)}
    # It is told nothing, but is no descent.
    assert list(best["decomposition"][1.0]) == ["least_trace"]
    assert list(best["rank"][1.0]) == ["descent_r"]
    # Who knows more may take what is told nothing.
    assert best["trace"] == best["rank bound"] == best["nothing"]
    header, rows = which_method.by_knowledge(REFERENCE)
    assert header[:3] == ["you know", "fewest passes to 10⁻⁶, κ = 1", "fewest passes to 10⁻⁶, κ = 100"]
    assert header[3:] == [rf"fewest m\*/(dr), error {error}" for error in ("0.1", "0.01", "0.001", "10⁻⁶")]
    # Knowledge that helps no method stands in the row of those who know less.
    cells = {known: row[1:] for row in rows for known in kinds(row[0])}
    assert cells["the rank r"] == [
        "descent, width r, spectral initialisation: 28",
        "descent, width r, spectral initialisation: 2828",
        *["–"] * 4,
    ]
    assert cells["the trace"] == ["product of three factors: 57", "product of three factors: 5657", *["–"] * 4]


def test_who_knows_more_may_take_what_is_told_less_and_ties_are_named_together():
    told = {"momentum_full": ("nothing", 10.1), "descent_2r": ("rank bound", 10), "descent_r": ("rank", 11)}
    best = which_method.best_by_passes(race(**told, frank_wolfe=("trace", None)))
    assert list(best["rank"][1.0]) == list(best["rank and trace"][1.0]) == ["descent_2r", "momentum_full"]
    assert list(best["trace"][1.0]) == ["momentum_full"]
    _, rows = which_method.by_knowledge({"tables": {"race": race(frank_wolfe=("trace", None))}})
    assert {known: row[1] for row in rows for known in kinds(row[0])}["the trace"] == "none gets there"
    assert which_method.WITHIN.keys() == which_method.KNOWN.keys()


def test_what_is_missing_is_said_and_nothing_fails():
    assert "No committed reference" in ledger.which_source(None, None)
    assert "| nothing (the same with: that AAᵀ can be decomposed once; " in ledger.which_by_knowledge(None, None)
    assert ledger.which_source("quick", REFERENCE) == (
        "Passes are those of the quick tier's committed race: d = 30, r = 2, m = 5·dr Gaussian measurements."
    )
    assert "yet" in ledger.which_answer(None, None)
    assert "yet" in ledger.which_by_kind(None, None)
    assert "takes 50 and 5000" not in ledger.which_answer("quick", REFERENCE)
    assert "the best descent of more parameters than X\\* has takes 57 and 5657" in ledger.which_answer(
        "quick", REFERENCE
    )


def sampled(crossings, **columns):
    """Return a table of thresholds in which every run's error falls from 1 to 10⁻⁴ around these m/(dr), by rank."""
    rows = [
        {
            "d": 20, "rank": rank, "m": round(20 * rank * ratio * side), "target": target, "ensemble": ensemble,
            "status": "budget", "test_error": error, **columns,
        }
        for rank, ratio in crossings.items()
        for side, error in ((0.5, 1.0), (2.0, 1e-4))
        for target in range(2)
        for ensemble in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


# Errors count as no less than a tenth of the level: the curve falls through 0.1 half way, in the logarithm of m, and at
# 0.001 three quarters of the way.
AT = {0.1: 1.0, 0.01: 4 ** (2 / 3 - 1 / 2), 0.001: 4 ** (3 / 4 - 1 / 2)}


def test_the_fewest_measurements_are_named_by_rank_and_error():
    descent = [sampled({1: 2.0, 3: 1.0}, alpha=1e-12), sampled({1: 4.0, 3: 4.0}, alpha=1e-6)]
    tables = {
        "race_rank_samples_search": sampled({1: 1.5, 3: 1.5}),
        "race_rank_samples_descent": pd.concat(descent),
        "race_rank_samples_thresholding": sampled({1: 1.2, 3: 1.5}),
        "race_samples_search": sampled({2: 1.5}),
    }
    header, rows = which_method.needed_by_rank(tables)
    assert header == ["you know", "error", "r = 1", "r = 2", "r = 3"]
    cells = {(known, row[1]): row[2:] for row in rows for known in kinds(row[0])}
    for error, at in AT.items():
        search, full = "thresholding with a rank search", "descent, full width, α = 10⁻¹²"
        assert cells["nothing", f"{error:g}"] == [
            f"{search}: {1.5 * at:.3g}",
            f"{search}: {1.5 * at:.3g}",
            f"{full}: {at:.3g}",
        ]
        told = f"hard thresholding with momentum: {1.2 * at:.3g}"
        assert cells["the rank r", f"{error:g}"][0] == told
        found = by_rank.ratio(tables, "search", "descent_1e-12", 1, error)
        assert found.value == pytest.approx(0.75)
    # Of a rank that one side has not, there is no ratio.
    assert by_rank.ratio(tables, "search", "descent_1e-12", 2, 0.1).value is None
    assert "yet" in ledger.which_by_rank(None, None)


def test_measurements_to_the_smallest_error_are_those_of_the_longer_runs():
    tables = {
        "race_samples_search": sampled({2: 1.5}),
        "race_samples_2r": sampled({2: 1.0}),
        "race_exact_samples_search": sampled({2: 3.0}).replace({"test_error": {1e-4: 1e-7}}),
    }
    least = which_method.needed({"tables": tables}, 1e-6)
    # The curve falls to a tenth of the level: half way to it 0.1 is passed, as above, and 10⁻⁶ near its end.
    at = 4 ** ((6 / 7) - 1 / 2)
    assert least["nothing"] == {"thresholding with a rank search": pytest.approx(3.0 * at)}
    assert "descent, width 2r" not in least["rank bound"]
    assert list(which_method.needed({"tables": tables}, 0.1)["rank bound"]) == ["descent, width 2r"]


def test_tables_by_rank_have_the_options_of_those_at_rank_2():
    entries = load_chapters(["race"])[0].entries["experiments"]
    for method in by_rank.METHODS.values():
        own = entries[by_rank.PREFIX + method.ranks]["options"]
        assert method.alpha is None or method.alpha in own["alpha"]
        if method.second:
            second = entries[method.second]["options"]
            shared = ("algorithm", "step", "time", "spectrum", "recovered")
            assert all(own[key] == second[key] for key in shared), method.name
            assert own.get("algorithm_options") == second.get("algorithm_options")
            assert method.alpha is None or second["alpha"] == [method.alpha]
            assert which_method.told_of_samples(method.second) == method.told


def test_by_kind_has_a_column_for_each_kind_of_measurements():
    one = race(**{"descent_1e-8": ("nothing", 50), "descent_r": ("rank", 20)})
    frame = pd.concat(
        [one.assign(measurements="gaussian"), one.assign(measurements="entries", passes=2 * one["passes"])]
    )
    header, rows = which_method.by_kind(frame[frame["kappa"] == 1])
    assert header[0] == "you know"
    assert len(header) == 3
    cells = {row[0]: row[1:] for row in rows}
    assert cells["nothing"] == [f"descent, full width, α = 10⁻⁸: {passes}" for passes in (71, 141)]
    assert cells["the rank r"] == [f"descent, width r, spectral initialisation: {passes}" for passes in (28, 57)]


def test_under_noise_the_error_in_the_form_that_suits_a_method_decides():
    rows = [
        {"method": method, "told": told, "target": t, "ensemble": e, "kappa": 10.0, "label_noise": 0.1}
        | {"stop_error": stop * (1 + t), "own_error": 0.9 * stop, "end_error": None if method == "scaled_r" else 2 * stop}
        | {"status": "diverged" if method == "scaled_r" else "budget", "d": 20, "m": 160, "held_out": 40, "rank": 2}
        for method, told, stop in (("descent_r", "rank", 0.2), ("scaled_r", "rank", 0.1), ("least_trace", "nothing", 0.3))
        for t in range(2)
        for e in range(2)
    ]  # fmt: skip
    table = pd.DataFrame(rows).astype({"end_error": float})
    text = ledger.which_under_noise("quick", {"tables": {"race_noise": table}})
    assert "noise 0.1 of the observations' root mean square, κ = 10, d = 20, r = 2, 4·dr known measurements" in text
    assert "| the rank r | preconditioned, width r, spectral initialisation | 0.09 | 0.141 | diverged (4/4) |" in text
    assert "| that AAᵀ can be decomposed once | least trace (after decomposing AAᵀ) | 0.27 | 0.424 | 0.6 |" in text
    assert "yet" in ledger.which_under_noise(None, None)


def test_told_is_what_the_entries_of_the_thresholds_say():
    told = {table: which_method.told_of_samples(table) for table in SAMPLES}
    assert told["race_samples_full"] == told["race_samples_search"] == "nothing"
    assert told["race_samples_r"] == told["race_samples_momentum_r"] == told["race_samples_thresholding"] == "rank"
    assert told["race_samples_2r"] == "rank bound"
    assert told["race_samples_least_trace"] == "decomposition"
    assert set(told.values()) <= set(which_method.KNOWN)


def test_every_algorithm_and_ensemble_of_the_package_is_there():
    _, rows = which_method.algorithms()
    assert [row[0] for row in rows] == [f"`{name}`" for name in which_method.of_package("algorithms")]
    named = " ".join(cell for row in which_method.by_measurements()[1] for cell in row)
    assert all(f"(`{name}`)" in named for name in which_method.of_package("ensembles"))
    assert "`asymmetric`" in named


def test_the_document_and_the_chapters_page_have_it_from_the_largest_tier_that_has_the_race():
    entries = checking.load_claims()
    (chapter,) = (one for one in load_chapters() if one.name == "race")
    found = {tier: references.read_tier(tier) for tier in ("smoke", "quick", "standard", "full")}
    committed = {tier: content for tier, content in found.items() if content}
    ledgers = Ledgers(committed, entries)
    text = ledgers.documents(chapter)["which_method.md"]
    having = [tier for tier in BEST if tier in committed and {"race", *SAMPLES} <= committed[tier]["tables"].keys()]
    said = f"Passes are those of the {having[0]} tier" if having else "No committed reference has the race yet"
    assert said in " ".join(text.split())
    assert said in " ".join(ledgers.without_findings(chapter).split())
