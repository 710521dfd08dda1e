import re

import numpy as np
import pytest
from conftest import ROOT, passage_of, registered_claims, tier_settings
from drawn import curve

from algoreg import plugins
from algoreg.chapters.greedy import ledger as greedy
from algoreg.chapters.norms import ledger as norms
from algoreg.chapters.race import ledger as race
from algoreg.chapters.simulations.ledger.figure_4 import figure_4
from algoreg.chapters.spectral_phase import ledger as spectral_phase
from algoreg.claims import estimands
from algoreg.regression import evidence
from algoreg.regression import references as committed
from algoreg.reporting import figures, ledger, papers
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels

TEMPLATES = sorted((plugins.PACKAGE / "chapters").glob(f"*/{ledger.TEMPLATE}"))
DOCUMENTS = sorted({*(plugins.PACKAGE / "chapters").glob("*/*.md.j2")} - {*TEMPLATES})


@pytest.fixture(scope="module")
def references():
    return {tier: committed.read_tier(tier) for tier in ("quick", "standard", "full")}


@pytest.fixture(scope="module")
def numbers(references):
    return ledger.Numbers(references, registered_claims())


def test_every_passage_is_called_by_a_ledger_and_every_chapter_says_what_was_found():
    calls = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    others = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    for name in plugins.functions("ledger"):
        assert re.search(rf"\{{\{{ {name}\(", calls + others), name
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert text.count("{% block headline %}") == text.count("{% block found %}") == 1, path


def test_numbers_are_those_of_claims_tables_and_curves(numbers, references):
    claims = {claim["id"]: claim for claim in references["standard"]["claims"]}
    assert numbers.estimate("thm42-angle-repaired") == f"{claims['thm42-angle-repaired']['estimate']:.3g}"
    assert numbers.verdict("fig2-published") == "refuted"
    assert numbers.margin("fig1-published") == "1.4"
    assert numbers.setting("conj-min-nuclear-norm-below", "where", "m_over_dr") == "1.4"
    rows = references["standard"]["tables"]["samples_d"]
    assert numbers.values("samples_d", "d") == f"{min(rows['d'])} to {max(rows['d'])}"
    assert numbers.values("samples_r", "d") == "60"
    assert numbers.published("figure_1_d200", error="train_error", alpha=1.0) == "0.000994"
    least, largest = (getattr(numbers, name)("figure_1", "test_error", alpha=1.0) for name in ("least", "largest"))
    errors = references["standard"]["tables"]["figure_1"].query("alpha == 1")["test_error"]
    assert float(least) <= errors.min()
    assert errors.max() <= float(largest)
    with pytest.raises(ValueError, match="no row with"):
        numbers.values("samples_r", "d", rank=99)


def test_a_bound_is_the_outermost_end_of_all_seeds_rounded_outwards(references):
    claims = [{**claim, "margin": 2.0} for claim in references["standard"]["claims"][:1]]
    run = {"verdict": "supported", "estimate": 1.2, "ci_low": 1.1234, "ci_high": 1.3456}
    fresh = {"1": {claims[0]["id"]: {**run, "ci_high": 1.5678}}, "2": {claims[0]["id"]: {**run, "ci_low": 1.0071}}}
    content = {"standard": {"claims": evidence.joined([{**claims[0], **run}], fresh)}}
    numbers = ledger.Numbers(content, registered_claims())
    assert numbers.bound(claims[0]["id"], "up") == "1.57"
    assert numbers.bound(claims[0]["id"], "down") == "1"


def test_numbers_in_sentences_are_those_of_the_tables(references):
    standard = references["standard"]
    said = ledger._passages(references)
    runs = standard["tables"]["quadratic_tau"].query("variant == 'algorithm-1' and tau_error < -0.05")
    later = runs[runs["over_window"] >= 1.99]
    twice = later[later["iteration"] == later["iteration"].min()]
    assert said["alg1_tau_lost"](-0.1) == f"{(twice['status'] == 'diverged').sum()} of {len(twice)}"
    widths = standard["tables"]["quadratic_width"].query("variant == 'plain' and m == 180")
    logs = np.log(widths["test_error"]).groupby(widths["width"]).mean()
    assert f"{np.exp(logs[30] - logs[3]):.2g} (`plain`, m = 180)" in said["alg1_width_costs"]()
    ends = standard["tables"]["min_trace"]
    few = ends[np.isclose(ends["m_over_dr"], 1.4) & (ends["distance_to_target"] < 0.01)]
    descents, programme = few.query("method == 'descent' and alpha < 2e-12"), few.query("method == 'clarabel'")
    assert f" in {len(descents)} of 24 runs, least trace in {len(programme)} of 24." in said["found_below"]()
    assert "Of the 96 published iterations only the 6 up to " in said["figure_2_nearest"]()
    assert "the threshold at d = 100 is 26.4, not 25.9" in said["figure_4_threshold_step"]()


