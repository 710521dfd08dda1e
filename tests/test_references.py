"""Committed numbers lie by chapter: where they are found, what is compared, what a chapter of the user's own has."""

import importlib
import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT, tier_settings

from algoreg import jobs, plugins
from algoreg.regression import references, snapshots
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels

TEXTS = {"tables": {"a": "d,status,test_error\n1,budget,0.5\n"}, "comparisons": {"b": "ours\n0.1\n"}}


def _tables(chapter):
    return set(chapter.tables)


def test_claims_that_read_another_chapter_are_left_open_without_it():
    known = {chapter.name: chapter for chapter in load_chapters()}
    remarks, theorem = known["remarks"], known["theorem"]
    assert references.left_open(remarks, [remarks]) == {"conj-constant-rip"}
    assert references.left_open(remarks, [remarks, theorem]) == set()
    assert references.left_open(theorem, [theorem]) == set()


def test_every_chapters_reference_has_that_chapters_tables_and_claims_alone():
    for tier in ("smoke", "quick", "standard"):
        settings, found = tier_settings(tier), references.paths(tier)
        for chapter in (one for one in load_chapters() if one.name in found):
            content = references.read(chapter, tier)
            own = _tables(chapter)
            assert {*content["tables"], *content["comparisons"]} == own & {*plan.tables(settings)}
            judged, named = ([entry["id"] for entry in entries] for entries in (content["claims"], chapter.claims))
            # A new claim has a verdict of standard once somebody has run that, as `make verify` says.
            assert judged == ([name for name in named if name in judged] if tier == "standard" else named)
        whole = references.read_tier(tier)
        named = {entry for chapter in load_chapters() if chapter.name in found for entry in _tables(chapter)}
        assert {*whole["tables"], *whole["comparisons"]} == named & {*plan.tables(settings)}
        assert (
            {"chapters", "peak_mib"} <= set(whole["cost"]) <= {"chapters", "peak_mib", "claims", "minutes", "processor"}
        )
    assert references.read_tier("mine") is None


@pytest.mark.parametrize("tier", ["smoke", "full"])
def test_what_is_committed_is_written_as_it_was_read(tier, tmp_path):
    """A reference that is written again without a change shows no difference."""
    for chapter in (one for one in load_chapters() if one.name in references.paths(tier)):
        content, folder = references.read(chapter, tier), references.folder_of(chapter, tier)
        tables = {
            name: snapshots.table_text(table, references.keys_of(table), references.values_of(table))
            for name, table in content["tables"].items()
        }
        comparisons = {name: snapshots.comparison_text(table) for name, table in content["comparisons"].items()}
        texts, new = {"tables": tables, "comparisons": comparisons}, tmp_path / chapter.name
        snapshots.write(new, texts, content["claims"], content.get("partial", False), content["made_on"])
        assert {path.name: path.read_text() for path in references.files(new / "claims.json")} == {
            path.name: path.read_text() for path in references.files(folder / "claims.json")
        }


def test_a_chapter_of_ones_own_has_its_reference_in_its_folder(tmp_path):
    (chapter,) = load_chapters(["proof"])
    measured = {"experiments": {"my_table": {}}}
    own = replace(chapter, name="mine", folder=tmp_path / "mine", entries=measured, claims=[{"id": "my-claim"}])
    assert references.folder_of(chapter, "quick") == ROOT / "reference" / "quick" / "proof"
    assert references.folder_of(own, "quick") == tmp_path / "mine" / "reference" / "quick"


def test_no_document_and_no_cost_of_this_project_is_of_a_chapter_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    write_docs, write_reference = map(importlib.import_module, ("write_docs", "write_reference"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "chapter.yaml").touch()
    monkeypatch.setenv(plugins.CHAPTER_PATH, str(tmp_path))
    plugins.forget()
    assert "mine" in plugins.chapters()
    seen = []
    monkeypatch.setattr(write_docs.documents, "generated", lambda root, table: seen.extend(plugins.chapters()) or {})
    write_docs.refresh_documents()
    assert "proof" in seen
    assert "mine" not in seen
    (chapter,) = load_chapters(["proof"])
    own = replace(chapter, name="mine", folder=tmp_path / "mine")
    assert write_reference.ours([chapter, own]) == [chapter]


def test_a_part_that_was_run_later_adds_to_what_is_committed(tmp_path):
    later = {"tables": {"a": "d,status,test_error\n1,budget,0.25\n", "e": TEXTS["tables"]["a"]}, "comparisons": {}}
    snapshots.write(tmp_path, TEXTS, [{"id": "c"}], partial=True)
    snapshots.write(tmp_path, later, [{"id": "f"}, {"id": "c", "verdict": "refuted"}], partial=True)
    claims = json.loads((tmp_path / "claims.json").read_text())
    assert claims == {"partial": True, "claims": [{"id": "c", "verdict": "refuted"}, {"id": "f"}]}
    written = {path.stem: path.read_text() for path in tmp_path.glob("*.csv")}
    assert written == {**later["tables"], **TEXTS["comparisons"]}
    # A whole one has nothing else.
    snapshots.write(tmp_path, TEXTS, [{"id": "c"}])
    assert json.loads((tmp_path / "claims.json").read_text()) == {"claims": [{"id": "c"}]}
    written = {path.stem: path.read_text() for path in tmp_path.glob("*.csv")}
    assert written == {**TEXTS["tables"], **TEXTS["comparisons"]}


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_compared_is_the_tier_unless_every_reference_is_of_a_part(tmp_path, whole):
    tier = tier_settings("smoke")
    snapshots.write(tmp_path / "first", TEXTS, [{"id": "c"}], partial=True)
    snapshots.write(tmp_path / "second", {"tables": {}, "comparisons": {}}, [{"id": "c"}], partial=not whole)
    files = jobs.compared_files(tier, [tmp_path / name / "claims.json" for name in ("first", "second")])
    if whole:
        assert files == jobs.compared_files(tier, [])
        assert files["tables"] == [f"tables/{name}.csv" for name in plan.tables(tier)]
        assert files["verdicts"] == ["controls.json", "claims.json"]
    else:
        assert files["tables"] == ["tables/a.csv", "tables/b.csv"]
        assert set(files["verdicts"]) == {"claims/c.json"}


def test_a_committed_table_has_six_digits_its_keys_its_status_and_what_was_measured():
    frame = pd.DataFrame(
        {"x": [1 / 3, None], "extra": [1, 2], "d": [5, 7], "status": ["budget", "diverged"], "method": ["a", "b"]}
    )
    text = snapshots.table_text(frame, ["method", "d"], ["x"])
    assert text == "method,d,status,x\na,5,budget,0.333333\nb,7,diverged,\n"
    table = references.read_table(io.StringIO(text))
    assert (references.keys_of(table), references.values_of(table)) == (["method", "d"], ["x"])
    counts = references.read_table(io.StringIO("d,status,count\n1,budget,3\n"))
    assert counts["count"].dtype == float
    assert counts["d"].dtype == int
