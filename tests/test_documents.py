import html
import json
import re
from functools import cache
from typing import get_args

import mistune
import pandas as pd
import pytest
from conftest import ROOT, registered_claims, tier_settings

from algoreg import plugins
from algoreg.chapters.race.methods import METHODS
from algoreg.claims import criteria
from algoreg.reporting import claim_documents, documents, report
from algoreg.settings import columns, plan, selection
from algoreg.settings.chapters import load_chapters
from algoreg.settings.experiments import Selected

pytestmark = pytest.mark.any_kernels


@cache
def generated():
    """Return the generated documents: written once for all tests of a process, which read them."""
    return documents.generated(ROOT, "samples_r")


@cache
def long_forms():
    """Return the pages that only the site has."""
    return documents.long_forms(ROOT)


def test_generated_documents_are_up_to_date():
    for name, text in generated().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run make docs"


def test_every_generated_part_of_a_document_has_its_place():
    places = [name for file in documents.FILLED for name in report.filled((ROOT / file).read_text(encoding="utf-8"))]
    # Those of benchmarks are written where they are measured.
    assert sorted(places) == sorted(
        ["found", "chapters", "costs", "costs", "chapter-costs", "bench", "bench-cuda", "estimate"]
    )


def test_a_chapters_papers_are_one_sentence():
    assert not [name for name, text in generated().items() if ".;" in text.partition("## What was found")[0]]


def test_a_docstrings_roles_are_code_in_a_document():
    assert "Rows like those of `algoreg.chapters.remarks.experiments.min_trace`" in long_forms()["docs/tables.md"]
    assert not [
        name
        for name, text in (generated() | long_forms()).items()
        if name.endswith(".md") and re.search(r":(mod|func|class):`", text)
    ]


def test_every_claim_table_and_experiment_is_described():
    found = long_forms()
    for entry in registered_claims():
        assert f"\n| `{entry['id']}` |" in generated()["docs/claims.md"]
        in_full = found[f"docs/claims/{entry['chapter']}.md"]
        assert f"\n## {entry['id']}\n" in in_full
        assert report.literal(entry["reason"]).replace("|", "\\|") in in_full
        assert f"(claims/{entry['chapter']}.md)" in found["docs/claims_in_full.md"]
    for tier in documents.TIERS:
        content = tier_settings(tier)
        for name in plan.tables(content):
            assert f"`{name}` (" in found["docs/tables.md"], name


def _texts():
    """Return every Markdown text by its name, generated documents as they would be written now."""
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md"]
    names += [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
    written = {name: text for name, text in (generated() | long_forms()).items() if name.endswith(".md")}
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names} | written
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "markdown":
                texts[f"{path.name}, cell {number}"] = "".join(cell["source"])
    return texts


def _cells(row):
    """Return how many cells a row of a GFM table has: bars that are not escaped part them."""
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def bad_tables(text):
    """Return the tables of a Markdown text that a GFM parser does not read as they are written."""
    written = re.findall(
        r"^(\|.*\n\|[ |:-]+\n(?:\|.*(?:\n|$))*)", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M
    )
    parse = mistune.create_markdown(renderer="ast", plugins=["table"])
    read = [block for block in parse(text) if block["type"] == "table"]
    bad = [] if len(read) == len(written) else [f"{len(written)} tables, {len(read)} read"]
    for table in written:
        header, *rows = table.splitlines()
        bad += [row for row in rows if _cells(row) != _cells(header)]
    return bad


def bad_emphasis(text):
    """Return what a Markdown parser makes emphasis of though it is no words, or stands inside a word or a formula."""
    shown = mistune.create_markdown(plugins=["table"])(text)
    bad = []
    for match in re.finditer(r"(.?)<(em|strong)>(.*?)</\2>(.?)", shown, re.DOTALL):
        before, tag, inside, after = match.groups()
        words = tag == "strong" or re.fullmatch(
            r"[A-Za-z][A-Za-z ,'()\n-]*[A-Za-z.:]", re.sub(r"<[^>]*>", "", html.unescape(inside))
        )
        if not words or re.match(r"[\w‖∠)ᵀ]", before) or re.match(r"[\w‖∠(ᵀ]", after):
            bad.append(match.group(0))
    return bad


def test_methods_that_documents_compare_are_methods():
    known = {*METHODS, *plugins.modules("algorithms")}
    asked = {
        name: re.findall(r"[\w-]+(?=\(|,|$)", re.sub(r"\(.*?\)", "", given))
        for name, text in _texts().items()
        for given in re.findall(r"METHODS='?([\w.,()=/-]+)", text)
    }
    assert len(asked) > 3
    # A file of the reader's own, or the algorithm that it becomes.
    assert {name: left for name, given in asked.items() if (left := {*given} - known - {"mine", "py"})} == {}