def test_other_readings_of_figure_4_stand_beside_the_same_targets(references):
    standard = references["standard"]
    ours, other = (standard["tables"][name] for name in ("figure_4", "figure_4_readings"))
    assert sorted(other["target"].unique()) == [0, 1]
    own = ours.query("method == 'projected' and ensemble == 0 and target < 2 and m_over_d == 10")
    row = next(row for row in figure_4(standard).splitlines() if "ours from 0, 2 targets on ensemble 0 alone" in row)
    assert f"| {own['test_error'].mean():.3g} |" in row


def test_choices_at_the_ends_of_grids_are_named(references):
    shown = references["standard"]
    said = passage_of(race.race_grid_ends, shown["tables"])
    rows = shown["tables"]["race"].query("kappa == 100")
    assert said.startswith("At κ = 100 ")
    for method, momenta in rows.groupby("method")["momentum"].unique().items():
        for momentum in momenta:
            chosen = f"{race.NAMES[method]} ({momentum:g})" in said
            assert chosen == (momentum in race.METHODS[method].momenta[-1:])
    (shortest,) = [part for part in said.split("The ") if part.startswith("shortest step")]
    named = set(shortest.removeprefix("shortest step: ").rstrip(" .").split("; "))
    steps = rows[rows["smallest_step"] < rows["largest_step"]]
    ends = steps[steps["step"] == steps["smallest_step"]]
    assert named == {race.NAMES[method] for method in ends["method"]}


def test_what_the_race_with_fewer_measurements_lacks_is_named(references):
    said = passage_of(race.race_few_lacks, references["standard"]["tables"])
    assert said.startswith("Left out: ")
    whole, few = (set(references["standard"]["tables"][name]["method"]) for name in ("race", "race_few"))
    named = said.removeprefix("Left out: ").removesuffix(".").split("; ")
    assert sorted(named) == sorted(race.NAMES[method] for method in whole - few)


def test_draws_whose_least_trace_is_the_target_are_counted_as_such(references):
    tables = dict(references["standard"]["tables"])
    frame = tables["greedy_commuting"]
    draws = frame.groupby(["target", "ensemble"]).ngroups
    tables["greedy_commuting"] = frame.assign(distance_to_min_trace=frame["distance_to_target"])
    assert f" in {draws} of {draws} draws" in passage_of(greedy.commuting_least_is_target, tables)


def test_exponents_that_are_their_predictions_leave_no_spread(references):
    tables = dict(references["standard"]["tables"])
    frame = tables["phase_few"]
    tables["phase_few"] = frame.assign(smallest_error=frame["alpha"] ** frame["predicted"])
    said = passage_of(spectral_phase.phase_constant, tables)
    spread = float(said.split("and ")[-1].split()[0])
    assert spread < 1e-10


def test_correlations_are_said_with_the_draws_of_their_own_table(references):
    tables = dict(references["standard"]["tables"])
    few = tables["phase_few"]
    one = tables["phase_few"] = few[few["target"] == few["target"].min()]
    draws = tables["phase_many"].groupby(["target", "ensemble"]).ngroups
    said = passage_of(spectral_phase.phase_correlations, tables)
    assert f"over {draws} draws at m = 20dr" in said
    assert f"over {len(set(one['ensemble']))} draws at m = 5dr" in said


def test_the_published_step_is_one_number(references):
    (chapter,) = load_chapters(["simulations"])
    text = ledger.Ledgers(references, registered_claims()).without_findings(chapter)
    assert "## The published step is η = 0.01 in M-form\n" in text


def test_a_reference_that_lacks_a_table_is_named_and_not_passed_over(references):
    bare = {tier: {**reference, "tables": {}} for tier, reference in references.items()}
    bound = ledger._passages(bare)
    assert bound["samples_thresholds"]() == "(The committed references lack samples_r, samples_d.)"
    assert ledger._passages({"standard": references["standard"]})["figure_4_d150"]().endswith("lack full.)")


def test_paragraphs_are_broken_and_tables_are_not():
    row = "| " + "x" * 150 + " |"
    text = ledger.wrapped(f"{'word ' * 40}\n\n{row}\n\n- {'item ' * 30}\n- short")
    assert row in text
    assert all(len(line) <= 100 for line in text.splitlines() if line != row)
    assert text.endswith("\n- short")
    assert "\n  item" in text


@pytest.mark.parametrize(
    "kept",
    [
        "1. First thing.\n2. Second thing.",
        "- One.\n  - Below it.\n  - And this.",
        "* One.\n* Two.",
        "> Quoted.\n> Again.",
        "As follows:\n| a | b |\n| --- | --- |\n| 1 | 2 |",
        "```python\nx = 1\n\n\nif x:\n    y = 2\n```",
    ],
)
def test_what_a_ledger_lists_quotes_or_shows_as_code_stays_as_it_is(kept):
    assert ledger.wrapped(f"Before.\n\n{kept}\n\nAfter\nit.") == f"Before.\n\n{kept}\n\nAfter it."


