"""The article: no number of a result is typed, what it says of verdicts is what they are, and it can be set."""

import json
import re
import sys

import pytest
from conftest import ROOT, registered_claims

sys.path.insert(0, str(ROOT / "tools"))
import build_article

pytestmark = pytest.mark.any_kernels

TEXT = (ROOT / "docs" / "article" / "article.typ").read_text(encoding="utf-8")
SAID = re.compile(r'#(est|with-interval|margin|holds|fails|open)\("([^"]+)"\)')
VERDICT = {"holds": "supported", "fails": "refuted", "open": "inconclusive"}


def test_every_claim_and_figure_that_is_named_exists_and_verdicts_are_those_of_the_reference():
    claims = build_article.numbers()["claims"]
    named = SAID.findall(TEXT)
    assert len(named) > 60
    for function, name in named:
        assert name in claims, name
        assert claims[name]["verdict"] == VERDICT.get(function, claims[name]["verdict"]), name
    for name in re.findall(r'#plot\("([^"]+)"', TEXT):
        assert (ROOT / "docs" / "figures" / f"{name}.svg").exists(), name
    # What was refuted is not left out.
    refuted = {name for name, claim in claims.items() if claim["verdict"] == "refuted"}
    assert refuted == {name for function, name in named if function == "fails"}


def test_numbers_are_those_of_the_documents():
    numbers = build_article.numbers()
    document = (ROOT / "docs" / "chapters" / "theorem.md").read_text(encoding="utf-8")
    claim = numbers["claims"]["thm11-samples-in-d"]
    row = next(line for line in document.splitlines() if line.startswith("| `thm11-samples-in-d` |"))
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert cells[4:7] == [claim["estimate"], claim["interval"], claim["needed"]]
    assert claim["rule"] == "claim_thm11_samples_in_d"
    assert sum(numbers["counts"].values()) == numbers["judged"]
    assert set(numbers["claims"]) <= {entry["id"] for entry in registered_claims()}


def test_no_decimal_number_is_typed_in_the_text():
    body = TEXT.split("= The question", 1)[1].split("= Claims, tables", 1)[0]
    body = re.sub(r"Theorem \d\.\d|Figures? \d|width: \d+%|\$[^$]*\$", "", body)
    assert re.findall(r"\d+\.\d+|\d+e-?\d+", body) == []


@pytest.mark.skipif(
    not list((ROOT / ".venv").glob("site/lib/python*/site-packages/typst")), reason="make article installs typst"
)
def test_the_article_is_set_and_has_from_four_to_eight_pages(tmp_path):
    assert build_article.build(tmp_path / "page-{p}.png") == 0
    assert 4 <= len(list(tmp_path.glob("page-*.png"))) <= 8


def test_what_is_gathered_is_all_that_the_text_reads(tmp_path):
    build_article.gather(tmp_path)
    assert {"article.typ", "claims.json", "figures", "references.bib"} == {path.name for path in tmp_path.iterdir()}
    assert "@inproceedings{li2018" in (tmp_path / "references.bib").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["version"]
