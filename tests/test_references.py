"""Committed numbers lie by chapter: where they are found, what is compared, what a chapter of the user's own has."""

import importlib
import json
from dataclasses import replace

import pytest
from conftest import ROOT, tier_settings

from algoreg import jobs, plugins
from algoreg.regression import references, snapshots
from algoreg.regression.tolerances import Tolerances
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels

PART = {"partial": True, "tables": {"a": {"keys": {"d": [1]}, "status": ["budget"], "test_error": [0.5]}},
        "comparisons": {"b": [{"ours": 0.1}]}, "claims": [{"id": "c"}]}  # fmt: skip


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
            content = references.read(found[chapter.name])
            own = _tables(chapter)
            assert {*content["tables"], *content["comparisons"]} == own & {*plan.tables(settings)}
            assert [claim["id"] for claim in content["claims"]] == [entry["id"] for entry in chapter.claims]
        whole = references.read_tier(tier)
        named = {entry for chapter in load_chapters() if chapter.name in found for entry in _tables(chapter)}
        assert {*whole["tables"], *whole["comparisons"]} == named & {*plan.tables(settings)}
        assert set(whole["cost"]) - {"chapters"} == {"cpu_seconds", "peak_mib"}
    assert references.read_tier("mine") is None


@pytest.mark.parametrize("tier", ["smoke", "full"])
def test_what_is_committed_is_written_as_a_snapshot_is(tier):
    """A reference that is written again without a change shows no difference."""
    for path in references.paths(tier).values():
        text = path.read_text(encoding="utf-8")
        # Some have digests of what was drawn, which nothing reads any more.
        known, before, _ = text.partition(',\n  "problems": ')
        assert snapshots.dumps(json.loads(text)) == (f"{known}\n}}\n" if before else text)


def test_a_chapter_of_ones_own_has_its_reference_and_its_tolerances_in_its_folder(tmp_path):
    (chapter,) = load_chapters(["proof"])
    measured = {"experiments": {"my_table": {}}}
    own = replace(chapter, name="mine", folder=tmp_path / "mine", entries=measured, claims=[{"id": "my-claim"}])
    assert references.path_of(chapter, "quick") == ROOT / "reference" / "runs" / "quick" / "proof.json"
    assert references.path_of(own, "quick") == tmp_path / "mine" / "reference" / "quick.json"
    assert Tolerances.load(chapters=[own]).tables == {}
    own.folder.mkdir()
    (own.folder / "tolerances.yaml").write_text(
        "my_*:\n  x: {relative: 0.1, reason: Counts move in strides.}\n"
        "claims:\n  my-claim: {relative: 0.05, reason: One run of few may move.}\n"
    )
    tolerances = Tolerances.load(chapters=[chapter, own])
    assert tolerances.of("my_table", "x")["relative"] == 0.1
    assert tolerances.of("other", "x") == tolerances.default
    assert tolerances.close(1.04, 1.0, claim="my-claim")
    assert not tolerances.close(1.06, 1.0, claim="my-claim")
    assert not tolerances.close(1.04, 1.0, claim="another")


def test_no_document_and_no_cost_of_this_project_is_of_a_chapter_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    write_docs, write_reference = map(importlib.import_module, ("write_docs", "write_reference"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "chapter.yaml").touch()
    monkeypatch.setenv(plugins.CHAPTER_PATH, str(tmp_path))
    plugins.forget()
    assert "mine" in plugins.chapters()
    seen = []
    monkeypatch.setattr(write_docs.documents, "generated", lambda root: seen.extend(plugins.chapters()) or {})
    write_docs.refresh_documents()
    assert "proof" in seen
    assert "mine" not in seen
    (chapter,) = load_chapters(["proof"])
    own = replace(chapter, name="mine", folder=tmp_path / "mine")
    assert write_reference.ours([chapter, own]) == [chapter]


def test_a_part_that_was_run_later_adds_to_what_is_committed():
    table = {"keys": {"d": [1]}, "status": ["budget"], "test_error": [0.25]}
    later = {**PART, "tables": {"a": table, "e": table}, "comparisons": {},
             "claims": [{"id": "f"}, {"id": "c", "verdict": "refuted"}]}  # fmt: skip
    assert snapshots.completed(later, PART) == {
        "partial": True,
        "tables": {"a": table, "e": table},
        "comparisons": PART["comparisons"],
        "claims": [{"id": "c", "verdict": "refuted"}, {"id": "f"}],
    }
    assert snapshots.completed(PART, later)["tables"]["a"] == PART["tables"]["a"]


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_compared_is_the_tier_unless_every_reference_is_of_a_part(tmp_path, whole):
    tier = tier_settings("smoke")
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(snapshots.dumps(PART))
    second.write_text(snapshots.dumps({**PART, "tables": {}, "comparisons": {}, "partial": not whole}))
    files = jobs.compared_files(tier, {"first": first, "second": second})
    if whole:
        assert files == jobs.compared_files(tier, {})
        assert files["tables"] == [f"tables/{name}.csv" for name in plan.tables(tier)]
        assert files["verdicts"] == ["controls.json", "claims.json"]
    else:
        assert files["tables"] == ["tables/a.csv", "tables/b.csv"]
        assert set(files["verdicts"]) == {"claims/c.json"}
    assert json.loads(first.read_text()) == PART


def test_a_tables_columns_come_in_their_order():
    table = {
        "keys": {"d": [1, 2], "ensemble": [0, 0]},
        "status": ["budget"] * 2,
        **{f"value_{i}": [0.5, None] for i in range(40)},
    }
    assert list(snapshots.frame_of(table)) == ["d", "ensemble", "status", *(f"value_{i}" for i in range(40))]
