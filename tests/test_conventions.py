"""What Snakemake's community expects: import as a module, a report with the verdicts, a picture of the rules."""

import re
import sys

import pytest
import yaml
from conftest import ROOT, copy_repository, snakemake, tiny_repository

from algoreg.reporting import verdict_page

sys.path.insert(0, str(ROOT / "tools"))
import draw_rule_graph as rules

pytestmark = pytest.mark.any_kernels

IMPORT = """configfile: "config/imported.yaml"

module algoreg:
    snakefile: "{snakefile}"
    config: config

use rule * from algoreg as ar_*
"""


@pytest.mark.workflow
@pytest.mark.slow
def test_another_workflow_imports_this_one_and_runs_it_in_its_own_folder(tmp_path):
    """By the entry that includes the other one, which tests/test_targets.py imports."""
    repository = tiny_repository(tmp_path / "repository")
    folder = tmp_path / "elsewhere"
    (folder / "config").mkdir(parents=True)
    settings = yaml.safe_load((repository / "config" / "tiny.yaml").read_text())
    settings |= {"tier": "imported", "chapter_path": str(repository / "chapters")}
    (folder / "config" / "imported.yaml").write_text(yaml.safe_dump(settings))
    (folder / "Snakefile").write_text(IMPORT.format(snakefile=repository / "workflow" / "Snakefile"))
    done = snakemake(folder, "ar_claims", tier="imported", environment={"PYTHONPATH": str(repository / "src")})
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "results" / "imported" / "controls.json").exists()
    assert not (repository / "results" / "imported").exists()


@pytest.mark.workflow
def test_the_picture_of_the_rules_is_of_these_rules(tmp_path):
    arrows = rules.merged(rules.rule_graph(copy_repository(tmp_path / "repository")))
    assert {name for arrow in arrows for name in arrow} == set(rules.RULES)
    drawn = (ROOT / "docs" / "rule_graph.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'id="rule-([^"]+)"', drawn)) == set(rules.RULES)
    assert set(re.findall(r'id="arrow-([^"]+)"', drawn)) == {f"{a}-{b}" for a, b in rules.reduced(arrows)}


def test_claims_are_one_node_and_detours_hide_shortcuts():
    text = '0[label = "replication", a];\n1[label = "claim_x", a];\n2[label = "claim_y"];\n3[label = "tabulate"];\n'
    text += '4[label = "collect_claims"];\n3 -> 1\n3 -> 2\n1 -> 4\n2 -> 4\n3 -> 4\n4 -> 0\n'
    arrows = rules.merged(text)
    assert arrows == {("tabulate", rules.CLAIM), (rules.CLAIM, "collect_claims"), ("tabulate", "collect_claims")}
    assert rules.reduced(arrows) == arrows - {("tabulate", "collect_claims")}


def claim(name, **fields):
    """Return a claim as claims.json has it, with what the table of verdicts reads."""
    empty = dict.fromkeys(("ci_low", "ci_high", "control_verdict", "control_estimate", "positive_control_verdict"))
    known = {"id": name, "chapter": "a", "statement": "m < n & so on", "verdict": "not-judged", "estimate": None}
    return {**empty, **known, "standing": "ours", "regime": {}, "margin": 0.5, "direction": "below", **fields}


def test_the_table_of_verdicts_shows_every_claim_by_chapter_and_escapes():
    template = (ROOT / "workflow" / "report" / "verdicts.html.j2").read_text(encoding="utf-8")
    judged = {"verdict": "supported", "estimate": 0.25, "ci_low": 0.2, "ci_high": 0.3, "control_verdict": "refuted"}
    claims = [claim("one", **judged), claim("two", chapter="b")]
    page = verdict_page.render(claims, {"b": "Second", "a": "First", "c": "Empty"}, "quick", template)
    assert re.findall(r"<main>\s*<h1>(.*?)</h1>", page) == ["Verdicts of tier quick"]
    assert re.findall(r"<caption>(.*?)</caption>", page) == ["Second", "First"]
    assert "m &lt; n &amp; so on" in page
    cells = re.findall(r'<td data-name="(.*?)">(.*?)</td>', page.split("First", 1)[1])
    assert tuple(name for name, _ in cells) == verdict_page.HEADER
    assert [cell for _, cell in cells[4:]] == ["supported", "0.25", "0.2 … 0.3", "&lt; 0.5", "refuted"]
    assert "http" not in page


@pytest.mark.workflow
@pytest.mark.slow
def test_snakemakes_report_has_the_verdicts_with_a_caption(tiny, tmp_path):
    page, table = tmp_path / "report.html", "results/tiny/report/verdicts.html"
    for more in ([], ["--report", str(page)]):
        done = snakemake(tiny, table, *more, tier="tiny")
        assert done.returncode == 0, done.stderr[-2000:]
    text = page.read_text(encoding="utf-8")
    for said in ("Verdicts", "What came of every claim on tier tiny", "written down before the run"):
        assert said in text, said
    assert "tiny-start" in (tiny / table).read_text(encoding="utf-8")