def test_every_row_of_every_table_has_its_headers_cells():
    for name, text in _texts().items():
        assert bad_tables(text) == [], name
    # The test can see the faults that there were.
    assert bad_tables("| a | b |\n| --- | --- |\n| |x|² | y |\n")
    assert not bad_tables(report.markdown(["a", "b"], [["|x|²", "`|y|`"]]))


def test_no_formula_loses_its_asterisks_or_its_underscores():
    for name, text in _texts().items():
        assert bad_emphasis(text) == [], name
    for fault in ("X* = u*u*ᵀ", "‖E_t‖_F² and ‖E_{t+1}‖_F", "σ_min(U*ᵀZ) above, and the angle to X* below"):
        assert bad_emphasis(fault), fault
        assert not bad_emphasis(report.literal(fault)), fault
    assert not bad_emphasis("the *smallest* of them, **supported**")


def test_cells_show_the_text_that_they_are_given():
    for text in ("|⟨X, Y⟩| ≤ δ‖X‖_F", "X* = u*u*ᵀ", "`a_b c*`, d*", "m < d and <b>", "0.1 … 0.2"):
        shown = mistune.create_markdown(plugins=["table"])(report.markdown(["a"], [[report.literal(text)]]))
        (cell,) = re.findall(r"<td>(.*?)</td>", shown)
        assert html.unescape(re.sub(r"</?code>", "`", cell)) == text


def _registry():
    return registered_claims()


def test_criteria_are_sentences_for_readers():
    for entry in _registry():
        text = criteria.criterion(entry, plugins.functions("estimands"))
        assert not re.search(r"\['|[a-z]_[a-z]", text), f"{entry['id']}: {text}"
        assert text.endswith(f": {entry['direction']} {entry['margin']:g} with the whole 95 % interval")


def test_columns_have_a_readers_name_beside_their_meaning():
    assert columns.readable({"value": "over_bound", "along": "kappa", "by": ["kappa", "alpha", "time"]}) == {
        "value": "the squared error over the bound α√d/κ²",
        "along": "κ",
        "by": "κ, α and time",
    }
    # One name in two experiments: the columns that pick the rows tell them apart.
    ratios = [{"value": "ratio", "where": {key: 1}} for key in ("label_noise", "truncation", "d")]
    assert [columns.readable(one)["value"] for one in ratios] == [
        "SGD's test error over that of gradient descent",
        "the deviation over δ",
        "ratio",
    ]
    # What picks rows is no column: `signal` is one of another experiment.
    where = {"inequality": "signal", "split": "planted"}
    assert columns.readable({"low": "over_low", "where": where})["low"].startswith("the δ that the worst step needs")
    own = [columns.columns_of(experiment) for experiment in plugins.modules("experiments")]
    named = [value for one in own for value in one.values() if isinstance(value, tuple)]
    for name, meaning in [*named, *(value for value in columns.COLUMNS.values() if isinstance(value, tuple))]:
        assert meaning
        assert not re.search("[a-z]_[a-z]", name)


def test_chapters_show_a_figure_first_and_lead_from_each_to_its_tables_code_and_claims():
    for chapter in load_chapters():
        page = generated()[f"docs/chapters/{chapter.name}.md"]
        names = [name for name in chapter.entries.get("figures", {}) if (ROOT / f"docs/figures/{name}.svg").exists()]
        shown = re.findall(r"^!\[.*\]\(\.\./figures/(\w+)\.svg\)$", page.split("## What was found")[0], re.M)
        assert shown == names[:1]
        assert re.findall(r"^\| \[`(\w+)`\]\(\.\./figures/\1\.svg\) \|", page, re.M) == names
    (row,) = (
        line for line in generated()["docs/chapters/theorem.md"].splitlines() if line.startswith("| [`exponents_d`]")
    )
    links = re.findall(r"\]\((.*?)\)", row)
    assert "../../reference/standard/theorem/samples_d.csv" in links
    assert "../../src/algoreg/chapters/theorem/figures/samples.py" in links
    assert row.endswith("| `thm11-samples-in-d` |")
    assert all((ROOT / "docs" / "chapters" / link).exists() for link in links)


def in_full_of(entry, *others):
    """Return the site's page of one claim's chapter."""
    return claim_documents.claims_in_full([entry], *others)[f"docs/claims/{entry['chapter']}.md"]


