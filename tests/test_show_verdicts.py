"""What stands below a run's verdicts: which tiers judge what this one does not,
and what to do after a run that stopped.
"""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

from algoreg import plugins
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels


def shown(folder, *arguments):
    """Return what is printed of the results below a folder."""
    command = [sys.executable, str(ROOT / "tools" / "show_verdicts.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_tiers_that_judge_are_named_where_nothing_is_judged(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from show_verdicts import judging

    (chapter,) = load_chapters(["simulations"])
    entry = chapter.claims[0]
    none = [{"id": entry["id"], "verdict": "not-judged"}]
    assert (
        judging(none) == f"None is judged in this tier. What judges: {', '.join(f'TIER={t}' for t in entry['tiers'])}."
    )
    assert judging([*none, {"id": "fig4-published", "verdict": "supported"}]) == ""


def test_a_run_that_stopped_says_what_to_do(tmp_path):
    assert shown(tmp_path, "smoke") == "no verdicts in results/smoke yet\n"
    text = shown(tmp_path, "smoke", "--status", "1")
    assert "The same command continues" in text
    assert "docs/guide.md, When something goes wrong" in text
    assert "## When something goes wrong" in (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def test_a_damaged_verdict_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "results" / "smoke" / "claims.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    said = shown(tmp_path, "smoke")
    assert "results/smoke/claims.json" in said
    assert "no verdicts" not in said


def test_verdicts_of_others_are_not_taken_for_none(tmp_path):
    path = tmp_path / "results" / "smoke" / "claims" / "proof-some.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert shown(tmp_path, "smoke", "--chapter", "race") == "verdicts in results/smoke: none of chapter race yet\n"
    assert shown(tmp_path, "smoke", "fig1-start") == "verdicts in results/smoke: none of claim fig1-start yet\n"


def test_an_invalid_claim_is_said_though_a_part_of_a_tier_does_not_stop(tmp_path, monkeypatch, capsys):
    claim = {"id": "mine", "chapter": "race", "verdict": "invalid", "estimate": 1.0, "ci_low": 0.9, "ci_high": 1.1}
    claim |= {
        "direction": "below",
        "statement": "One is below 2.",
        "margin": 2,
        "control_verdict": "supported",
        "control_estimate": 1.0,
    }
    path = tmp_path / "results" / "quick" / "claims" / "mine.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(claim))
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import show_verdicts

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(show_verdicts.records, "read_json", lambda path: claim)
    show_verdicts.show(SimpleNamespace(tier="quick", id="mine", chapter=None))
    said = capsys.readouterr().out
    assert "came out wrong or without an estimate: mine. A whole tier stops" in said
    assert "This run says nothing of the claim: One is below 2.\nNext: make chapter NAME=race TIER=quick" in said


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("supported", "on the claimed side of the margin (< 2). In this run it holds that: One is"),
        ("refuted", "on the wrong side of the margin (< 2). In this run it is false that: One is"),
        ("inconclusive", "This run leaves open whether: One is"),
    ],
)
def test_a_single_claim_ends_with_what_it_means_and_with_places_that_exist(tmp_path, monkeypatch, verdict, words):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from show_verdicts import meaning

    monkeypatch.chdir(tmp_path)
    claim = {"id": "mine", "chapter": "race", "verdict": verdict, "estimate": 1.0, "ci_low": 0.9, "ci_high": 1.1}
    claim |= {"direction": "below", "margin": 2, "statement": "One is below 2.", "figure": "figures/one"}
    said = meaning(claim, "quick")
    assert words in said.replace("\n", " ")
    assert said.endswith("\nNext: make chapter NAME=race TIER=quick judges and draws its chapter.")
    assert "Picture" not in said
    for folder, whose in (("docs", " of the committed run"), ("results/quick", "")):
        (tmp_path / folder / "figures").mkdir(parents=True)
        (tmp_path / folder / "figures" / "one.svg").touch()
        assert f"\nPicture{whose}: {folder}/figures/one.svg\n" in meaning(claim, "quick")


def test_settings_that_stopped_a_run_are_not_said_twice(tmp_path):
    chapter = tmp_path / "own" / "mine"
    chapter.mkdir(parents=True)
    (chapter / "chapter.yaml").write_text("title: Mine\n")
    command = [sys.executable, str(ROOT / "tools" / "show_verdicts.py"), "smoke", "--chapter", "mine", "--status"]
    environment = {**os.environ, plugins.CHAPTER_PATH: str(chapter.parent)}
    stopped, alone = (
        subprocess.run([*command, status], cwd=tmp_path, env=environment, capture_output=True, text=True)
        for status in ("1", "0")
    )
    assert stopped.stdout.startswith("\nNot all is done.")
    assert stopped.stderr == ""
    assert alone.returncode == 1
    assert alone.stderr.startswith("own/mine/experiments.yaml: cannot be read")
