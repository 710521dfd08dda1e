"""What notebooks share: a tier's figures and verdicts, and experiments that are measured in a cell."""

import ast
import base64
import contextlib
import io
import json
import re
import subprocess
import sys
import warnings
from typing import Annotated
from unittest import mock

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, measured, registered_claims
from nbconvert import HTMLExporter
from pydantic import TypeAdapter, ValidationError

from algoreg import plugins
from algoreg.claims import judging
from algoreg.claims.cells import cells as cells_of_tables
from algoreg.claims.predictions import variance_components
from algoreg.engine import interactive
from algoreg.regression import references
from algoreg.reporting import executed, notebooks, opened
from algoreg.reporting.charts.style import plt
from algoreg.results import records
from algoreg.settings import options
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.any_kernels
CHAPTER = "depth"


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Return the folder of a tier without results that notebooks are told to read."""
    folder = tmp_path / "results" / "smoke"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ALGOREG_TIER", "smoke")
    monkeypatch.setenv("ALGOREG_RESULTS", str(folder))
    return folder


def judged(results, **changes):
    """Write the verdicts of a tier that has judged nothing of two chapters but these claims; return the tier."""
    nothing = dict.fromkeys(("estimate", "ci_low", "ci_high", "control_verdict"))
    claims = [
        {"id": entry["id"], "verdict": "not-judged", "margin": entry["margin"], "direction": entry["direction"]}
        | nothing
        | changes.get(entry["id"].replace("-", "_"), {})
        for entry in registered_claims()
        if entry["chapter"] in (CHAPTER, "noise")
    ]
    for claim in claims:
        records.write_json(results / "claims" / f"{claim['id']}.json", claim, {})
    return notebooks.Tier()


def test_a_tier_without_results_names_the_command(results):
    with pytest.raises(FileNotFoundError, match=r"run `snakemake --cores 2 --configfile config/smoke\.yaml` first"):
        notebooks.Tier()


def test_a_missing_figure_names_the_command(results):
    with pytest.raises(FileNotFoundError, match=r"config/smoke\.yaml"):
        judged(results).figure("depth_stages")


def test_a_slider_has_a_picture_of_every_value_and_shows_the_first():
    drawn = []

    def draw(value):
        figure, axes = plt.subplots(figsize=(1, 1))
        axes.plot([0, value])
        drawn.append(value)
        return figure

    page = notebooks.slider("α < 1", [0.5, 0.25, 1e-8], draw).data
    assert drawn == [0.5, 0.25, 1e-8]
    assert plt.get_fignums() == []
    pictures = re.findall(
        r'<img data-value="([^"]+)" alt="([^"]+)" src="data:image/png;base64,([^"]+)"( hidden)?>', page
    )
    assert [one[:2] for one in pictures] == [(value, f"α &lt; 1 = {value}") for value in ("0.5", "0.25", "1e-08")]
    assert [bool(one[3]) for one in pictures] == [False, True, True]
    assert len({one[2] for one in pictures}) == 3
    assert all(base64.b64decode(one[2]).startswith(b"\x89PNG") for one in pictures)
    assert 'type="range" min="0" max="2" value="0"' in page
    assert "<output>0.5</output>" in page


def test_verdicts_are_the_tiers_own_where_it_judges(results):
    outcome = {"verdict": "supported", "estimate": 1.61, "ci_low": 1.5, "ci_high": 1.7, "control_verdict": "refuted"}
    shown = judged(results, depth_samples=outcome).verdicts(CHAPTER)
    assert shown.caption == "Verdicts of this tier, smoke"
    own = {entry["id"]: entry["statement"] for entry in registered_claims() if entry["chapter"] == CHAPTER}
    assert dict(zip(shown.data["claim"], shown.data["statement"], strict=True)) == own
    told = shown.data.set_index("claim").loc["depth-samples"]
    assert told.drop("statement").tolist() == ["reading", "supported", "1.61", "1.5 … 1.7", "> 1.15", "refuted"]


def test_a_chapter_without_a_reference_shows_that_it_is_not_judged(results, monkeypatch):
    monkeypatch.setattr(notebooks.references, "read_claims", lambda tier, chapters: [])
    shown = judged(results).verdicts(CHAPTER)
    assert set(shown.data["verdict"]) == {"not-judged"}
    assert "this tier" in shown.caption


def test_verdicts_are_the_committed_ones_where_a_tier_judges_none(results):
    shown = judged(results).verdicts(CHAPTER)
    assert shown.caption == "Verdicts of the committed tier standard, as smoke judges none"
    assert not shown.data["verdict"].str.contains("not-judged").any()
    assert (shown.data["estimate"] != "–").all()


def test_some_verdicts_of_a_chapter_are_the_tiers_own_or_the_committed_ones(results):
    outcome = {"verdict": "supported", "estimate": 1.61, "ci_low": 1.5, "ci_high": 1.7, "control_verdict": "refuted"}
    tier = judged(results, depth_samples=outcome)
    assert tier.verdicts(CHAPTER, claims=["depth-samples"]).data["claim"].tolist() == ["depth-samples"]
    # The tier judges this chapter, but not this claim of it.
    other = next(
        entry["id"] for entry in registered_claims() if entry["chapter"] == CHAPTER and entry["id"] != "depth-samples"
    )
    shown = tier.verdicts(CHAPTER, claims=[other])
    assert shown.data["claim"].tolist() == [other]
    assert "committed tier standard" in shown.caption


def test_tables_of_the_tier_are_read_by_name_and_checked(results):
    tier = judged(results)
    records.write_table(results / "tables" / "runs.csv", ["a"], [{"a": 1.5}], {})
    assert tier.table("runs")["a"].tolist() == [1.5]
    (results / "tables" / "runs.csv").write_text("a\n2.5\n")
    with pytest.raises(records.DamagedResult):
        tier.table("runs")
    with pytest.raises(FileNotFoundError, match=r"config/smoke\.yaml"):
        tier.table("none")


def test_who_reads_a_tier_does_not_wait_for_torch():
    code = "import sys; from algoreg.reporting import notebooks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_same_verdicts_are_the_same_page(results):
    tier = judged(results)
    first, second = tier.verdicts(CHAPTER), tier.verdicts(CHAPTER)
    assert first.to_html() == second.to_html()
    assert repr(first) == repr(second) == first.caption


def test_pictures_of_an_executed_notebook_have_words():
    figure, file = plt.figure(figsize=(1, 1)), io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    picture = base64.b64encode(file.getvalue()).decode()
    shown = [
        nbformat.v4.new_output("display_data", {"image/png": picture}, metadata={"image/png": known})
        for known in ({}, {"alt": "the errors > 0"})
    ]
    text = nbformat.v4.new_markdown_cell("# One\n\n## What X\\* *costs* in `d`\n\nText.")
    notebook = nbformat.v4.new_notebook(cells=[text, nbformat.v4.new_code_cell("show()", outputs=shown)])
    executed.describe(notebook)
    template = ROOT / "workflow" / "report" / "notebook.html.j2"
    page, _ = HTMLExporter(template_file=str(template)).from_notebook_node(notebook)
    assert re.findall(r'<img alt="([^"]*)"', page) == ["What X* costs in d", "the errors &gt; 0"]
    assert page.count("<img") == 2


def test_what_a_notebook_measures_is_what_the_workflow_measures():
    options = {"d": 6, "eigenvalues": [1.0, 0.5], "m_over_dr": 100, "depth": [2], "alpha": 0.01, "time": 4}
    found = interactive.measure("stages_course", seed=7, ensembles=2, **options)
    pd.testing.assert_frame_equal(found, measured("stages_course", options, seed=7, ensembles=(0, 1)))
    assert sorted(found["ensemble"].unique()) == [0, 1]


def test_a_curve_is_the_geometric_mean_of_the_runs_that_have_a_value():
    table = pd.DataFrame({"x": [1, 1, 2, 2, 2], "y": [1e-2, 1e-4, 4.0, 9.0, np.nan]})
    figure, axes = plt.subplots()
    notebooks.curve(axes, table, "x", "y", label="mean")
    mean, dots = axes.lines
    np.testing.assert_allclose(mean.get_xydata(), [[1, 1e-3], [2, 6]])
    np.testing.assert_allclose(dots.get_xydata(), table.dropna())
    assert mean.get_color() == dots.get_color()
    plt.close(figure)


def cells(path):
    """Return the cells of a notebook as their kinds, texts and the mapping itself."""
    read = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"]), cell) for cell in read]


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_first_fit_of_own_data_runs_without_a_noise_as_its_notebook_proposes(capsys):
    path = ROOT / "notebooks" / "08_your_own_data.ipynb"
    first, fit = [text for kind, text, _ in cells(path) if kind == "code"][:2]
    assert "Leave out `noise=0.2`" in cells(path)[-1][1]
    with warnings.catch_warnings():
        exec(first + "\n" + fit.replace("noise=0.2, max_iter=1000", "max_iter=50"), {})
    assert "rank accepted by χ²: not tested" in capsys.readouterr().out


def test_starts_that_a_notebook_proposes_to_try_are_drawn():
    path = ROOT / "notebooks" / "11_what_makes_it_fast.ipynb"
    (text,) = (text for kind, text, _ in cells(path) if kind == "code" and '"one_over_t"' in text)
    assert "`alphas = [1, 1e-4]`" in cells(path)[-1][1]
    changed = text.replace("alphas = [1, 0.01]", "alphas = [1, 1e-4]").replace("iterations=3000", "iterations=300")
    with mock.patch.object(plt, "show"):
        exec(changed, {"plt": plt, "measure": interactive.measure, "curve": notebooks.curve})
    assert [axes.get_title() for axes in plt.gcf().axes] == ["from α = 1", "from α = 0.0001"]
    assert all(len(line.get_xdata()) for axes in plt.gcf().axes for line in axes.lines)
    plt.close()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_but_the_first_is_committed_without_outputs(path):
    code = [cell for kind, _, cell in cells(path) if kind == "code" and path != NOTEBOOKS[0]]
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]] == []


def test_the_first_look_is_committed_with_what_it_prints_and_one_eigenvalue_grows_after_the_other(capsys):
    code = [(text, cell["outputs"]) for kind, text, cell in cells(NOTEBOOKS[0]) if kind == "code"]
    with mock.patch.object(plt, "show"):
        exec("\n".join(text for text, _ in code), {})
    outputs = [output for _, found in code for output in found]
    committed = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
    printed, known = (
        [float(one) for one in re.findall(r"\d\S*", text)] for text in (capsys.readouterr().out, committed)
    )
    np.testing.assert_allclose(printed, known, rtol=0.2)
    assert "image/png" in outputs[-1]["data"]
    values = np.array([line.get_ydata() for line in plt.gcf().axes[1].lines if len(line.get_xdata()) > 2])
    *others, first, second = values
    plt.close()
    assert np.max(others) < 0.02
    assert first[-1] == pytest.approx(1.0, rel=0.02)
    assert second[-1] == pytest.approx(0.4, rel=0.02)
    assert np.argmax(first > 0.5) < np.argmax(second > 0.02)


def test_the_guide_lists_every_notebook_and_every_chapter_that_has_one():
    listed = re.findall(r"^\| `(\d\d_\w+)` \|.*\| (.*) \|$", (ROOT / "docs" / "guide.md").read_text("utf-8"), re.M)
    assert [name for name, _ in listed] == [path.stem for path in NOTEBOOKS]
    known = {chapter.name for chapter in load_chapters()}
    said = {name: set(re.findall(r"`(\w+)`", chapters)) for name, chapters in listed}
    assert set().union(*said.values()) <= known
    for path in NOTEBOOKS:
        shown = [text for kind, text, _ in cells(path) if kind == "code" and "tier.verdicts(" in text]
        judged = set(re.findall(r'"(\w+)"', " ".join(shown)))
        assert not judged or judged == said[path.stem]


def literal(call):
    """Return the options of a call of ``measure`` that are written out, and whether all are."""
    found = {}
    for option in call.keywords:
        with contextlib.suppress(ValueError):
            found[option.arg] = ast.literal_eval(option.value)
    return {name: value for name, value in found.items() if name != "ensembles"}, len(found) == len(call.keywords)


def takes(call, tried):
    """Return whether an experiment that is measured so takes these options in place of its own."""
    model, (own, whole) = options.of_experiment(call.args[0].value), literal(call)
    if not tried.keys() <= model.model_fields.keys():
        return False
    fields = [(model.model_fields[name], value) for name, value in tried.items()]
    try:
        if whole:
            model(**own | tried)
        for field, value in fields:
            TypeAdapter(Annotated[field.annotation, field]).validate_python(value)
    except ValidationError:
        return False
    return True


def test_what_notebooks_say_to_try_next_is_taken_by_one_of_their_experiments():
    count = 0
    for path in sorted((ROOT / "notebooks").glob("[01][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        if "from algoreg.reporting.notebooks import" not in code:
            continue
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        calls = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "measure"]
        for text in re.findall(r"`(\w+=[^`]+)`", "".join(cells[-1]["source"])):
            given = ast.parse(f"f({text})").body[0].value
            tried = {option.arg: ast.literal_eval(option.value) for option in given.keywords}
            assert any(takes(call, tried) for call in calls), f"{path.name}: {text}"
            count += 1
    assert count > 20


def committed_table(name, tier="quick"):
    """Return a committed table of a tier."""
    return references.read_tier(tier)["tables"][name]


def test_runs_that_notebooks_choose_or_say_to_choose_are_in_the_tables():
    count = 0
    for path in NOTEBOOKS:
        text = "\n".join(text for _, text, _ in cells(path))
        tables = dict(re.findall(r'(\w+) = tier\.table\("(\w+)"\)', text))
        for name, column, value in re.findall(r'(\w+)\["(\w+)"\] == ([-\d.]+|"\w+")', text):
            if name in tables:
                count += 1
                assert ast.literal_eval(value) in set(committed_table(tables[name])[column]), f"{path.stem}: {value}"
    assert count


def test_the_claims_that_a_notebook_says_to_judge_again_need_tables_alone():
    (path,) = (path for path in NOTEBOOKS if path.stem == "02_claims_and_uncertainty")
    ids = re.findall(r"`([a-z]\w*(?:-\w+)+)`", cells(path)[-1][1])
    entries = {entry["id"]: entry for entry in registered_claims()}
    assert ids
    for known in ids:
        tables = {name: committed_table(name) for name in entries[known]["experiments"]}
        assert judging.judge(entries[known], tables, {}, 2018, plugins.functions("estimands"))["verdict"] == "supported"


def run_cell(name, mark, *changes, **known):
    """Run the one cell of a notebook that has ``mark``, with changes, and return its variables."""
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    (code,) = (text for kind, text, _ in cells(path) if kind == "code" and mark in text)
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    variables = {"plt": plt, "np": np, "measure": interactive.measure, "curve": notebooks.curve, **known}
    with mock.patch.object(plt, "show"):
        exec(code, variables)
    plt.close("all")
    return variables


def test_links_of_an_executed_notebook_lead_to_the_documents():
    written, count = ROOT / "results" / "quick" / "notebooks", 0
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        executed.relink(notebook, written / path.name, ROOT)
        text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
            assert (written / link).resolve().is_file(), f"{path.stem}: {link}"
            count += 1
    assert count > 20


def test_what_intervals_are_made_of_does_not_hang_on_the_claim_that_is_judged_again(tmp_path):
    known = {"pd": pd, "cells": cells_of_tables, "variance_components": variance_components, "results": tmp_path}
    (tmp_path / "tables").mkdir()
    committed_table("figure_1").to_csv(tmp_path / "tables" / "figure_1.csv", index=False)
    parts = run_cell("02_claims_and_uncertainty", "variance_components(logs)", **known, tables={})["parts"]
    assert parts[["targets", "ensembles"]].to_numpy().tolist() == [[5, 3]]


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_the_error_of_rank_one_grows_as_the_notebook_says(tier):
    course = committed_table("dynamics_course", tier)
    run = course[(course["target"] == 0) & (course["ensemble"] == 0) & (course["rank"] == 1)]
    few, more, many = (one["error"].max() / one["error"].iloc[0] for _, one in run.groupby("m_over_dr"))
    assert sorted(run["m_over_dr"].unique())[:2] == [5, 100]
    assert (few > 1000, 6 < more < 7.5, many < 1.1) == (True, True, True)
    (path,) = (path for path in NOTEBOOKS if path.stem == "04_rank_one")
    (said,) = (text for kind, text, _ in cells(path) if "the signal follows its ideal" in text)
    for words in ("all but stand still", "At five times dr it grows more than a thousandfold", "six- to sevenfold"):
        assert words in said


def test_tables_in_notebooks_are_the_same_page_in_every_run():
    """A table that pandas styles has a random name, unless one is given."""
    for path in NOTEBOOKS:
        assert not [text for kind, text, _ in cells(path) if kind == "code" and ".style" in text], path.stem


def test_eigenvalues_that_are_not_yet_learned_can_be_drawn():
    changes = ("alpha=0.01", "alpha=1e-4"), ("time=80", "time=20")
    panels = run_cell("09_where_small_starts_end", '"stages_course"', *changes)["panels"]
    assert all(axes.get_xlim()[1] > 1 for axes in panels)


def test_stops_can_be_told_apart_by_noise_as_well():
    changes = (
        ("label_noise=[0.2]", "label_noise=[0.05, 0.5]"),
        ('groupby("width")', 'groupby(["noise", "width"])'),
        ("time=200", "time=20"),
    )
    wide = run_cell("13_noisy_labels", '"early_stopping"', *changes)["wide"]
    assert wide.index.tolist() == [(noise, width) for noise in (0.05, 0.5) for width in ("r", "2r", "d")]


def test_what_an_error_in_tau_does_is_drawn_of_algorithm_1_alone():
    lines = run_cell("06_quadratic_networks", "quadratic_tau", table=committed_table)["axes"].lines
    ends = {line.get_label(): line.get_ydata()[-1] for line in lines}
    assert 10 * ends["+0"] < ends["+0.01"] < ends["+0.03"] < ends["+0.1"]


def test_a_kernel_may_open_what_is_named_and_all_that_lies_elsewhere(tmp_path):
    results = tmp_path / "results" / "smoke"
    results.mkdir(parents=True)
    for path in (results / "named", results / "other", tmp_path / "elsewhere"):
        path.write_text(path.name)
    (tmp_path / "link").symlink_to(tmp_path / "results")
    line = opened.write(tmp_path / "read.json", [tmp_path / "link" / "smoke"], [results / "named"])
    code = f"{line}\nimport sys\nprint(open(sys.argv[1]).read())"
    found = {}
    for name in ("results/smoke/named", "link/smoke/named", "elsewhere", "results/smoke/other", "link/smoke/other"):
        command = [sys.executable, "-c", code, name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        found[name] = done.stdout.strip() or done.stderr.splitlines()[-1]
    refused = f"RuntimeError: {results}/other: no result of this tier that the notebook's metadata (algoreg) name"
    assert list(found.values()) == ["named", "named", "elsewhere", refused, refused]