def test_the_documents_show_controls_remedies_and_slack():
    entry = {**_registry()[0], "remedy": "other", "deterministic": "a | recursion"}
    reference = {
        "claims": [
            {
                "id": entry["id"],
                "verdict": "refuted",
                "estimate": 0.09,
                "ci_low": 0.0899999,
                "ci_high": 0.0900001,
                "margin": 0.0901,
                "control_verdict": "refuted",
                "control_estimate": -2.5,
                "positive_control_verdict": None,
                "positive_control_estimate": None,
            },
            {"id": "other", "verdict": "supported"},
        ]
    }
    table = report.verdicts(reference, [entry])
    keys = {"target": [0, 1, 0, 1], "ensemble": [0, 0, 3, 3]}
    runs = claim_documents.run_counts({entry["experiments"][0]: pd.DataFrame({**keys, "status": "budget"})})
    document = in_full_of(entry, reference["claims"], {}, (), runs)
    apart = pd.DataFrame({"target": [0, 1], "ensemble": [0, 1], "status": "budget"})
    own = {"apart": apart, "exact": pd.DataFrame({"m": [3], "status": "budget", "target": 1.0})}
    assert claim_documents.run_counts(own) == {"apart": " (2 ensembles, a target each)", "exact": ""}
    assert f"| reads | `{entry['experiments'][0]}` (2 targets × 2 ensembles)" in document
    for text in (
        "**refuted**; true instead: `other`, at the margin (slack 0.11 %)",
        "deterministic to 10⁻⁵",
    ):
        assert text in table
        assert text in document
    assert table.splitlines()[-1].endswith("| 0.09 | deterministic to 10⁻⁵ | > 0.0901 | refuted, −2.5 |")
    assert ": refuted, −2.5 |" in document
    assert "| why deterministic | a \\| recursion |" in document
    (row,) = re.findall(r"^\| `.*", claim_documents.claims_table([entry], reference["claims"], {}, ()), re.MULTILINE)
    assert (
        "**refuted**; true instead: `other`, at the margin (slack 0.11 %) | 0.09 | deterministic to 10⁻⁵ | smallest gain"
        in row
    )
    assert "to the next smaller one: > 0.0901 |" in row
    # A claim that only the full tier judged has that verdict.
    skipped = [{**reference["claims"][0], "verdict": "not-judged", "estimate": None}]
    assert "(slack 0.11 %) (tier full) | 0.09 |" in claim_documents.claims_table(
        [entry], skipped, {}, reference["claims"]
    )
    assert "tier standard (refuted): a rise by 9.99·10⁻⁵ would make it inconclusive |" in document
    quick = [{**reference["claims"][0], "ci_low": 0.05, "ci_high": 0.07}]
    both = in_full_of(entry, reference["claims"], {}, (), runs, quick)
    assert "| tier quick (refuted): a rise by 0.0201, 2 half-widths of the interval, would make it inconclusive" in both
    # A claim without a verdict yet is described all the same.
    assert entry["reason"] in in_full_of(entry, (), {}, (), {})


def _tables():
    tiers = {tier: tier_settings(tier) for tier in documents.TIERS}
    return documents.tables_document(tiers)


def test_a_experiment_takes_columns_in_its_own_sense(monkeypatch):
    own = {"m": "so many", "test_error": "foretold | so"}
    monkeypatch.setattr(
        documents, "columns_of", lambda experiment: own if experiment == "x_space" else columns.columns_of(experiment)
    )
    assert "| `test_error` | foretold \\| so |" in _tables()


def test_every_column_has_a_meaning_and_every_meaning_a_column():
    for name in plugins.modules("experiments"):
        own = {**plugins.experiment(name).KEYS, **plugins.experiment(name).VALUES}
        assert not own.items() & columns.COLUMNS.items(), f"{name} repeats what a column means everywhere: write None"
        assert [column for column, said in own.items() if said is None and column not in columns.COLUMNS] == [], name
    of_experiments = {column for name in plugins.modules("experiments") for column in columns.columns_of(name)}
    axes = get_args(get_args(Selected.model_fields["by"].annotation)[0])
    of_runs = {*axes, "iterations", *selection.columns({"by": axes, "paper_iterations": [0], "hold_out_error": True})}
    assert columns.COLUMNS.keys() <= of_experiments | of_runs
    # Tables of columns have two cells in a row, those of options three.
    assert not re.findall(r"^\| `(\w+)` \| – \|$", _tables(), re.MULTILINE)


def test_links_of_the_documents_lead_somewhere():
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
    ):
        path = ROOT / name
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{name}: {link}"
