import re
import subprocess

import pytest
from conftest import ROOT, SCHEMAS, copy_repository, snakemake

from algoreg import documents, settings, study


def test_generated_documents_are_up_to_date():
    for name, text in documents.generated(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run make docs"


def test_every_claim_table_and_study_is_described():
    found = documents.generated(ROOT)
    for entry in settings.load_claims(ROOT / "config" / "claims.yaml", SCHEMAS):
        assert f"\n## {entry['id']}\n" in found["docs/claims.md"]
        assert entry["reason"] in found["docs/claims.md"]
    for tier in documents.TIERS:
        content = settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS)
        for name in [*content["experiments"], *content.get("studies", {})]:
            assert f"`{name}` (" in found["docs/tables.md"], name


def _tables():
    tiers = {tier: settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS) for tier in documents.TIERS}
    return documents.tables_document(tiers)


def test_a_study_takes_columns_in_its_own_sense(monkeypatch):
    monkeypatch.setitem(documents.STUDY_COLUMNS, "x_space", {"test_error": "foretold | so"})
    assert "| `test_error` | foretold \\| so |" in _tables()


def test_every_column_has_a_meaning_and_every_meaning_a_column():
    for name, own in documents.STUDY_COLUMNS.items():
        assert own.keys() <= set(study.columns(name)), name
        assert not own.items() & documents.COLUMNS.items(), name
    # Tables of columns have two cells in a row, those of options three.
    assert not re.findall(r"^\| `(\w+)` \| – \|$", _tables(), re.MULTILINE)


def test_links_of_the_documents_lead_somewhere():
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
    ):
        path = ROOT / name
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{name}: {link}"


@pytest.mark.workflow
def test_the_diffs_in_contributing_apply_and_give_a_claim(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    diffs = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    assert len(diffs) == 3
    for diff in diffs:
        done = subprocess.run(["git", "apply"], cwd=folder, input=diff, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    done = snakemake(folder, "-n", "claim_decay_initialisation", tier="quick")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Descent decay_d30, d=30, r=1, m=150, ensemble 3 of 3" in done.stdout + done.stderr