def test_numbers_of_a_ledger_are_printed_and_code_and_addresses_are_not_changed():
    text = ledger.wrapped("Error -2e-06, `step: 1e-06`, [a table](tables/run-1e-06.csv).\n\n```\nx = -1e-06\n```")
    assert text == "Error −2·10⁻⁶, `step: 1e-06`, [a table](tables/run-1e-06.csv).\n\n```\nx = -1e-06\n```"


def test_papers_are_cited_by_authors_year_and_venue(tmp_path, monkeypatch):
    paper = papers.paper("li2018")
    assert paper.short() == "Li, Ma and Zhang (2018)"
    assert "Conference on Learning Theory" in paper.full()
    assert papers.paper("nobody1900").full() == "nobody1900."
    own = "@comment{b, }\n @article{a1,\n author = {A. B. See and {van Dee}, E.},\n title = {{T}wo},\n year = 1999\n}\n"
    (tmp_path / "references.bib").write_text(own)
    monkeypatch.setattr(plugins, "chapters", lambda: {"mine": tmp_path})
    papers.papers.cache_clear()
    try:
        assert papers.paper("a1").full() == "See and van Dee (1999). Two."
    finally:
        papers.papers.cache_clear()


def test_the_bibliography_has_every_paper_that_is_cited_once():
    text = (ROOT / papers.NAME).read_text(encoding="utf-8")
    entries = re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]
    assert [entry for entry in entries if not entry.rstrip().endswith("\n}")] == []
    keys = re.findall(r"^@\w+\{([^,\s]+),", text, re.MULTILINE)
    assert len(keys) == len(entries) == len(set(keys))
    key = r"[a-z]+\d{4}[a-z]?"
    groups = [
        group
        for path in plugins.PACKAGE.rglob("*.py")
        for group in re.findall(rf"\[({key}(?:, {key})*)\]", path.read_text(encoding="utf-8"))
    ]
    assert groups
    assert {one for group in groups for one in group.split(", ")} <= set(keys)


def cells(text):
    """Return the cells of a Markdown table's rows."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


@pytest.mark.replicates(10)
@pytest.mark.parametrize(
    ("identity", "column", "passage", "end"),
    [
        ("greedy-below", "alpha", greedy.greedy_power_of_all, "from 0.1 on, the power is 0.246."),
        ("commuting-depth", "start", greedy.commuting_power_of_all, "from 0.1 on, it is 0.39."),
        ("norms-to-infinity", "accuracy", norms.norms_power_of_all, "from 0.1 on, the power is −0.526."),
    ],
)
def test_ledgers_say_what_all_points_of_a_table_would_give(references, identity, column, passage, end):
    (entry,) = (entry for entry in registered_claims() if entry["id"] == identity)
    own = dict(entry["estimand"])
    own["where"] = {key: value for key, value in own["where"].items() if key != column}
    table = references["standard"]["tables"][own["table"]]
    assert set(entry["estimand"]["where"][column]) < set(table[column])
    measured = getattr(estimands, own.pop("name"))
    found = measured({own["table"]: table}, {}, np.random.default_rng(0), **own)
    assert passage(table).endswith(end)
    assert f"{found.value:.3g}." in end


def test_ledgers_say_the_means_and_medians_that_figures_draw(references):
    standard = references["standard"]

    def draw(name, tier="standard"):
        needed = tier_settings(tier)["figures"][name]
        return figures.draw(name, {table: references[tier]["tables"][table] for table in needed}).axes

    flow, ratios = draw("norm_growth")[0], draw("spectral_phase")[1]
    for depth, det, *means in cells(passage_of(norms.norms_of_flow, standard["tables"])):
        assert means == [f"{value:.3g}" for value in curve(flow, f"depth {depth}, det {det}")]
    for width, alpha, *_, mean in cells(passage_of(spectral_phase.phase_angles, standard["tables"])):
        assert mean == f"{curve(ratios, f'width {width}')[float(alpha)]:.3g}"
    # The ledger of the race shows one tier.
    tier = "standard"
    (axes,) = draw("race_thresholds", tier)
    names = [label.get_text() for label in axes.get_yticklabels()]
    drawn = {
        (line.get_marker(), names[round(line.get_ydata()[0])]): line.get_xdata()[0]
        for line in axes.lines
        if line.get_marker() in ("o", "s", "^") and len(line.get_xdata()) == 1
    }
    table = {
        row[0]: row[2:5]
        for row in cells(passage_of(race.race_by_method, references[tier]["tables"]).partition("\n\n")[2])
    }
    for shown in ("descent, full width, α = 10⁻⁶", "thresholding with a rank search"):
        for marker, median in zip("os^", table[shown], strict=True):
            assert drawn[marker, shown] == pytest.approx(float(median), abs=0.0051)
